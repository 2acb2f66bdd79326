"""How a value embedding is changed before sampling: (value, motion) → value."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from motion_inversion.error import InputError

Value: TypeAlias = Float[Tensor, "p n c"]
"""A value embedding: position in the frame, frame, channel."""

Motion: TypeAlias = Literal["object", "camera", "hybrid"]
"""What moves in the reference clip: its objects, the camera, or both."""


@runtime_checkable
class Strategy(Protocol):
    """A map on the value embedding m that removes the appearance it learned beside the motion.

    The inference strategy of arXiv 2403.20193; training uses m itself, and the query-key embedding is never
    changed. Where a strategy has a γ, it scales what the map returns: 1 is the paper's method, 0 is `Drop`.
    """

    def __call__(self, value: Value, motion: Motion) -> Value: ...


@dataclass(frozen=True)
class Keep:
    """γ m: the embedding as it was trained, with the appearance it holds."""

    gamma: float = 1.0

    def __call__(self, value: Value, motion: Motion) -> Value:
        return self.gamma * value


@dataclass(frozen=True)
class Difference:
    """γ (m_i − m_{i−1}) for i ≥ 1, the paper's differential operation: what is constant in time cancels.

    Args:
        first_frame: What frame 0, which has no predecessor, becomes. "keep": γ m_0, as the paper's code, so
            that cumulative sums restore m; "zero": 0, which leaves nothing of the absolute embedding.
        gamma: γ.

    Raises:
        InputError: for any other first_frame.
    """

    first_frame: Literal["keep", "zero"] = "keep"
    gamma: float = 1.0

    def __post_init__(self) -> None:
        if self.first_frame not in ("keep", "zero"):
            raise InputError(
                f"method.strategy.first_frame={self.first_frame}: accepted are keep and zero; "
                "set method.strategy.first_frame=keep"
            )

    def __call__(self, value: Value, motion: Motion) -> Value:
        first = value[:, :1]
        before = torch.zeros_like(first) if self.first_frame == "keep" else first
        return self.gamma * value.diff(dim=1, prepend=before)


@dataclass(frozen=True)
class Drop:
    """0: the query-key embedding alone carries the motion."""

    def __call__(self, value: Value, motion: Motion) -> Value:
        return torch.zeros_like(value)


@dataclass(frozen=True)
class ByMotion:
    """The paper's rule: no value embedding for camera motion, differences for objects and for both together.

    Raises:
        InputError: when called with another motion than these three.
    """

    camera: Strategy = Drop()
    object: Strategy = Difference()
    hybrid: Strategy = Difference()

    def __call__(self, value: Value, motion: Motion) -> Value:
        strategies = {"camera": self.camera, "object": self.object, "hybrid": self.hybrid}
        if motion not in strategies:
            raise InputError(
                f"dataset.motion={motion}: accepted are object, camera and hybrid; set dataset.motion=hybrid"
            )
        return strategies[motion](value, motion)
