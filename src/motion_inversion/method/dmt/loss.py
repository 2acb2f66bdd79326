"""How alike two clips move, judged by the spatial means of their features (DMT, arXiv 2311.17009)."""

from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias, runtime_checkable

import torch.nn.functional as F
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor

from motion_inversion.core.shape import Scalar
from motion_inversion.error import InputError
from motion_inversion.method.dmt.feature import Feature

Means: TypeAlias = Float[Tensor, "f k"]
"""A feature's spatial marginal mean: a vector per frame, wherever in the frame its parts are."""

_STILL = 1e-6  # changes shorter than this count for less, or the gradient of a clip that stands still had no bound


@runtime_checkable
class ChangeLoss(Protocol):
    """Compares a clip's spatial means with the reference's."""

    def __call__(self, target: Means, source: Means) -> Scalar: ...


@dataclass(frozen=True)
class CosineChanges:
    """1 − mean over frames (a, i) of cos(ŝ_i − ŝ_a, s_i − s_a), ŝ the target's means: the loss of the public code.

    Adding a constant to all frames, or scaling either clip, changes nothing. The F pairs of a frame with itself
    count with cosine 0, as they do there: equal clips have 1 / F, opposite ones 2 − 1 / F.

    Args:
        content: Weight of a second term, 1 − mean_i cos(ŝ_i, s_i), which holds on to what is seen as well; an option
            of the public code, 0 there.

    Raises:
        InputError: for a negative weight.
    """

    content: Annotated[float, Ge(0)] = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.content < float("inf"):
            raise InputError(f"method.loss.content={self.content}: accepted are 0 or more; set method.loss.content=0")

    def __call__(self, target: Means, source: Means) -> Scalar:
        motion = 1 - F.cosine_similarity(_changes(target), _changes(source), dim=-1, eps=_STILL).mean()
        if not self.content:
            return motion
        return motion + self.content * (1 - F.cosine_similarity(target, source, dim=-1, eps=_STILL).mean())


@dataclass(frozen=True)
class SquaredChanges:
    """Mean over frames (a, i) of ‖(ŝ_i − ŝ_a) − (s_i − s_a)‖², ŝ the target's means: the loss of the paper.

    Equal clips have 0. Adding a constant to all frames changes nothing; scaling does. (The paper sums over the
    pairs, which Adam doesn't tell from their mean.)
    """

    def __call__(self, target: Means, source: Means) -> Scalar:
        return (_changes(target) - _changes(source)).square().sum(-1).mean()


def spatial_mean(feature: Feature) -> Means:
    """The spatial marginal mean, in float32."""
    return feature.float().mean((-2, -1))


def _changes(means: Means) -> Float[Tensor, "f f k"]:
    """The change from any frame a (first axis) to any frame i."""
    return means[None] - means[:, None]
