"""True tracks of scenes, and how close the trackers come to them."""

import math

import numpy as np
import pytest
import torch

from motion_inversion.core.trajectory import Bidirectional
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.world import Ground, Scene, Thing, camera_path, still
from motion_inversion.metric.tracker.dis import Dis
from motion_inversion.metric.tracker.truth import truth

PAN = Scene(Ground("blue", "checkered"), camera_path("camera panning right", 1.0, 8))


def across(way: int) -> Scene:
    path = np.linspace([-0.5 * way, 0], [0.5 * way, 0], 8)
    return Scene(Ground("green"), still(8), Thing("circle", "red", 0.4, path))


def test_a_pan_moves_every_point_against_the_camera() -> None:
    tracks = truth(PAN, 64)
    assert tracks.points.shape == (32 * 32, 8, 2)
    # 1.1 half-widths of 32 pixels in seven steps.
    steps = tracks.points.diff(dim=1)
    torch.testing.assert_close(steps, torch.tensor([-1.1 * 32 / 7, 0.0], dtype=steps.dtype).expand_as(steps))
    assert tracks.visible is not None
    # Those that start left of 1.1 half-widths have left by the end: 0.45 of the width remain.
    assert tracks.visible[:, -1].float().mean() == pytest.approx(0.45, abs=1 / 32)


@pytest.mark.parametrize(("size", "grid", "count"), [(64, None, 32), (256, None, 55), (64, 8, 8)])
def test_the_grid_is_that_of_the_trackers(size: int, grid: int | None, count: int) -> None:
    assert len(truth(PAN, size, grid).points) == count**2


def test_truth_tells_directions_apart_and_dis_agrees() -> None:
    fidelity, diagonal = Bidirectional(), math.hypot(64, 64)
    forth, back = (truth(across(way), 64) for way in (1, -1))
    assert fidelity(forth, forth, diagonal) == pytest.approx(1)
    assert fidelity(forth, back, diagonal) == pytest.approx(-1)
    tracked = Dis()(draw(across(1)))
    assert fidelity(forth, tracked, diagonal) > 0.9
