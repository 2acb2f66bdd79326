"""The canvas: its grey, its grid, and which points it counts as visible."""

import numpy as np
import pytest
import torch

from motion_inversion.error import InputError
from motion_inversion.metric.tracker.canvas import Canvas, grey


def clip(frames: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_grey_keeps_apart_colours_of_one_luminance() -> None:
    # Rec. 601 luma of both: .299·214 + .587·40 + .114·40 = 92.0 and .299·40 + .587·95 + .114·210 = 91.7.
    video = np.full((2, 8, 8, 3), (214, 40, 40), dtype=np.uint8)
    video[:, 2:6, 2:6] = (40, 95, 210)
    shades = np.unique(grey(video)).astype(int)
    # Along their difference (-174, 55, 170)/399: apart by (174² + 55² + 170²)/399 = 155.9.
    assert len(shades) == 2
    assert shades[1] - shades[0] == pytest.approx(155.9, abs=1)


def test_grey_of_a_grey_clip_is_that_clip() -> None:
    shade = clip(2, 6, 6)[..., :1]
    np.testing.assert_array_equal(grey(shade.repeat(3, axis=3)), shade[..., 0])


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 128)])
def test_grey_of_one_colour_is_one_shade(colour: tuple[int, int, int]) -> None:
    assert len(np.unique(grey(np.full((2, 4, 4, 3), colour, dtype=np.uint8)))) == 1


def test_small_clips_are_enlarged_and_large_ones_are_not() -> None:
    assert Canvas.paint(clip(1, 64, 96)).frames.shape == (1, 192, 288)
    assert Canvas.paint(clip(1, 320, 576)).frames.shape == (1, 320, 576)


@pytest.mark.parametrize(
    ("height", "width", "count", "expected"),
    [(320, 576, None, 55), (64, 64, None, 32), (16, 64, None, 8), (2, 2, None, 2), (64, 64, 5, 5)],
)
def test_the_grid_is_as_dense_as_the_clip_allows(height: int, width: int, count: int | None, expected: int) -> None:
    canvas = Canvas.paint(clip(1, height, width))
    assert len(canvas.grid(count)) == expected**2


def test_the_grid_spans_the_frame_but_for_its_margins() -> None:
    points = Canvas.paint(clip(1, 384, 512)).grid(None)
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[8, 8], [503, 375]])
    np.testing.assert_allclose(np.diff(sorted(set(points[:, 0].round(6).tolist()))), 495 / 54, atol=1e-5)


def test_a_grid_of_one_point_is_refused() -> None:
    with pytest.raises(InputError, match="grid=1: accepted are 2"):
        Canvas.paint(clip(1, 64, 64)).grid(1)


def test_points_come_back_in_the_pixels_of_the_clip() -> None:
    # Enlarged threefold: pixel 5's centre, 5.5 widths from the border, is 16.5 from it then, at column 16.
    canvas = Canvas.paint(clip(3, 64, 64))
    tracks = canvas.follow(np.array([[16.0, 19.0]]), lambda _, __, points: (points + 3, points))
    torch.testing.assert_close(tracks.points[0], torch.tensor([[5.0, 6.0], [6.0, 7.0], [7.0, 8.0]]))
    assert tracks.visible is not None
    assert tracks.visible.all()


@pytest.mark.parametrize(
    ("shift", "error", "kept"),
    [
        # Allowed: |error|² < .01 (|d|² + |b|²) + .5, where b = error - d along the columns.
        (0.0, 0.7, True),  # .49 < .01·.49 + .5
        (0.0, 0.72, False),  # .518 > .01·.518 + .5 = .505
        (20.0, 2.7, True),  # 7.29 < .01·(400 + 17.3²) + .5 = 7.49
        (20.0, 2.8, False),  # 7.84 > .01·(400 + 17.2²) + .5 = 7.46
    ],
)
def test_a_round_trip_may_miss_by_so_much(shift: float, error: float, kept: bool) -> None:
    canvas = Canvas.paint(clip(2, 192, 192))
    start = np.array([[50.0, 50.0]])
    tracks = canvas.follow(start, lambda *_: (start + [shift, 0], start + [error, 0]))
    assert tracks.visible is not None
    assert bool(tracks.visible[0, 1]) is kept


def test_points_that_left_or_were_lost_stay_invisible() -> None:
    canvas = Canvas.paint(clip(4, 192, 192))
    start = np.array([[185.0, 50.0], [50.0, 50.0], [60.0, 60.0]])
    shifts = iter([[[9, 0], [np.nan, np.nan], [1, 0]], [[-9, 0], [0, 0], [1, 0]], [[-9, 0], [0, 0], [1, 0]]])

    tracks = canvas.follow(start, lambda _, __, points: (points + next(shifts), points))
    assert tracks.visible is not None
    assert tracks.visible.tolist() == [[True, False, False, False], [True, False, False, False], [True] * 4]
    assert tracks.points.isfinite().all()


def test_one_frame_has_no_tracks() -> None:
    canvas = Canvas.paint(clip(1, 64, 64))
    with pytest.raises(InputError, match="frames"):
        canvas.follow(canvas.grid(4), lambda _, __, points: (points, points))
