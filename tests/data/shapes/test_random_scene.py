"""What random scenes promise: they repeat, stay in the frame, and are what their captions say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.data.shapes.random_scene import (
    DROPPED,
    REACH,
    captions_at_random,
    scenes_at_random,
)
from motion_inversion.data.shapes.world import CAMERA_MOTIONS, DIRECTIONS, WORDS, Scene, Thing, camera_path, project

COUNT = 4000


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Enough of them to count."""
    return scenes_at_random(np.random.default_rng(0), COUNT)


def things(scenes: list[Scene], motion: str) -> list[Thing]:
    """The things that move in this way, before a ground that is still."""
    found = [scene.thing for scene in scenes if not scene.camera_motion]
    return [thing for thing in found if thing and thing.motion == motion]


def within(count: int, share: float, of: int) -> bool:
    """Whether so many of so many are within five standard deviations of their expected share."""
    return abs(count - share * of) < 5 * np.sqrt(share * (1 - share) * of)


def test_a_seed_repeats_its_scenes_and_captions() -> None:
    drawn = []
    for seed in (1, 1, 2):
        random = np.random.default_rng(seed)
        scenes = scenes_at_random(random, 20)
        drawn.append(([scene.camera.tobytes() for scene in scenes], captions_at_random(random, scenes)))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), frames=st.integers(3, 24))
def test_objects_stay_in_the_frame(seed: int, frames: int) -> None:
    for scene in scenes_at_random(np.random.default_rng(seed), 50, frames):
        assert scene.frames == frames
        if scene.thing:
            assert scene.thing.path.shape == (frames, 2)
            furthest = np.abs(project(scene.thing.path, scene.camera)).max()
            assert furthest < (1.0 if scene.camera_motion else REACH + 1e-9)


def test_shares_of_kinds(scenes: list[Scene]) -> None:
    kinds = [scene.kind for scene in scenes]
    for kind, share in (("object", 0.55), ("camera", 0.15), ("hybrid", 0.30)):
        assert within(kinds.count(kind), share, COUNT)


def test_the_thing_and_the_ground_can_be_told_apart(scenes: list[Scene]) -> None:
    assert all(scene.thing.colour != scene.ground.colour for scene in scenes if scene.thing)


def test_a_moving_camera_shows_on_the_ground(scenes: list[Scene]) -> None:
    moving = {scene.ground.texture for scene in scenes if scene.camera_motion}
    assert moving == {"checkered", "dotted"}
    assert {scene.ground.texture for scene in scenes if not scene.camera_motion} == {
        *("plain", "striped"),
        *moving,
    }


def test_cameras_move_as_named(scenes: list[Scene]) -> None:
    for scene in scenes:
        if scene.camera_motion:
            typical = camera_path(scene.camera_motion, 1.0, scene.frames)
            amount = np.abs(scene.camera).max() / np.abs(typical).max()
            assert 0.75 <= amount <= 1.25
            np.testing.assert_allclose(scene.camera, amount * typical, atol=1e-12)
        else:
            assert not scene.camera.any()
    assert {scene.camera_motion for scene in scenes} == {"", *CAMERA_MOTIONS}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_straight_motions_go_where_they_are_said_to(scenes: list[Scene], direction: str) -> None:
    expected = np.array(DIRECTIONS[direction]) / np.linalg.norm(DIRECTIONS[direction])
    found = things(scenes, f"moving {direction}")
    assert found
    for thing in found:
        steps = np.diff(thing.path, axis=0)
        np.testing.assert_allclose(steps, steps.mean(axis=0, keepdims=True).repeat(len(steps), 0), atol=1e-9)
        np.testing.assert_allclose(steps[0] / np.linalg.norm(steps[0]), expected, atol=1e-9)


@pytest.mark.parametrize(("way", "sign"), [("clockwise", 1), ("counterclockwise", -1)])
def test_circling_keeps_its_distance_and_its_sense(scenes: list[Scene], way: str, sign: int) -> None:
    found = things(scenes, f"circling {way}")
    assert found
    for thing in found:
        # Each step of a circle turns by the same angle; with y down a positive one is clockwise.
        steps = np.diff(thing.path, axis=0)
        turns = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
        assert (sign * turns > 0).all()
        np.testing.assert_allclose(turns, turns[0], rtol=1e-6)


def test_motions_without_a_direction(scenes: list[Scene]) -> None:
    still, bouncing, zigzagging = (things(scenes, m) for m in ("standing still", "bouncing", "zigzagging"))
    assert all((thing.path == thing.path[0]).all() for thing in still)
    for thing in bouncing:
        across, height = thing.path.T
        np.testing.assert_allclose(np.diff(across), np.diff(across)[0], atol=1e-9)
        assert _reversals(height) >= 2
    for thing in zigzagging:
        across, height = thing.path.T
        assert (np.diff(across) > 0).all() or (np.diff(across) < 0).all()
        assert _reversals(height) >= 2
    assert still
    assert bouncing
    assert zigzagging


def _reversals(coordinate: np.ndarray) -> int:
    return int((np.diff(np.sign(np.diff(coordinate))) != 0).sum())


def test_captions_drop_their_parts_as_often_as_said(scenes: list[Scene]) -> None:
    captions = captions_at_random(np.random.default_rng(1), scenes)
    pairs = list(zip(scenes, captions, strict=True))
    colour = [s.thing.colour in c.partition(" on ")[0].split() for s, c in pairs if s.thing]
    motion = [s.thing.motion in c for s, c in pairs if s.thing]
    ground = ["ground" in c for s, c in pairs if s.thing]
    texture = [s.ground.texture in c for s, c in pairs if s.thing is None]
    camera = [s.camera_motion in c for s, c in pairs if s.camera_motion]
    sizes = [s.thing.size in c.split() for s, c in pairs if s.thing and s.thing.size]
    for kept, dropped in zip((sizes, colour, motion, ground, texture, camera), DROPPED, strict=True):
        assert within(kept.count(False), dropped, len(kept))


def test_captions_hold_only_known_words(scenes: list[Scene]) -> None:
    captions = captions_at_random(np.random.default_rng(1), scenes)
    said = {word for caption in captions for word in caption.replace(",", " ,").split()}
    assert said == set(WORDS)
