"""Timesteps: ranges, densities and refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.core.seed import generator
from motion_inversion.core.timestep import HighNoise, LogitNormal, Range, Shifted, Timestep, Uniform
from motion_inversion.error import InputError


@given(
    timestep=st.sampled_from(
        [Uniform(), HighNoise(), HighNoise(1.0), HighNoise(1e18), LogitNormal(), LogitNormal(9.0, 30.0), Shifted()]
    ),
    count=st.integers(1, 1000),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_timesteps_are_levels_of_the_model(timestep: Timestep, count: int, seed: int) -> None:
    t = timestep(50, count, generator(seed))
    assert t.shape == (50,) and t.dtype == torch.int64
    assert t.min() >= 0 and t.max() < count


def test_a_seed_fixes_the_draw() -> None:
    for timestep in (Uniform(), Range(3, 900), HighNoise(), LogitNormal(), Shifted()):
        assert torch.equal(timestep(9, 1000, generator(7)), timestep(9, 1000, generator(7)))


def test_uniform_visits_every_level() -> None:
    assert Uniform()(500, 10, generator(0)).unique().tolist() == list(range(10))


def test_range_includes_low_and_excludes_high() -> None:
    assert Range(4, 7)(500, 10, generator(0)).unique().tolist() == [4, 5, 6]


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_high_noise_follows_its_power_law(power: float) -> None:
    t = HighNoise(power)(20_000, 1000, generator(0))
    # P(t < τ) = (τ / T)^power; a standard error is .0035 at most.
    for tau in (250, 500, 900):
        assert (t < tau).double().mean().item() == pytest.approx((tau / 1000) ** power, abs=0.015)


def test_logit_normal_has_its_median_at_the_mean() -> None:
    for mean in (0.0, 1.5):
        t = LogitNormal(mean)(20_000, 1000, generator(0)).double()
        assert t.median().item() == pytest.approx(1000 / (1 + math.exp(-mean)), abs=10)


def test_shifted_visits_levels_as_often_as_a_shifted_sampler_does() -> None:
    t = Shifted(3.0)(20_000, 1000, generator(0))
    # P(sigma < τ) is the u that the shift sends to τ: τ / (s − (s − 1) τ).
    for tau in (0.25, 0.5, 0.9):
        assert (t < 1000 * tau).double().mean().item() == pytest.approx(tau / (3 - 2 * tau), abs=0.015)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: LogitNormal(std=0.0), r"timestep\.std=0\.0"),
        (lambda: LogitNormal(float("nan")), r"timestep\.mean=nan"),
        (lambda: Shifted(0.5), r"timestep\.shift=0\.5"),
        (lambda: Range(-1, 5), r"timestep\.low=-1"),
        (lambda: Range(5, 5), r"timestep\.high=5.*timestep\.high=6"),
        (lambda: Range(0, 1001)(1, 1000, generator(0)), r"timestep\.high=1001.*timestep\.high=1000"),
        (lambda: HighNoise(0.5), r"timestep\.power=0\.5"),
        (lambda: HighNoise(float("inf")), r"timestep\.power=inf"),
    ],
)
def test_bad_bounds_are_refused_by_name(build, names: str) -> None:
    with pytest.raises(InputError, match=names):
        build()
