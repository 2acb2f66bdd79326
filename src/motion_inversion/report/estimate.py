"""Owns means with their uncertainty: the bootstrap over clips, and the paired test over clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

RESAMPLINGS = 10_000
LEVEL = 0.95
EXACT = 14  # up to so many clips every combination of signs is tried
_SEED = 0
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean over samples with an interval.

    From two clips on, `lower` and `upper` bound the 95% percentile bootstrap interval of the mean that
    resamples whole clips (samples of one clip aren't independent). With one clip there's no such interval:
    they are one standard deviation of the samples below and above the mean, or NaN if there is one sample.
    Values that are NaN are left out of the mean and counted in `missing`; the mean of none is NaN.
    """

    mean: float
    lower: float
    upper: float
    samples: int
    clips: int
    missing: int


def estimate(values: Sequence[float], clips: Sequence[str]) -> Estimate:
    """The mean of `values`, where `clips[k]` is the clip that sample k belongs to."""
    every = np.asarray(values, dtype=np.float64)
    present = ~np.isnan(every)
    missing = int((~present).sum())
    known = every[present]
    if not len(known):
        return Estimate(np.nan, np.nan, np.nan, 0, 0, missing)
    names, cluster = np.unique(np.asarray(clips)[present], return_inverse=True)
    mean = float(known.mean())
    if len(names) > 1:
        sums, sizes = np.bincount(cluster, weights=known), np.bincount(cluster)
        draws = _draws(len(names))
        tail = (1 - LEVEL) / 2
        lower, upper = np.quantile((draws @ sums) / (draws @ sizes), [tail, 1 - tail])
    else:
        deviation = known.std(ddof=1) if len(known) > 1 else np.nan
        lower, upper = mean - deviation, mean + deviation
    return Estimate(mean, float(lower), float(upper), len(known), len(names), missing)


@cache
def _draws(clips: int) -> Int[np.ndarray, "resampling clip"]:
    """How often each clip is drawn in each resampling; seeded, so that a table repeats exactly."""
    return np.random.default_rng(_SEED).multinomial(clips, np.full(clips, 1 / clips), size=RESAMPLINGS)


def sign_flip(differences: Sequence[float], clips: Sequence[str]) -> float:
    """The two-sided p-value of the mean of paired differences, clustered by clip; NaN from fewer than two clips.

    If neither side were better, all differences of a clip could as well have the other sign. p is the share of
    the sign combinations, one sign per clip, whose mean is at least as far from 0 as the one found: over all 2ⁿ
    combinations up to `EXACT` clips, so that the least p is 2¹⁻ⁿ; beyond, (1 + hits)/(1 + draws) over
    `RESAMPLINGS` seeded draws. NaN differences are left out.
    """
    every = np.asarray(differences, dtype=np.float64)
    present = ~np.isnan(every)
    names, cluster = np.unique(np.asarray(clips)[present], return_inverse=True)
    if len(names) < 2:
        return np.nan
    sums = np.bincount(cluster, weights=every[present])
    scale = np.abs(sums).sum()
    hits = np.abs(_signs(len(names)) @ sums) >= abs(sums.sum()) - _ROUNDING * scale
    if len(names) <= EXACT:
        return float(hits.mean())
    return float((1 + hits.sum()) / (1 + len(hits)))


def least_p(clips: int) -> float:
    """The least that `sign_flip` gives for so many clips, however far from 0 their mean is; NaN below two."""
    if clips < 2:
        return np.nan
    return 2.0 ** (1 - clips) if clips <= EXACT else 1 / (1 + RESAMPLINGS)


@cache
def _signs(clips: int) -> Float[np.ndarray, "combination clip"]:
    """Every combination of signs of so many clips or, of many, seeded draws."""
    if clips <= EXACT:
        bits = np.arange(2**clips)[:, None] >> np.arange(clips)
        return 1.0 - 2 * (bits & 1)
    return np.random.default_rng(_SEED).choice([-1.0, 1.0], size=(RESAMPLINGS, clips))
