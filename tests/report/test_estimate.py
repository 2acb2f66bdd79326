"""Means and their intervals against hand calculation and theory."""

from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.report.estimate import EXACT, estimate, least_p, sign_flip


def test_two_clips_by_hand() -> None:
    # Resampled means are 0, 1/2 and 1 with probability 1/4, 1/2 and 1/4, so the outer 2.5% are 0 and 1.
    found = estimate([0.0, 1.0], ["a", "b"])
    assert (found.mean, found.lower, found.upper) == (0.5, 0.0, 1.0)
    assert (found.samples, found.clips, found.missing) == (2, 2, 0)


def test_clips_are_resampled_whole_and_weigh_by_their_samples() -> None:
    # Clip a has three samples of 0 and b has one of 1: the mean is 1/4; only one clip drawn gives 0 or 1.
    found = estimate([0.0, 0.0, 0.0, 1.0], ["a", "a", "a", "b"])
    assert (found.mean, found.lower, found.upper) == (0.25, 0.0, 1.0)


@settings(max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.integers(2, 4))
def test_copies_within_clips_add_no_certainty(values: list[float], copies: int) -> None:
    clips = [str(k) for k in range(len(values))]
    once, more = estimate(values, clips), estimate(values * copies, clips * copies)
    assert (more.mean, more.lower, more.upper) == pytest.approx((once.mean, once.lower, once.upper))
    assert once.lower - 1e-12 <= once.mean <= once.upper + 1e-12


def test_many_clips_approach_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(size=100)
    found = estimate(list(values), [str(k) for k in range(100)])
    half = 1.96 * values.std(ddof=1) / sqrt(100)
    assert found.upper - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.lower == pytest.approx(half, rel=0.1)


def test_one_clip_has_the_deviation_of_its_samples() -> None:
    # Around the mean 2 the squares sum to 1 + 0 + 1 = 2, over 3 − 1 that is 1.
    found = estimate([1.0, 2.0, 3.0], ["a", "a", "a"])
    assert (found.mean, found.lower, found.upper, found.clips) == (2.0, 1.0, 3.0, 1)
    assert isnan(estimate([1.0], ["a"]).lower)


def test_missing_values_are_counted() -> None:
    found = estimate([1.0, nan, 3.0], ["a", "b", "a"])
    assert (found.mean, found.samples, found.clips, found.missing) == (2.0, 2, 1, 1)
    none = estimate([nan], ["a"])
    assert isnan(none.mean)
    assert (none.samples, none.clips, none.missing) == (0, 0, 1)


def test_signs_of_whole_clips_are_flipped() -> None:
    # Sums by clip are 3, 2 and −1, in all 4; of ±3±2±1, four of eight are at least 4 away from 0: ±6 and ±4.
    differences, clips = [1.0, 2.0, 2.0, -1.0], ["a", "a", "b", "c"]
    assert sign_flip(differences, clips) == 4 / 8
    # Agreement of n clips is as unlikely as 2 in 2ⁿ; ties count.
    assert sign_flip([0.1] * 6, list("abcdef")) == 2 / 2**6
    assert sign_flip([0.0, 0.0], ["a", "b"]) == 1


def test_p_needs_two_clips() -> None:
    assert isnan(sign_flip([1.0, 2.0], ["a", "a"]))
    assert isnan(sign_flip([1.0, nan], ["a", "b"]))
    assert isnan(sign_flip([], []))


@settings(max_examples=25)
@given(st.lists(st.floats(-1, 1).map(lambda value: round(value, 9)), min_size=2, max_size=8), st.floats(0.5, 4))
def test_p_knows_neither_sign_nor_scale(values: list[float], scale: float) -> None:
    clips = [str(k) for k in range(len(values))]
    p = sign_flip(values, clips)
    assert 2 ** (1 - len(values)) <= p <= 1
    assert sign_flip([-scale * value for value in values], clips) == pytest.approx(p, abs=1e-9)


def test_draws_approach_the_normal_test() -> None:
    # Under the null, the mean of n standard normal differences has the z-value mean·√n; 1.96 has p = 0.05.
    values = np.random.default_rng(2).normal(size=60)
    values += 1.96 / sqrt(60) - values.mean()
    values /= np.sqrt((values**2).mean())
    z = abs(values.sum()) / sqrt(60)
    tail = 1 - np.mean(np.abs(np.random.default_rng(3).normal(size=200_000)) < z)
    assert len(values) > EXACT
    assert sign_flip(list(values), [str(k) for k in range(60)]) == pytest.approx(tail, abs=0.01)


@pytest.mark.parametrize("clips", [2, 5, 14])
def test_the_least_p_is_what_one_sided_differences_give(clips: int) -> None:
    names = [f"clip{k}" for k in range(clips)]
    assert sign_flip([1.0 + k for k in range(clips)], names) == pytest.approx(least_p(clips)) == 2.0 ** (1 - clips)
    assert np.isnan(least_p(1))


def test_the_least_p_of_drawn_signs_is_one_in_so_many() -> None:
    assert sign_flip([1.0] * 40, [str(k) for k in range(40)]) == pytest.approx(least_p(40)) == 1 / 10_001
