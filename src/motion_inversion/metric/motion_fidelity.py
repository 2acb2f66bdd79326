"""Motion fidelity: how alike the points of a generated clip and of its reference move."""

import hashlib
import math

import cv2
import numpy as np
import torch
import torchmetrics
from jaxtyping import UInt8
from torch import Tensor

from motion_inversion.core.trajectory import Bidirectional, Fidelity, Tracks
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.tracker.dis import Dis
from motion_inversion.metric.tracker.tracker import Tracker

# References whose tracks are kept, half a megabyte each: a clip's prompts and seeds come one after another.
_KEPT = 4


class MotionFidelity(torchmetrics.Metric):
    """Mean over samples of a fidelity of the generated clip's tracks to those of the reference.

    The reference is first resized to the generated clip's size, since squeezing one of them would turn its
    directions. Both are to come at one frame rate with equally many frames.

    Args:
        variant: The formula, whose range the metric takes.
        tracker: What finds the tracks.
    """

    name = "motion_fidelity"
    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, variant: Fidelity = Bidirectional(), tracker: Tracker = Dis()) -> None:
        super().__init__()
        self.variant, self.tracker = variant, tracker
        self.lower, self.upper = variant.lower, variant.upper
        self._loaded: Tracker | None = None
        self._references: dict[str, Tracks] = {}
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def version(self) -> str:
        """Formula and tracker with their settings."""
        return f"{self.variant.name} {self.variant} {self.tracker.version()}"

    def load(self, device: torch.device | str) -> None:
        """Loads the tracker.

        Raises:
            InputError: as the tracker's `load`.
        """
        self._loaded = self.tracker.load(device)
        self.to(device)

    def update(self, sample: Sample) -> None:
        """Adds one sample.

        Raises:
            InputError: for unequal frame counts, or a single frame.
        """
        if self._loaded is None:
            raise RuntimeError("load(device) comes before update(sample)")
        height, width = sample.generated.shape[1:3]
        source = self._source(self._loaded, _resize(sample.reference, height, width))
        generated = self._loaded(sample.generated)
        self.total += self.variant(source, generated, math.hypot(height, width))
        self.count += 1

    def compute(self) -> Tensor:
        """The mean over the samples; NaN without one."""
        return self.total / self.count

    def _source(self, tracker: Tracker, reference: UInt8[np.ndarray, "f h w 3"]) -> Tracks:
        """The reference's tracks, kept from the last time if its pixels are the same."""
        key = f"{reference.shape} {hashlib.sha256(reference.tobytes()).hexdigest()}"
        if key not in self._references:
            if len(self._references) == _KEPT:
                self._references.pop(next(iter(self._references)))
            self._references[key] = tracker(reference)
        return self._references[key]


def _resize(video: UInt8[np.ndarray, "f h w 3"], height: int, width: int) -> UInt8[np.ndarray, "f k l 3"]:
    if video.shape[1:3] == (height, width):
        return video
    shrinks = height * width < video.shape[1] * video.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in video])
