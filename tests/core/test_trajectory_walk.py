"""Motion fidelity on random walks: invariances, and slow references that follow the definitions."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from motion_inversion.core.seed import generator
from motion_inversion.core.trajectory import Bidirectional, DmtCode, DmtSum, Fidelity, OneWay, Tracks

# Without thresholds every step counts, as in the other definitions, and however slow.
FREE = Bidirectional(step_threshold=0.0, track_threshold=0.0)
CLEAN: list[Fidelity] = [FREE, OneWay(), DmtSum()]


def walk(seed: int, count: int = 12, frames: int = 8) -> Tracks:
    """Random walks of steps of some pixels, each with a drift of its own."""
    draw = generator(seed)
    drift, jitter = (5 * torch.randn(count, length, 2, generator=draw, dtype=torch.float64) for length in (1, frames))
    return Tracks((drift + jitter).cumsum(1))


def masked(tracks: Tracks, seed: int, share: float = 0.7) -> Tracks:
    return Tracks(tracks.points, torch.rand(tracks.points.shape[:2], generator=generator(seed)) < share)


def score(fidelity: Fidelity, source: Tracks, generated: Tracks) -> float:
    return fidelity(source, generated, 660.0)


@given(seed=st.integers(0, 1000), dx=st.floats(-300, 300), dy=st.floats(-300, 300), speed=st.floats(1, 5))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("fidelity", CLEAN)
def test_place_speed_and_order_do_not_matter(fidelity: Fidelity, seed, dx, dy, speed) -> None:
    source, clip = walk(seed), walk(seed + 1, count=7)
    expected = score(fidelity, source, clip)
    shifted = Tracks(speed * (clip.points + torch.tensor([dx, dy], dtype=torch.float64)))
    assert score(fidelity, source, shifted) == pytest.approx(expected, abs=1e-4)
    shuffled = Tracks(source.points[torch.randperm(12, generator=generator(seed))])
    assert score(fidelity, shuffled, clip) == pytest.approx(expected, abs=1e-9)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("fidelity", CLEAN)
def test_scores_keep_to_their_range_and_a_clip_agrees_with_itself(fidelity: Fidelity, seed: int) -> None:
    source, clip = masked(walk(seed), seed), masked(walk(seed + 1, count=5), seed + 1)
    assert fidelity.lower <= score(fidelity, source, clip) <= fidelity.upper
    assert score(fidelity, walk(seed), walk(seed)) == pytest.approx(fidelity.upper)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_both_directions_are_symmetric_in_the_clips(seed: int) -> None:
    source, clip = walk(seed), walk(seed + 1, count=7)
    for fidelity in (FREE, DmtSum()):
        assert score(fidelity, source, clip) == pytest.approx(score(fidelity, clip, source), abs=1e-9)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("fidelity", CLEAN)
def test_reversing_the_time_of_both_clips_changes_nothing(fidelity: Fidelity, seed: int) -> None:
    source, clip = walk(seed), walk(seed + 1)
    reverse = [Tracks(tracks.points.flip(1)) for tracks in (source, clip)]
    assert score(fidelity, *reverse) == pytest.approx(score(fidelity, source, clip), abs=1e-6)


def test_the_public_code_ignores_visibility() -> None:
    source, clip = walk(0), walk(1)
    assert score(DmtCode(), masked(source, 2), masked(clip, 3)) == score(DmtCode(), source, clip)


def test_permuting_tracks_changes_the_identity_form() -> None:
    source, clip = walk(0), walk(0)
    shuffled = Tracks(clip.points.roll(1, dims=0))
    assert score(DmtCode(), source, shuffled) > score(DmtCode(), source, clip) + 0.1


def naive(source: Tracks, generated: Tracks) -> tuple[Tensor, Tensor]:
    """Agreement of all pairs by the whole source × generated × step array, and how many steps it compares."""

    def direction(points: Tensor) -> Tensor:
        delta = points.double().diff(dim=1)
        return delta / delta.norm(dim=-1, keepdim=True)

    def valid(tracks: Tracks) -> Tensor:
        seen = torch.ones(tracks.points.shape[:2]) if tracks.visible is None else tracks.visible
        return (seen[:, 1:] * seen[:, :-1]).double()

    compared = torch.einsum("ns,ms->nms", valid(source), valid(generated))
    cosine = torch.einsum("nsd,msd->nms", direction(source.points), direction(generated.points))
    return (cosine * compared).sum(-1) / compared.sum(-1), compared.sum(-1)


@pytest.mark.parametrize("counts", [(530, 600), (1100, 40)])
def test_chunks_give_what_the_whole_array_gives(counts: tuple[int, int]) -> None:
    source, generated = walk(0, counts[0], frames=6), walk(1, counts[1], frames=6)
    agreement, _ = naive(source, generated)
    one, other = agreement.amax(0).mean().item(), agreement.amax(1).mean().item()
    assert score(OneWay(), source, generated) == pytest.approx(one, abs=1e-9)
    assert score(DmtSum(), source, generated) == pytest.approx(one + other, abs=1e-9)
    assert score(FREE, source, generated) == pytest.approx((one + other) / 2, abs=1e-9)


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple) else (made,):
            self.elements = max(self.elements, tensor.numel() if isinstance(tensor, Tensor) else 0)
        return made


@pytest.mark.parametrize("fidelity", [*CLEAN, DmtCode()])
def test_the_table_of_all_pairs_is_never_in_memory(fidelity: Fidelity) -> None:
    source, generated = masked(walk(0, 1500), 2), masked(walk(1, 1500), 3)
    with Largest() as largest:
        score(fidelity, source, generated)
    # 512 of its rows at a time, not all 1,500, and no third axis of steps.
    assert 0 < largest.elements <= 512 * 1500


def test_the_public_code_in_chunks_is_the_public_code() -> None:
    # Nearly equal clips, so that every track's best match is the one that loses 1.
    source = walk(0, 600, frames=4)
    generated = Tracks(source.points + 0.01 * walk(1, 600, frames=4).points)
    expected = (naive(source, generated)[0] - torch.eye(600)).amax(0).mean().item()
    assert score(DmtCode(), source, generated) == pytest.approx(expected, abs=1e-9)


def test_steps_are_compared_where_both_tracks_are_seen() -> None:
    source, generated = masked(walk(0, 20), 2), masked(walk(1, 30), 3)
    agreement, compared = naive(source, generated)
    agreement[compared < (source.points.shape[1] - 1) / 2] = -torch.inf
    best = agreement.amax(0)
    expected = best[best > -torch.inf].mean().item()
    assert score(OneWay(), source, generated) == pytest.approx(expected, abs=1e-9)


def pairwise(source: Tracks, generated: Tracks, threshold: float) -> list[list[float]]:
    """Agreement by its definition, step by step; −2 for tracks that share less than half the steps."""

    def steps(tracks: Tracks, i: int) -> list[tuple[float, float] | None]:
        assert tracks.visible is not None
        points, seen = tracks.points[i].tolist(), tracks.visible[i].tolist()
        return [
            (points[k + 1][0] - points[k][0], points[k + 1][1] - points[k][1]) if seen[k] and seen[k + 1] else None
            for k in range(len(seen) - 1)
        ]

    def agreement(i: int, j: int) -> float:
        scores = []
        for a, b in zip(steps(source, i), steps(generated, j), strict=True):
            if a is None or b is None:
                continue
            moves = math.hypot(*a) > threshold, math.hypot(*b) > threshold
            if all(moves):
                scores.append((a[0] * b[0] + a[1] * b[1]) / math.hypot(*a) / math.hypot(*b))
            else:
                scores.append(0.0 if any(moves) else 1.0)
        enough = len(scores) >= (source.points.shape[1] - 1) / 2
        return sum(scores) / len(scores) if enough else -2

    return [[agreement(i, j) for j in range(len(generated.points))] for i in range(len(source.points))]


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_agreement_is_what_its_definition_says(seed: int) -> None:
    # Steps are of some 7 pixels: with a threshold of 5, many rest.
    source, generated = masked(walk(seed, 6), seed, 0.92), masked(walk(seed + 1, 5), seed + 1, 0.92)
    table = pairwise(source, generated, threshold=5.0)
    rows = [max(row) for row in table]
    columns = [max(column) for column in zip(*table, strict=True)]
    longest = [tracks.steps()[0].norm(dim=-1).amax(1).min() for tracks in (source, generated)]
    assume(min(rows + columns) > -2 and min(longest) > 5)
    expected = (sum(rows) / len(rows) + sum(columns) / len(columns)) / 2
    fidelity = Bidirectional(step_threshold=0.005, track_threshold=0.0)
    assert fidelity(source, generated, 1000.0) == pytest.approx(expected, abs=1e-6)
