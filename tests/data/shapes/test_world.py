"""Paths, cameras and captions of the shapes world, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.data.shapes.world import (
    CAMERA_MOTIONS,
    COLOURS,
    OBJECT_MOTIONS,
    SHAPES,
    TEXTURES,
    WORDS,
    Ground,
    Scene,
    Thing,
    camera_path,
    caption_of,
    project,
    smooth,
    still,
)

RIGHT, DOWN = np.array([1.0, 0.0]), np.array([0.0, 1.0])
NOWHERE = np.zeros((3, 2))


@settings(max_examples=25)
@given(
    points=st.lists(st.tuples(*[st.floats(-1, 1)] * 2), min_size=2, max_size=5),
    between=st.integers(1, 4),
    corners=st.booleans(),
)
def test_a_smooth_path_meets_its_points_at_equal_intervals(
    points: list[tuple[float, float]], between: int, corners: bool
) -> None:
    path = smooth(np.array(points), between * (len(points) - 1) + 1, corners)
    np.testing.assert_allclose(path[::between], points, atol=1e-12)


def test_a_path_with_corners_is_straight_between_its_points() -> None:
    path = smooth(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]), 5, corners=True)
    np.testing.assert_allclose(path, [[0, 0], [0.5, 0], [1, 0], [1, 1], [1, 2]])


def test_a_smooth_path_reproduces_a_parabola_between_inner_points() -> None:
    # A Catmull–Rom tangent is a central difference, which is exact for a parabola; the end pieces have none.
    time = np.linspace(0, 3, 13)
    points = np.stack([np.arange(4.0), np.arange(4.0) ** 2], axis=1)
    np.testing.assert_allclose(smooth(points, 13)[4:9], np.stack([time, time**2], axis=1)[4:9])


def test_a_batch_of_smooth_paths_is_each_of_them() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, size=(3, 4, 2))
    np.testing.assert_allclose(smooth(points, 9), [smooth(one, 9) for one in points])


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ((0, 0, 0, 0), (0.5, 0.25)),
        ((0.5, -0.25, 0, 0), (0, 0.5)),  # less the camera's place
        ((0, 0, math.log(2), 0), (1, 0.5)),
        ((0, 0, 0, math.pi / 2), (0.25, -0.5)),  # a camera rolled clockwise sees the right at the top
        ((0.5, 0, math.log(4), math.pi), (0, -1)),  # (0, 0.25), turned over, four times as far out
    ],
)
def test_projection_by_hand(camera: tuple[float, ...], expected: tuple[float, float]) -> None:
    seen = project(np.array([0.5, 0.25]), np.array(camera, dtype=float))
    np.testing.assert_allclose(seen, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("motion", "point", "shift"),
    [
        ("camera panning right", RIGHT, -RIGHT),
        ("camera panning left", RIGHT, RIGHT),
        ("camera panning up", RIGHT, DOWN),
        ("camera panning down", RIGHT, -DOWN),
        ("camera zooming in", RIGHT, RIGHT),
        ("camera zooming out", RIGHT, -RIGHT),
        ("camera rolling clockwise", RIGHT, -DOWN),
        ("camera rolling counterclockwise", RIGHT, DOWN),
    ],
)
def test_the_picture_moves_against_the_camera(motion: str, point: np.ndarray, shift: np.ndarray) -> None:
    camera = camera_path(motion, 1.0, 100)
    moved = project(point[None], camera[1:]) - project(point[None], camera[:-1])
    np.testing.assert_allclose(moved[0] / np.linalg.norm(moved[0]), shift, atol=0.02)
    lengths = np.linalg.norm(camera[1:] - camera[:-1], axis=1)
    np.testing.assert_allclose(lengths, lengths[0])


@pytest.mark.parametrize("motion", CAMERA_MOTIONS)
def test_twice_the_amount_moves_the_camera_twice_as_far(motion: str) -> None:
    np.testing.assert_allclose(camera_path(motion, 2.0, 9), 2 * camera_path(motion, 1.0, 9))


def test_the_kind_of_a_scene_is_what_moves() -> None:
    star, move = Thing("star", "red", 0.3, NOWHERE), "camera zooming in"
    assert Scene(Ground("red"), still(3), star).kind == "object"
    assert Scene(Ground("red"), camera_path(move, 1.0, 3), None, move).kind == "camera"
    assert Scene(Ground("red"), camera_path(move, 1.0, 3), star, move).kind == "hybrid"


def test_captions_by_hand() -> None:
    ground = Ground("orange", "striped")
    star = Thing("star", "red", 0.3, NOWHERE, "moving up and left")
    full = Scene(ground, still(3), star, "camera zooming in")
    assert full.frames == 3
    assert caption_of(full) == ("a small red star moving up and left on an orange striped ground, camera zooming in")
    assert caption_of(Scene(ground, still(3), camera_motion="camera panning up")) == (
        "an orange striped ground, camera panning up"
    )
    assert caption_of(Scene(ground, still(3), star)) == caption_of(full).partition(",")[0]


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        ("size", "a red star circling clockwise on a blue dotted ground, camera zooming in"),
        ("colour", "a large star circling clockwise on a blue dotted ground, camera zooming in"),
        ("motion", "a large red star on a blue dotted ground, camera zooming in"),
        ("ground", "a large red star circling clockwise, camera zooming in"),
        ("texture", "a large red star circling clockwise on a blue ground, camera zooming in"),
        ("camera", "a large red star circling clockwise on a blue dotted ground"),
    ],
)
def test_each_part_of_a_caption_can_be_dropped(dropped: str, expected: str) -> None:
    star = Thing("star", "red", 0.5, NOWHERE, "circling clockwise")
    scene = Scene(Ground("blue", "dotted"), still(3), star, "camera zooming in")
    parts = ("size", "colour", "motion", "ground", "texture", "camera")
    assert caption_of(scene, tuple(part == dropped for part in parts)) == expected


@pytest.mark.parametrize(("radius", "word"), [(0.34, "small"), (0.35, ""), (0.45, ""), (0.46, "large")])
def test_only_the_smallest_and_largest_things_have_a_size(radius: float, word: str) -> None:
    assert Thing("circle", "red", radius, NOWHERE).size == word


def test_the_words_are_those_of_all_captions() -> None:
    said: set[str] = set()
    for radius in (0.3, 0.4, 0.5):
        for shape, texture in ((s, t) for s in SHAPES for t in TEXTURES):
            for colour, motion in ((c, m) for c in COLOURS for m in OBJECT_MOTIONS):
                thing = Thing(shape, colour, radius, NOWHERE, motion)
                said.update(caption_of(Scene(Ground(colour, texture), still(3), thing)).split())
    for motion in CAMERA_MOTIONS:
        said.update(caption_of(Scene(Ground("red"), still(3), None, motion)).replace(",", " ,").split())
    assert set(WORDS) == said
    assert list(WORDS) == sorted(said)
