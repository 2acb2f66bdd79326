"""DIS on small clips of known motion, and its sub-pixel sampling."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.core.trajectory import Bidirectional
from motion_inversion.error import InputError
from motion_inversion.metric.tracker.dis import Dis, at

RIGHT_AND_UP = np.array([20.0, 44.0]) + np.arange(8)[:, None] * [3.0, -2.0]


def test_a_shifting_texture_is_followed_to_a_fraction_of_a_pixel(shifting: np.ndarray) -> None:
    tracks = Dis()(shifting)
    truth = tracks.points[:, :1] + torch.arange(8)[:, None] * torch.tensor([1.25, -0.75])
    error = (tracks.points - truth).norm(dim=-1)
    assert tracks.visible is not None
    # The shift takes 15 % of the columns and 9 % of the rows out of the frame: .85 · .91 = .78 remain.
    assert 0.7 < tracks.visible[:, -1].float().mean() < 0.85
    assert error[tracks.visible].mean() < 0.1
    assert error[tracks.visible].quantile(0.99) < 0.5


def test_a_disc_on_plain_ground_is_followed(disc: Callable[..., np.ndarray]) -> None:
    tracks = Dis()(disc((250, 220, 60), (40, 90, 210), RIGHT_AND_UP))
    inside = (tracks.points[:, 0] - torch.from_numpy(RIGHT_AND_UP[0])).norm(dim=1) < 10
    moved = tracks.points[inside, -1] - tracks.points[inside, 0]
    assert inside.sum() > 60
    assert (moved - torch.tensor([21.0, -14.0])).norm(dim=1).mean() < 1


def test_a_noisy_disc_is_seen_by_its_hue_alone(disc: Callable[..., np.ndarray]) -> None:
    # Red and blue of nearly one luminance, 92 and 89, under noise of twice their difference.
    tracks = Dis()(disc((214, 40, 40), (40, 90, 210), RIGHT_AND_UP, noise=6))
    inside = (tracks.points[:, 0] - torch.from_numpy(RIGHT_AND_UP[0])).norm(dim=1) < 9
    moved = tracks.points[inside, -1] - tracks.points[inside, 0]
    assert (moved - torch.tensor([21.0, -14.0])).norm(dim=1).median() < 2


def test_a_still_clip_has_still_tracks(shifting: np.ndarray) -> None:
    tracks = Dis(grid=10)(shifting[:1].repeat(4, axis=0))
    assert tracks.visible is not None
    assert tracks.visible.all()
    torch.testing.assert_close(tracks.points, tracks.points[:, :1].expand(-1, 4, -1))


def test_a_clip_scores_one_against_itself_and_opposite_motion_minus_one(shifting: np.ndarray) -> None:
    forth, back = Dis()(shifting), Dis()(shifting[::-1])
    score, diagonal = Bidirectional(), 64 * 2**0.5
    assert score(forth, forth, diagonal) == pytest.approx(1, abs=1e-6)
    assert score(forth, back, diagonal) < -0.95


def test_tracks_do_not_depend_on_threads(shifting: np.ndarray) -> None:
    threads = cv2.getNumThreads()
    try:
        tracks = []
        for count in (1, 2):
            cv2.setNumThreads(count)
            tracks.append(Dis(grid=8)(shifting[:3]).points)
    finally:
        cv2.setNumThreads(threads)
    assert torch.equal(*tracks)


def test_one_frame_is_refused(shifting: np.ndarray) -> None:
    with pytest.raises(InputError, match="frames"):
        Dis()(shifting[:1])


def test_a_version_names_the_settings() -> None:
    assert Dis().version() == "dis_v1 Dis(grid=None)"
    assert Dis(grid=8).version() != Dis().version()


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=5))
def test_sampling_is_exact_on_a_plane_and_flat_beyond_the_border(points: list[tuple[float, float]]) -> None:
    rows, columns = np.mgrid[:5, :7].astype(float)
    field = np.stack([2 * columns - rows, rows + 1], axis=-1)
    column, row = np.clip(points, 0, [6, 4]).T
    np.testing.assert_allclose(at(field, np.array(points)), np.stack([2 * column - row, row + 1], axis=1), atol=1e-9)
