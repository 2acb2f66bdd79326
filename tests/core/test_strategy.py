"""Strategies: hand-calculated maps, the paper's rule and refusals."""

import jaxtyping
import pytest
import torch
from torch import Tensor

from motion_inversion.core.seed import generator
from motion_inversion.core.strategy import ByMotion, Difference, Drop, Keep, Motion, Strategy
from motion_inversion.error import InputError

MOTIONS: list[Motion] = ["object", "camera", "hybrid"]


def frames(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1).expand(6, -1, 3)


@pytest.mark.parametrize("motion", MOTIONS)
def test_difference_of_the_squares_is_the_odd_numbers(motion: Motion) -> None:
    assert torch.equal(Difference()(frames(1, 4, 9, 16), motion), frames(1, 3, 5, 7))
    assert torch.equal(Difference("zero")(frames(1, 4, 9, 16), motion), frames(0, 3, 5, 7))


def test_cumulative_sums_undo_the_difference() -> None:
    m = torch.randn(6, 32, 5, generator=generator(0))
    torch.testing.assert_close(Difference()(m, "object").cumsum(dim=1), m, atol=1e-5, rtol=0)


def test_what_is_constant_in_time_leaves_frame_0_only() -> None:
    assert torch.equal(Difference()(frames(2, 2, 2), "object"), frames(2, 0, 0))
    assert not Difference("zero")(frames(2, 2, 2), "object").any()


def test_keep_and_drop() -> None:
    m = torch.randn(6, 4, 5, generator=generator(0))
    assert torch.equal(Keep()(m, "camera"), m)
    assert torch.equal(Drop()(m, "camera"), torch.zeros(6, 4, 5))


@pytest.mark.parametrize("strategy", [Keep, Difference])
def test_gamma_scales_the_map(strategy) -> None:
    m = torch.randn(6, 4, 5, generator=generator(0))
    torch.testing.assert_close(strategy(gamma=2.5)(m, "object"), 2.5 * strategy()(m, "object"))
    assert torch.equal(strategy(gamma=0.0)(m, "object"), Drop()(m, "object"))


@pytest.mark.parametrize(("motion", "rule"), [("camera", Drop()), ("object", Difference()), ("hybrid", Difference())])
def test_by_motion_follows_the_papers_rule(motion: Motion, rule: Strategy) -> None:
    m = torch.randn(6, 4, 5, generator=generator(0))
    assert torch.equal(ByMotion()(m, motion), rule(m, motion))


def test_by_motion_takes_other_rules() -> None:
    m = torch.randn(6, 4, 5, generator=generator(0))
    assert torch.equal(ByMotion(camera=Keep())(m, "camera"), m)
    assert torch.equal(ByMotion(hybrid=Keep())(m, "hybrid"), m)
    assert torch.equal(ByMotion(object=Keep())(m, "object"), m)


@pytest.mark.parametrize("strategy", [Keep(), Difference(), Difference("zero"), Drop(), ByMotion()])
def test_the_trained_embedding_is_left_alone(strategy: Strategy) -> None:
    m = torch.randn(6, 4, 5, generator=generator(0))
    before = m.clone()
    strategy(m, "hybrid")
    assert torch.equal(m, before)


def test_bad_options_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # The refusals are for callers without the tests' own type checks.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=r"strategy\.first_frame=keep"):
        Difference("mean")  # pyright: ignore
    with pytest.raises(InputError, match=r"dataset\.motion=hybrid"):
        ByMotion()(frames(1, 2), "zoom")  # pyright: ignore
