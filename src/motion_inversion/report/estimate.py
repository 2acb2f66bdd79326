"""Owns means with their uncertainty: the bootstrap over clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Int

RESAMPLINGS = 10_000
LEVEL = 0.95
_SEED = 0


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
