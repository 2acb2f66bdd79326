"""The judges of shapes clips on scenes whose truth is known, clean and degraded, and on wrong clips."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from evaluate_shapes import draw_cases, share
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.world import COLOURS, SHAPES, Ground, Scene, Thing, camera_path, still
from shapes_camera import find_camera
from shapes_judge import (
    Track,
    Video,
    find_object,
    ground_colour,
    heads,
    limits,
    moves_as,
    never_jumps,
    persists,
    shape,
)

CASES = draw_cases(16, seed=5)
FRAMES = 16


def soften(video: Video, blur: float, noise: float, seed: int) -> Video:
    """What a generated clip looks like: blurred (pixels), tinted by 5 %, noisy (share of the full range)."""
    random = np.random.default_rng(seed)
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), blur) for frame in video.astype(np.float32)])
    tinted = soft * (1 + 0.05 * random.standard_normal(3)) + 255 * noise * random.standard_normal(soft.shape)
    return tinted.clip(0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module", params=["clean", "soft", "softer"])
def video_of(request: pytest.FixtureRequest) -> Callable[[Scene], Video]:
    """Draws a scene at one of three qualities."""
    blur, noise = {"clean": (0.0, 0.0), "soft": (1.0, 0.05), "softer": (1.5, 0.06)}[request.param]
    return lambda scene: soften(draw(scene), blur, noise, 0) if blur else draw(scene)


def things(*kinds: str) -> list[tuple[Scene, Thing]]:
    """Held-out scenes of an object, with it."""
    return [(case.scene, case.scene.thing) for case in CASES if case.kind in kinds and case.scene.thing is not None]


def moving_right(colour: str = "red", ground: str = "blue", texture: str = "plain", kind: str = "square") -> Scene:
    """A plain scene of the slowest straight motion."""
    thing = Thing(kind, colour, 0.4, np.linspace((-0.35, 0.0), (0.35, 0.0), FRAMES), "moving right")
    return Scene(Ground(ground, texture), still(FRAMES), thing)


def test_colours_persistence_and_smoothness(video_of: Callable[[Scene], Video]) -> None:
    answers = []
    for scene, thing in things("object"):
        video = video_of(scene)
        track = find_object(video)
        calm = persists(track) and never_jumps(track) and moves_as(track, thing.motion)
        answers.append((track.colour == thing.colour, ground_colour(video) == scene.ground.colour, calm))
    assert (np.mean(answers, axis=0) >= 0.97).all()


def test_shape(video_of: Callable[[Scene], Video]) -> None:
    right = []
    for scene, thing in things("object", "direction")[::2]:
        track = find_object(video_of(scene)[::4])
        right.append(shape(track) == thing.shape)
    assert np.mean(right) >= 0.95


def test_direction(video_of: Callable[[Scene], Video]) -> None:
    tracks = [
        (find_object(video_of(scene)), thing.motion.removeprefix("moving ")) for scene, thing in things("direction")
    ]
    assert np.mean([heads(track, way) for track, way in tracks]) >= 0.95
    opposite = {"right": "left", "left": "right", "up": "down", "down": "up"}
    wrong = [(track, " ".join(opposite.get(word, word) for word in way.split())) for track, way in tracks]
    assert not any(heads(track, way) for track, way in wrong)


def test_camera(video_of: Callable[[Scene], Video]) -> None:
    scenes = [case.scene for case in CASES if case.kind == "camera"][:8]
    # Half of each clip is enough, and keeps the test short.
    found = [(find_camera(video_of(scene)[:9]), scene.camera_motion) for scene in scenes]
    assert np.mean([camera.motion == motion for camera, motion in found]) >= 0.9
    assert np.mean([camera.whole for camera, _ in found]) >= 0.95


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_is_told_on_a_textured_ground_and_as_one(name: str) -> None:
    other = "white" if name != "white" else "purple"
    for object_colour, ground in ((name, other), (other, name)):
        video = soften(draw(moving_right(object_colour, ground, "checkered"))[:4], 1.0, 0.05, 1)
        assert find_object(video).colour == object_colour
        assert ground_colour(video) == ground


@pytest.mark.parametrize("kind", SHAPES)
def test_every_shape_is_told_at_the_edge_of_the_frame(kind: str) -> None:
    thing = Thing(kind, "yellow", 0.5, np.array([[0.6, -0.6], [-0.6, 0.6]]))
    assert shape(find_object(draw(Scene(Ground("green"), still(2), thing)))) == kind


@pytest.mark.parametrize(
    # A path through arbitrary points may be as fast as some of its shuffles.
    ("motion", "caught"),
    [("moving right", 1.0), ("circling clockwise", 1.0), ("zigzagging", 1.0), ("moving around", 0.75)],
)
def test_shuffled_frames_are_caught(motion: str, caught: float) -> None:
    random = np.random.default_rng(0)
    scenes = [case.scene for case in draw_cases(60, seed=6)]
    fitting = [scene for scene in scenes if scene.thing and scene.thing.motion == motion][:16]
    tracks = [find_object(draw(scene)) for scene in fitting]
    assert all(moves_as(track, motion) and never_jumps(track) for track in tracks)
    orders = [random.permutation(FRAMES) for _ in tracks]
    shuffled = [replace(track, centres=track.centres[k]) for track, k in zip(tracks, orders, strict=True)]
    assert np.mean([not moves_as(track, motion) for track in shuffled]) >= caught
    assert np.mean([not never_jumps(track) for track in shuffled]) >= 0.75


def leap(strength: float, frames: slice) -> list[Track]:
    """The world's objects, in some frames a distance away in a random direction."""
    random, tracks = np.random.default_rng(0), []
    for case in draw_cases(100, seed=8):
        if case.kind == "object" and case.scene.thing:
            angle, path = random.uniform(0, 2 * np.pi), case.scene.thing.path.copy()
            path[frames] += strength * np.array([np.cos(angle), np.sin(angle)])
            tracks.append(Track("red", np.ones((FRAMES, 1, 1), dtype=bool), path))
    return tracks


