"""True tracks, against positions known by hand and against the pictures."""

import math

import numpy as np
import pytest

from motion_inversion.data.shapes.random_scene import scenes_at_random
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.truth import true_tracks
from motion_inversion.data.shapes.world import CAMERA_MOTIONS, Ground, Scene, Thing, camera_path, still
from motion_inversion.error import InputError

SIZE = 64


def at(points: np.ndarray, column: float, row: float) -> int:
    """The index of the track that starts nearest to a place."""
    return int(np.hypot(points[:, 0, 0] - column, points[:, 0, 1] - row).argmin())


def shown(scene: Scene, points: np.ndarray) -> np.ndarray:
    """The colours of the picture, 128 pixels wide, where the points are."""
    column, row = np.rint(points).astype(int).clip(0, 127).transpose(2, 0, 1)
    return draw(scene, 128)[np.arange(scene.frames), row, column].astype(float)


def test_the_grid_lies_evenly_over_the_first_frame() -> None:
    points, visible = true_tracks(Scene(Ground("blue"), still(3)), size=8, grid=2)
    # Cells of four pixels: columns 0 to 3 have their middle between 1 and 2.
    assert points[:, 0].tolist() == [[1.5, 1.5], [5.5, 1.5], [1.5, 5.5], [5.5, 5.5]]
    assert (points == points[:, :1]).all() and visible.all()


def test_points_on_the_object_go_with_it_and_hide_those_of_the_ground() -> None:
    # A square of half-diagonal 0.5 goes from the middle to the right by 0.6: 19.2 of 32 pixels per half-width.
    path = np.stack([np.linspace(0, 0.6, 4), np.zeros(4)], axis=1)
    scene = Scene(Ground("blue"), still(4), Thing("square", "red", 0.5, path))
    points, visible = true_tracks(scene, SIZE, SIZE)
    middle, right = at(points, 31.5, 31.5), at(points, 50, 31.5)
    np.testing.assert_allclose(points[middle, -1] - points[middle, 0], [19.2, 0], atol=1e-9)
    assert visible[middle].all()
    assert (points[right] == points[right, 0]).all()
    # The point is at x = 0.578; the square's right edge at (0.354, 0.554, 0.754, 0.954), its left one at most at 0.246.
    assert visible[right].tolist() == [True, True, False, False]
    # A point in the upper left corner of the picture is never met.
    assert visible[at(points, 0, 0)].all()


@pytest.mark.parametrize(
    ("motion", "moved"),
    [
        # A point a quarter of the picture right of the middle, from (16, 0) pixels; the camera's paths as documented.
        ("camera panning right", (16 - 1.1 * 32, 0)),
        ("camera panning down", (16, -1.1 * 32)),
        ("camera zooming in", (16 * math.exp(0.75), 0)),
        ("camera rolling clockwise", (16 * math.cos(math.radians(75)), -16 * math.sin(math.radians(75)))),
    ],
)
def test_the_ground_moves_against_the_camera(motion: str, moved: tuple[float, float]) -> None:
    scene = Scene(Ground("blue"), camera_path(motion, 1.0, 5), camera_motion=motion)
    points, visible = true_tracks(scene, SIZE, SIZE + 1)  # an odd grid has a point in the middle
    middle = (SIZE - 1) / 2
    track = points[at(points, middle + 16, middle)] - middle
    offset = track[0] - (16, 0)  # the nearest point of the grid isn't exactly there
    assert np.abs(offset).max() < 0.5
    np.testing.assert_allclose(track[-1], moved, atol=1.2)
    inside = (np.abs(points - middle) <= SIZE / 2).all(axis=-1)
    assert (visible == inside).all()
    assert visible[:, 0].all() and not visible[:, -1].all()


@pytest.mark.parametrize("motion", CAMERA_MOTIONS)
def test_the_first_frames_points_start_on_the_grid_under_any_camera(motion: str) -> None:
    camera = camera_path(motion, 1.0, 4)[::-1]  # reversed, so that the first frame is moved, zoomed or rolled
    points, _ = true_tracks(Scene(Ground("blue"), camera), SIZE, 4)
    axis = [7.5, 23.5, 39.5, 55.5]
    np.testing.assert_allclose(points[:, 0], [(column, row) for row in axis for column in axis], atol=1e-9)


def test_a_visible_point_keeps_its_colour_in_the_pictures() -> None:
    kept = []
    for scene in scenes_at_random(np.random.default_rng(5), 8):
        points, visible = true_tracks(scene, 128, 24)
        colours = shown(scene, points)
        kept.append((np.abs(colours - colours[:, :1]).max(axis=-1) < 40)[visible])
    # The rest lies within a pixel of an edge, where the picture is a mixture.
    assert np.concatenate(kept).mean() > 0.96


def test_a_hidden_point_shows_the_objects_colour() -> None:
    seen = []
    for scene in scenes_at_random(np.random.default_rng(6), 8):
        if scene.thing is None:
            continue
        plain = Scene(Ground("white"), scene.camera, Thing("circle", "blue", 0.4, scene.thing.path))
        points, visible = true_tracks(plain, 128, 16)
        hidden = (np.abs(points - 63.5) < 63).all(axis=-1) & ~visible
        colours = shown(plain, points)[hidden]
        seen.append(colours[:, 2] - colours[:, 0] > 85)  # blue, not white
    assert np.concatenate(seen).mean() > 0.97


@pytest.mark.parametrize(("size", "grid"), [(0, 4), (64, 0)])
def test_a_grid_without_points_is_refused(size: int, grid: int) -> None:
    with pytest.raises(InputError, match=f"grid={grid} over {size} pixels"):
        true_tracks(Scene(Ground("blue"), still(2)), size, grid)
