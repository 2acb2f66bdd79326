"""Temporal consistency: how alike the frames of a generated clip look."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from motion_inversion.error import InputError
from motion_inversion.metric.encoder import ClipSource, OpenClip
from motion_inversion.metric.mean_score import MeanClipScore
from motion_inversion.metric.sample import Sample


@runtime_checkable
class Consistency(Protocol):
    """A named, versioned definition: unit vectors of two frames or more → score."""

    name: ClassVar[str]
    lower: ClassVar[float]
    upper: ClassVar[float]

    def __call__(self, features: Float[Tensor, "f d"]) -> float: ...


@dataclass(frozen=True)
class Consecutive:
    """1/(F−1) Σ_f cos(I_f, I_{f+1}): the definition in most use, as in Gen-1 (arXiv 2302.03011)."""

    name: ClassVar[str] = "consecutive_v1"
    lower: ClassVar[float] = -1.0
    upper: ClassVar[float] = 1.0

    def __call__(self, features: Float[Tensor, "f d"]) -> float:
        return float((features[1:] * features[:-1]).sum(-1).mean())


@dataclass(frozen=True)
class AllPairs:
    """2/(F(F−1)) Σ_{f<g} cos(I_f, I_g): frame consistency as in Tune-A-Video (arXiv 2212.11565)."""

    name: ClassVar[str] = "all_pairs_v1"
    lower: ClassVar[float] = -1.0
    upper: ClassVar[float] = 1.0

    def __call__(self, features: Float[Tensor, "f d"]) -> float:
        count = len(features)
        return float((features @ features.T).triu(1).sum()) / (count * (count - 1) / 2)


@dataclass(frozen=True)
class FirstFrame:
    """1/(F−1) Σ_{f≥1} (max(0, cos(I_f, I_{f−1})) + max(0, cos(I_f, I_0)))/2, from VBench (arXiv 2311.17982).

    With CLIP ViT-B/32 it is VBench's background consistency, except that VBench averages over the frames of all
    clips, which is the same for clips of one length.
    """

    name: ClassVar[str] = "first_frame_v1"
    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 1.0

    def __call__(self, features: Float[Tensor, "f d"]) -> float:
        before = (features[1:] * features[:-1]).sum(-1).clamp(min=0)
        first = (features[1:] @ features[0]).clamp(min=0)
        return float((before + first).mean() / 2)


class TemporalConsistency(MeanClipScore):
    """Mean over samples of a consistency of the generated clip's CLIP features.

    A still clip scores 1, so it says nothing without motion fidelity beside it.

    Args:
        encoder: The CLIP model.
        variant: The formula, whose range the metric takes.
    """

    name = "temporal_consistency"
    higher_is_better = True

    def __init__(self, encoder: ClipSource = OpenClip(), variant: Consistency = Consecutive()) -> None:
        super().__init__(encoder)
        self.variant = variant
        self.lower, self.upper = variant.lower, variant.upper

    def version(self) -> str:
        """Formula and model."""
        return f"{self.variant.name} {self.encoder.version()}"

    def score(self, sample: Sample) -> float:
        """The formula's value.

        Raises:
            InputError: for a single frame.
        """
        if len(sample.generated) < 2:
            raise InputError("a clip of 1 frame has no temporal consistency: accepted are 2 and more; model.frames=8")
        return self.variant(self.loaded.embed_image(sample.generated))
