"""Losses: identities, hand-calculated values, gradients and refusals."""

import math

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from motion_inversion.core.loss import Debiased, Loss, Mse, Vmc
from motion_inversion.core.seed import generator
from motion_inversion.error import InputError


def gaussian(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape or (2, 3, 5, 4, 6), generator=generator(seed))


def clip(*frames: float) -> Tensor:
    """One number per frame, the same in all pixels."""
    return torch.tensor(frames, dtype=torch.float32).view(1, 1, -1, 1, 1).expand(2, 3, -1, 4, 5)


@pytest.mark.parametrize(
    "loss", [Mse(), Vmc(), Vmc("pair"), Vmc("pair", absolute=False), Debiased(), Debiased(form="printed")]
)
def test_a_perfect_prediction_costs_nothing(loss: Loss) -> None:
    x = gaussian(0)
    assert loss(x, x.clone(), generator(0)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [Mse(), Vmc(), Debiased(), Debiased(form="printed")])
def test_losses_are_computed_in_single_precision(loss: Loss) -> None:
    # 300² overflows half precision.
    x, y = 300 * gaussian(0).half(), 300 * gaussian(1).half()
    value = loss(x, y, generator(0))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(x.float(), y.float(), generator(0)).item())


def test_mse_of_a_constant_error_is_its_square() -> None:
    x = gaussian(0)
    assert Mse()(x + 3, x, generator(0)).item() == pytest.approx(9, rel=1e-5)


@given(scale=st.floats(0.1, 10), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_vmc_is_blind_to_sign_scale_and_offsets_constant_in_time(scale: float, seed: int) -> None:
    x, offset = gaussian(seed), gaussian(seed + 1, 2, 3, 1, 4, 6)
    for prediction in (-x, scale * x, x + offset):
        assert Vmc()(prediction, x, generator(0)).item() == pytest.approx(0, abs=1e-5)


def test_vmc_along_frames_refuses_two_frames_of_which_it_would_say_nothing() -> None:
    with pytest.raises(InputError, match=r"method\.loss\.axis=pair"):
        Vmc()(gaussian(0, 1, 4, 2, 8, 8), gaussian(1, 1, 4, 2, 8, 8), generator(0))


def test_losses_say_what_they_compare() -> None:
    assert Mse().on == "prediction" and Vmc().on == "noise" and Vmc(on="clean").on == "clean"
    assert Debiased().on == "prediction" and Debiased(form="printed").on == "noise"


@pytest.mark.parametrize("axis", ["frame", "pair"])
def test_a_prediction_constant_in_time_is_a_dead_point_of_vmc(axis) -> None:
    prediction = clip(2, 2, 2, 2).clone().requires_grad_()
    loss = Vmc(axis)(prediction, gaussian(0, 2, 3, 4, 4, 5), generator(0))
    loss.backward()
    assert loss.item() == 1
    assert prediction.grad is not None and not prediction.grad.any()


@pytest.mark.parametrize(
    ("predicted", "target", "expected"),
    [
        ((0, 1, 1), (0, 0, 1), 1.0),  # differences (1, 0) and (0, 1) are orthogonal
        ((0, 1, 2), (0, 1, 1), 1 - 1 / math.sqrt(2)),  # (1, 1) and (1, 0) enclose 45°
    ],
)
def test_vmc_compares_differences_along_the_frames(predicted, target, expected: float) -> None:
    assert Vmc()(clip(*predicted), clip(*target), generator(0)).item() == pytest.approx(expected, abs=1e-6)


def test_vmc_by_pairs_compares_whole_frames() -> None:
    # Two pixels, two frames: the first moves in the prediction, both do in the target: 45°.
    prediction = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).view(1, 1, 2, 1, 2)
    target = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(1, 1, 2, 1, 2)
    assert Vmc("pair")(prediction, target, generator(0)).item() == pytest.approx(1 - 1 / math.sqrt(2))


def test_vmc_with_signs_tells_opposite_motions_apart() -> None:
    x = gaussian(0)
    assert Vmc("pair", absolute=False)(-x, x, generator(0)).item() == pytest.approx(2)


@pytest.mark.parametrize(
    ("loss", "frames", "expected"),
    [
        (Vmc(), 8, 0.300),
        (Vmc(), 16, 0.333),
        (Vmc(), 24, 0.343),
        # Of long vectors, cos(|d|, |d'|) → (E|d|)² / E d² = 2 / π, and cos(d, d') → 0.
        (Vmc("pair"), 8, 1 - 2 / math.pi),
        (Vmc("pair", absolute=False), 8, 1.0),
    ],
)
def test_vmc_of_independent_noise(loss: Vmc, frames: int, expected: float) -> None:
    shape = (1, 4, frames, 48, 48)
    assert loss(gaussian(0, *shape), gaussian(1, *shape), generator(0)).item() == pytest.approx(expected, abs=0.01)


def test_vmc_needs_two_frames() -> None:
    with pytest.raises(InputError, match=r"model\.frames=8"):
        Vmc()(clip(1), clip(1), generator(0))


