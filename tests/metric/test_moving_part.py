"""Where a clip that is still almost everywhere changes, and the points that are put there."""

import numpy as np
import pytest
import torch

from motion_inversion.core.trajectory import Tracks
from motion_inversion.metric.moving_part import moving_part


def square(step: int, side: int = 8, noise: float = 0.0) -> np.ndarray:
    """A bright square on dark ground, 200 × 300, from row 50 and column 40 to the right; noise of this deviation."""
    video = 40 + noise * np.random.default_rng(0).standard_normal((10, 200, 300, 3))
    for k, frame in enumerate(video):
        frame[50 : 50 + side, 40 + step * k : 40 + step * k + side] += 180
    return video.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_points_lie_where_the_object_is_and_goes(noise: float) -> None:
    part = moving_part(square(step=6, noise=noise))
    assert part is not None
    column, row = (part.points + (part.columns.start, part.rows.start)).T
    assert 30 <= column.min() < 44 < 95 < column.max() <= 110
    assert 40 <= row.min() < 53 < row.max() <= 68
    on_object = (column >= 40) & (column < 48) & (row >= 50) & (row < 58)
    assert on_object.sum() >= 32
    assert len(part.points) < 3000


def test_its_tracks_are_in_pixels_of_the_whole_picture() -> None:
    video = square(step=6)
    part = moving_part(video)
    assert part is not None

    def rest(video: np.ndarray, points: np.ndarray | None = None) -> Tracks:
        assert points is not None
        assert video.shape[1:3] == (part.rows.stop - part.rows.start, part.columns.stop - part.columns.start)
        return Tracks(torch.from_numpy(points)[:, None].expand(-1, len(video), -1))

    tracks = part.follow(video, rest)
    assert torch.allclose(tracks.points[:, 0], torch.from_numpy(part.points + (part.columns.start, part.rows.start)))


@pytest.mark.parametrize("video", [square(step=0), square(step=0, noise=4.0), square(step=6, side=120)])
def test_a_still_clip_and_one_that_changes_widely_have_no_such_part(video: np.ndarray) -> None:
    assert moving_part(video) is None
