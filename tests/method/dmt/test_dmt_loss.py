"""The loss of spatial means: what it ignores, its bounds, and values worked out by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from motion_inversion.error import InputError
from motion_inversion.method.dmt.loss import CosineChanges, SquaredChanges, spatial_mean


def means(seed: int, frames: int, channels: int = 16) -> Tensor:
    return torch.randn(frames, channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("frames", [4, 8, 24])
def test_equal_clips_have_one_in_f_and_opposite_ones_the_rest_of_two(frames: int):
    source = means(0, frames)
    assert float(CosineChanges()(source, source)) == pytest.approx(1 / frames, abs=1e-6)
    assert float(CosineChanges()(-source, source)) == pytest.approx(2 - 1 / frames, abs=1e-6)


def test_a_clip_that_stands_still_has_one():
    source = means(0, 4)
    for still in (torch.zeros(4, 16), means(1, 1).expand(4, -1)):
        assert float(CosineChanges()(still, source)) == pytest.approx(1)


def test_two_frames_by_hand():
    # One change, (1, 0), beside (1, 1): cosine 1/√2 in either direction, two of the four pairs; ‖(0, −1)‖² = 1.
    target, source = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert float(CosineChanges()(target, source)) == pytest.approx(1 - 2 * 2**-0.5 / 4)
    assert float(SquaredChanges()(target, source)) == pytest.approx(2 * 1 / 4)
    # The frames themselves: cosines 0 (a zero vector) and 1/√2.
    content = float(CosineChanges(content=2.0)(target, source) - CosineChanges()(target, source))
    assert content == pytest.approx(2 * (1 - 2**-0.5 / 2), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_neither_a_common_offset_nor_a_scale_matters(seed: int, scale: float):
    target, source, offset = means(seed, 5), means(seed + 1, 5), means(seed + 2, 1)
    expected = float(CosineChanges()(target, source))
    assert float(CosineChanges()(scale * target + offset, source)) == pytest.approx(expected, abs=1e-4)
    assert float(SquaredChanges()(source + offset, source)) == pytest.approx(0, abs=1e-9)
    assert float(SquaredChanges()(scale * source, source)) == pytest.approx(
        (scale - 1) ** 2 * float(SquaredChanges()(torch.zeros_like(source), source)), rel=1e-3, abs=1e-5
    )


def test_places_in_the_frame_do_not_matter():
    feature = torch.randn(3, 8, 4, 6, generator=torch.Generator().manual_seed(0))
    shuffled = feature.flatten(2)[..., torch.randperm(24)].unflatten(2, (4, 6))
    torch.testing.assert_close(spatial_mean(shuffled), spatial_mean(feature))
    assert spatial_mean(feature.half()).dtype == torch.float32
    assert float(spatial_mean(torch.ones(1, 1, 2, 2))) == 1


@pytest.mark.parametrize("loss", [CosineChanges(), CosineChanges(content=1.0), SquaredChanges()])
def test_the_gradient_is_finite_where_nothing_changes(loss: CosineChanges | SquaredChanges):
    still = torch.zeros(4, 16, requires_grad=True)
    loss(still, means(0, 4)).backward()
    assert still.grad is not None and still.grad.isfinite().all()
    # Each of 12 pairs pulls with at most 1 / 1e-6, twice, of 16 in the mean; with content, 4 frames do as well.
    assert still.grad.norm() < 3e6


def test_the_loss_falls_along_its_gradient():
    target, source = means(0, 6).requires_grad_(), means(1, 6)
    for loss in (CosineChanges(), SquaredChanges()):
        [gradient] = torch.autograd.grad(loss(target, source), target)
        assert float(loss(target.detach() - 0.01 * gradient, source)) < float(loss(target.detach(), source))


def test_a_negative_weight_is_refused():
    with pytest.raises(InputError, match=r"method\.loss\.content=-1"):
        CosineChanges(content=-1.0)