@given(c=st.floats(-5, 5), anchor=st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_debiased_of_a_constant_error(c: float, anchor: int) -> None:
    # φ is linear and maps a constant c to (√2 − 1) c.
    x = gaussian(0)
    value = Debiased(anchor=anchor)(x + c, x, generator(0)).item()
    assert value == pytest.approx(c**2 * (1 + 0.171573), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        # One of 8 frames is wrong by 1: 1/8 by itself; φ makes it √2 there, 2/8.
        (2, 1 / 8 + 0.25),
        # The anchor is: φ makes it √2 − 1 there and −1 in the 7 others.
        (5, 1 / 8 + 0.896447),
    ],
)
def test_debiased_of_one_wrong_frame(anchor: int, expected: float) -> None:
    x = gaussian(0, 1, 4, 8, 3, 3)
    wrong = x.clone()
    wrong[:, :, 5] += 1
    assert Debiased(anchor=anchor)(wrong, x, generator(0)).item() == pytest.approx(expected, rel=1e-5)


def test_debiased_noise_has_variance_3_off_the_anchor() -> None:
    # β² + 1 + β² off the anchor, (√2 − 1)² at it.
    variance = Debiased().debias(gaussian(0, 4, 4, 4, 64, 64), anchor=1).var(dim=(0, 1, 3, 4))
    assert variance.tolist() == pytest.approx([3, 0.17157, 3, 3], rel=0.02)


def test_debiased_with_beta_0_is_twice_the_mse() -> None:
    x, y = gaussian(0), gaussian(1)
    expected = 2 * Mse()(x, y, generator(0)).item()
    assert Debiased(beta=0.0)(x, y, generator(0)).item() == pytest.approx(expected)


@pytest.mark.parametrize("form", ["linear", "printed"])
def test_permuting_frames_with_the_anchor_changes_nothing(form) -> None:
    x, y, order = gaussian(0), gaussian(1), torch.tensor([3, 1, 4, 0, 2])
    moved = Debiased(form=form, anchor=2)(x[:, :, order], y[:, :, order], generator(0))  # frame 4 comes third
    assert moved.item() == pytest.approx(Debiased(form=form, anchor=4)(x, y, generator(0)).item())


def test_the_random_anchor_is_the_generators_and_visits_all_frames() -> None:
    x, y = gaussian(0), gaussian(1)
    possible = [Debiased(anchor=a)(x, y, generator(0)).item() for a in range(5)]
    drawn = [Debiased()(x, y, generator(seed)).item() for seed in range(40)]
    assert set(drawn) == set(possible)
    assert drawn == [Debiased()(x, y, generator(seed)).item() for seed in range(40)]


def test_gradients_flow_through_the_anchor_of_the_prediction() -> None:
    # Only frame 0 is wrong, and no other: a detached anchor would leave frames' φ independent of frame 1.
    x = gaussian(0)
    prediction = x.clone()
    prediction[:, :, 0] += 1
    prediction.requires_grad_()
    Debiased(anchor=1)(prediction, x, generator(0)).backward()
    # d/dε_1 of mean (φ error)² is −2 β √2 error(0) / size; the error at the anchor itself is 0.
    assert prediction.grad is not None
    assert prediction.grad[:, :, 1].sum().item() == pytest.approx(-2 * math.sqrt(2) / 5, rel=1e-4)


def test_the_printed_form_is_the_papers_root() -> None:
    # β = 1, ε = (2, 0.5), anchor 1: √(1 + 4 − .5) and √(1 + .25 − .5).
    phi = Debiased(form="printed").debias(torch.tensor([2.0, 0.5]).view(1, 1, 2, 1, 1), anchor=1)
    assert phi.flatten().tolist() == pytest.approx([math.sqrt(4.5), math.sqrt(0.75)])


@pytest.mark.parametrize("reference", [3.0, 1 - 1e-6])
def test_the_printed_form_is_tame_where_its_root_is_not(reference: float) -> None:
    # ε_i = 0 beside such an anchor: the radicand is −2, or 1e-6, where the root's slope is 500.
    prediction = clip(0, reference).clone().requires_grad_()
    loss = Debiased(form="printed", anchor=1)(prediction, clip(1, 0), generator(0))
    loss.backward()
    assert loss.isfinite()
    assert prediction.grad is not None and prediction.grad.abs().max() < 0.1
    # Held constant there, φ has no gradient: what is left is the mean squared error's 2 (0 − 1) / size.
    assert prediction.grad[:, :, 0].sum().item() == pytest.approx(-1)


@pytest.mark.parametrize("seed", range(5))
def test_the_printed_form_of_noise_has_bounded_gradients(seed: int) -> None:
    prediction = gaussian(seed, 1, 4, 8, 16, 16).requires_grad_()
    Debiased(form="printed")(prediction, gaussian(seed + 99, 1, 4, 8, 16, 16), generator(seed)).backward()
    assert prediction.grad is not None and prediction.grad.abs().max() < 1


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Vmc(axis="frames"), r"method\.loss\.axis=frame"),  # pyright: ignore
        (lambda: Debiased(beta=-1.0), r"method\.loss\.beta=1"),
        (lambda: Debiased(beta=math.nan), r"method\.loss\.beta=1"),
        (lambda: Debiased(beta=1e300), r"method\.loss\.beta=1"),
        (lambda: Debiased(form="root"), r"method\.loss\.form=linear"),  # pyright: ignore
        (lambda: Debiased(anchor=-1), r"method\.loss\.anchor=random"),
        (lambda: Debiased(anchor="first"), r"method\.loss\.anchor=random"),  # pyright: ignore
        (lambda: Debiased(anchor=5)(clip(1, 2), clip(1, 2), generator(0)), r"method\.loss\.anchor=5.*0 to 1"),
    ],
)
def test_bad_options_are_refused_by_name(build, names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The refusals are for callers without the tests' own type checks.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=names):
        build()
