"""Temporal consistency: each variant calculated by hand, and its refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metric.chosen_clip import Chosen, sample, unit
from motion_inversion.error import InputError
from motion_inversion.metric.metric import Metric
from motion_inversion.metric.temporal_consistency import (
    AllPairs,
    Consecutive,
    Consistency,
    FirstFrame,
    TemporalConsistency,
)

ALL: list[Consistency] = [Consecutive(), AllPairs(), FirstFrame()]
COS30 = math.cos(math.pi / 6)


@pytest.mark.parametrize(
    ("degrees", "consecutive", "all_pairs", "first_frame"),
    [
        # Alternating and orthogonal: no neighbours agree, (0, 2) and (1, 3) of six pairs do; with the frame before
        # and the first, halved: 0, 1/2, 0.
        ((0, 90, 0, 90), 0, 1 / 3, 0.5 / 3),
        # cos 30° twice; cos 60° for the outer pair; (cos 30° + (cos 30° + cos 60°)/2)/2.
        ((0, 30, 60), COS30, (2 * COS30 + 0.5) / 3, (COS30 + (COS30 + 0.5) / 2) / 2),
        # Opposite frames: -1 for two variants, clamped in the third, where frame 2 equals the first: (0 + 1/2)/2.
        ((0, 180, 0), -1, -1 / 3, 0.25),
        ((0, 60), 0.5, 0.5, 0.5),
    ],
)
def test_values_by_hand(degrees: tuple[int, ...], consecutive: float, all_pairs: float, first_frame: float) -> None:
    features = unit(torch.tensor(degrees))
    found = [variant(features) for variant in ALL]
    assert found == pytest.approx([consecutive, all_pairs, first_frame], abs=1e-6)


@given(angles=st.lists(st.floats(0, 360), min_size=2, max_size=6), turn=st.floats(0, 360))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("variant", ALL)
def test_scores_keep_to_their_range_and_know_no_direction(
    variant: Consistency, angles: list[float], turn: float
) -> None:
    score = variant(unit(torch.tensor(angles)))
    assert variant.lower - 1e-6 <= score <= variant.upper + 1e-6
    assert variant(unit(torch.tensor(angles) + turn)) == pytest.approx(score, abs=1e-4)
    assert variant(unit(torch.tensor([angles[0]] * 3))) == pytest.approx(1, abs=1e-6)


@given(order=st.permutations(range(5)))
@settings(max_examples=10, deadline=None)
def test_all_pairs_know_no_order(order: list[int]) -> None:
    features = unit(torch.tensor([0.0, 20.0, 70.0, 110.0, 200.0]))
    assert AllPairs()(features[order]) == pytest.approx(AllPairs()(features), abs=1e-6)


def test_samples_are_averaged() -> None:
    metric = TemporalConsistency(Chosen())
    metric.load("cpu")
    metric.update(sample(0, 0, 0))
    metric.update(sample(0, 90))
    assert float(metric.compute()) == pytest.approx(0.5, abs=1e-6)


def test_one_frame_is_refused() -> None:
    metric = TemporalConsistency(Chosen())
    metric.load("cpu")
    with pytest.raises(InputError, match=r"1 frame .* 2 and more; model.frames=8"):
        metric.update(sample(0))


def test_range_and_version_are_those_of_the_variant() -> None:
    metric: Metric = TemporalConsistency(Chosen(), FirstFrame())
    assert (metric.name, metric.higher_is_better, metric.against_frozen) == ("temporal_consistency", True, False)
    assert (metric.lower, metric.upper) == (0, 1)
    assert metric.version() == "first_frame_v1 chosen"
    assert len({TemporalConsistency(Chosen(), variant).version() for variant in ALL}) == 3
