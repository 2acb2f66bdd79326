"""Lucas-Kanade on small clips of known motion."""

from collections.abc import Callable

import numpy as np
import torch

from motion_inversion.metric.tracker.lk import Lk


def test_a_shifting_texture_is_followed_to_a_fraction_of_a_pixel(shifting: np.ndarray) -> None:
    tracks = Lk()(shifting)
    truth = tracks.points[:, :1] + torch.arange(8)[:, None] * torch.tensor([1.25, -0.75])
    error = (tracks.points - truth).norm(dim=-1)
    assert tracks.visible is not None
    assert tracks.visible[:, -1].float().mean() > 0.6
    assert error[tracks.visible].mean() < 0.1


def test_a_disc_is_followed_where_its_edge_is_seen(disc: Callable[..., np.ndarray]) -> None:
    path = np.array([20.0, 44.0]) + np.arange(8)[:, None] * [3.0, -2.0]
    tracks = Lk()(disc((250, 220, 60), (40, 90, 210), path))
    assert tracks.visible is not None
    from_centre = (tracks.points[:, 0] - torch.from_numpy(path[0])).norm(dim=1)
    rim = (from_centre > 7) & (from_centre < 11) & tracks.visible[:, -1]
    moved = tracks.points[rim, -1] - tracks.points[rim, 0]
    assert rim.sum() > 20
    assert (moved - torch.tensor([21.0, -14.0])).norm(dim=1).median() < 1


def test_points_without_texture_are_lost_but_finite() -> None:
    tracks = Lk(grid=4)(np.full((3, 64, 64, 3), 90, dtype=np.uint8))
    assert tracks.visible is not None
    assert not tracks.visible[:, 1:].any()
    assert tracks.points.isfinite().all()


def test_a_version_names_the_settings() -> None:
    assert Lk(grid=8).version() == "lk_v1 Lk(grid=8)"
