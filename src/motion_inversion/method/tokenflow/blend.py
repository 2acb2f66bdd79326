"""How much of each keyframe's tokens TokenFlow (arXiv 2307.10373) gives to a frame."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Blending(Protocol):
    """Weights of keyframes.

    keyframes: one frame's number per batch, rising; batches are as long as one another.
    frames: of the whole clip.
    """

    def __call__(self, keyframes: Sequence[int], frames: int) -> Float[Tensor, "f k"]:
        """A row per frame, which adds up to 1; keyframes of weight 0 are not looked at."""
        ...


@dataclass(frozen=True)
class PreviousKeyframe:
    """A batch's own keyframe and that of the batch before: the public code.

    Frame i gives its own the weight σ(d₋ / (d + d₋)), d and d₋ being its distances to the middles of the two batches,
    wherever the keyframes are: from 0.62 to 0.73 at any of them, so that none is followed alone. The first batch
    has one keyframe.
    """

    def __call__(self, keyframes: Sequence[int], frames: int) -> Float[Tensor, "f k"]:
        batch = frames // len(keyframes)
        weights = torch.zeros(frames, len(keyframes))
        weights[:batch, 0] = 1
        for frame in range(batch, frames):
            own = frame // batch
            middle = own * batch + batch // 2
            distance, before = abs(frame - middle), abs(frame - middle + batch)
            weights[frame, own] = torch.sigmoid(torch.tensor(before / (distance + before)))
            weights[frame, own - 1] = 1 - weights[frame, own]
        return weights


@dataclass(frozen=True)
class AdjacentKeyframes:
    """The keyframes next to a frame on both sides, by where they are: the paper (section 4.2).

    The later one gets the weight w = σ(d₋ / (d₊ + d₋)), d₋ and d₊ being the frame's distances to the earlier and to
    the later one. A keyframe, and a frame with keyframes on one side only, follows one alone.

    Args:
        sigmoid: False: w = d₋ / (d₊ + d₋), which goes from 0 to 1 between two keyframes; with σ it goes from 0.5
            to 0.73, and jumps at them.
    """

    sigmoid: bool = True

    def __call__(self, keyframes: Sequence[int], frames: int) -> Float[Tensor, "f k"]:
        weights = torch.zeros(frames, len(keyframes))
        for frame in range(frames):
            later = min(bisect_left(keyframes, frame), len(keyframes) - 1)
            if later == 0 or keyframes[later] <= frame:
                weights[frame, later] = 1
                continue
            span = keyframes[later] - keyframes[later - 1]
            share = torch.tensor((frame - keyframes[later - 1]) / span)
            weights[frame, later] = torch.sigmoid(share) if self.sigmoid else share
            weights[frame, later - 1] = 1 - weights[frame, later]
        return weights