@pytest.mark.parametrize("frames", [slice(6, FRAMES), slice(9, 10)], ids=["for good", "for one frame"])
def test_jumps_as_long_as_an_object_are_caught_on_any_way(frames: slice) -> None:
    assert np.mean([never_jumps(track) for track in leap(0.0, frames)]) == 1
    assert np.mean([never_jumps(track) for track in leap(0.7, frames)]) <= 0.15  # a median object is 0.8 wide


def test_jumps_in_every_frame_are_caught() -> None:
    random = np.random.default_rng(0)
    tracks = [
        replace(track, centres=track.centres + random.normal(0, 0.2, (FRAMES, 2))) for track in leap(0.0, slice(0))
    ]
    assert np.mean([never_jumps(track) for track in tracks]) <= 0.02


def test_a_single_leap_is_a_jump() -> None:
    scene = moving_right()
    assert scene.thing is not None
    path = scene.thing.path + np.where(np.arange(FRAMES) < 8, 0, 0.25)[:, None]
    leaping = find_object(draw(replace(scene, thing=replace(scene.thing, path=path))))
    assert persists(leaping)
    assert not never_jumps(leaping)
    assert not moves_as(leaping, "moving right")


def test_another_way_than_the_one_named_is_no_jump() -> None:
    angles = np.linspace(0, np.pi, FRAMES)
    thing = Thing("circle", "red", 0.4, 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1), "moving right")
    track = find_object(draw(Scene(Ground("blue"), still(FRAMES), thing)))
    assert never_jumps(track)
    assert not moves_as(track, "standing still")


def test_the_limit_of_straight_motion_follows_from_the_world() -> None:
    # Straight paths reach 0.6 to both sides: 1.2 in 15 steps are 0.08 each, none of which changes.
    step, change = limits("moving left", FRAMES)
    assert step == pytest.approx(1.25 * 0.08 + 4 / 64, rel=0.01)
    assert change == pytest.approx(8 / 64)


@pytest.mark.parametrize("texture", ["plain", "striped", "dotted"])
def test_a_clip_that_loses_its_object_for_a_frame_fails(texture: str) -> None:
    video = draw(moving_right(texture=texture))
    assert persists(find_object(video))
    bare = draw(Scene(Ground("blue", texture), still(1)))
    track = find_object(np.concatenate([video[:7], bare, video[8:]]))
    assert not persists(track)
    assert not moves_as(track, "moving right")
    assert not never_jumps(replace(track, centres=np.where(np.arange(FRAMES)[:, None] == 7, np.nan, 0.0)))


def test_a_bare_ground_has_no_object() -> None:
    track = find_object(draw(Scene(Ground("orange", "checkered"), still(4))))
    assert track.colour == ""
    assert not persists(track)
    assert not heads(track, "up")
    assert shape(track) == ""


def test_a_growing_object_does_not_persist() -> None:
    size = camera_path("camera zooming in", 1.0, FRAMES)
    assert not persists(find_object(draw(replace(moving_right(), camera=size))))


def test_an_object_that_stays_has_no_direction() -> None:
    video = draw(moving_right())
    track = find_object(soften(np.repeat(video[:1], FRAMES, axis=0), 1.0, 0.05, 0))
    assert not any(heads(track, way) for way in ("right", "left", "up", "down"))


@pytest.fixture(scope="module")
def panning() -> Video:
    """A camera that pans over a checkered ground."""
    return draw(Scene(Ground("green", "checkered"), camera_path("camera panning right", 1.0, FRAMES)))


def test_the_camera_moves_against_the_picture(panning: Video) -> None:
    camera = find_camera(panning[:8])
    assert camera.motion == "camera panning right"
    assert camera.whole
    assert find_camera(panning[7::-1]).motion == "camera panning left"


def test_pictures_that_fall_apart_do_not_move_as_a_whole(panning: Video) -> None:
    torn = np.concatenate([panning[:8, :32], panning[7::-1, 32:]], axis=1)
    assert not find_camera(torn).whole
    assert not find_camera(panning[[0, 9, 3, 12, 6, 15, 2, 10]]).whole
    noise = np.random.default_rng(0).integers(0, 256, panning[:8].shape, dtype=np.uint8)
    assert not find_camera(noise).whole


@pytest.mark.parametrize("texture", ["plain", "checkered"])
def test_an_object_over_a_still_ground_is_no_camera_move(texture: str) -> None:
    assert not find_camera(draw(moving_right("white", "purple", texture))).whole


def test_wilson_interval() -> None:
    # Newcombe (Statistics in Medicine 17, 1998), table I, method 3: 81/263 and 0/20.
    found = share([True] * 81 + [False] * 182)
    assert (found["low"], found["high"]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = share([False] * 20)
    assert (none["low"], none["high"]) == pytest.approx((0.0, 0.1611), abs=5e-5)
