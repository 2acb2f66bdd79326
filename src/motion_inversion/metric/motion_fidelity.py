"""Motion fidelity: how alike the points of a generated clip and of its reference move."""

import math

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from motion_inversion.core.trajectory import Bidirectional, Fidelity, Tracks
from motion_inversion.metric.mean_score import MeanScore
from motion_inversion.metric.metric import NoScoreError
from motion_inversion.metric.moving_part import moving_part
from motion_inversion.metric.recent import Recent
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.tracker.dis import Dis
from motion_inversion.metric.tracker.tracker import Track, Tracker

# References whose tracks are kept, half a megabyte each: a clip's prompts and seeds come one after another.
_KEPT = 4
_FEW = 0.01  # of a grid's tracks: if fewer count, what moves is too small for the grid


class MotionFidelity(MeanScore):
    """Mean over samples of a fidelity of the generated clip's tracks to those of the reference.

    Before tracking, the clip of the higher frame rate is thinned out to the other's, and the reference is resized
    to the generated clip's size: squeezing one of two clips would turn its directions. Where less than a hundredth
    of a clip's tracks count, as those of a small object on a still ground, further points are put where it changes.

    Args:
        variant: The formula, whose range the metric takes.
        tracker: What finds the tracks.
    """

    name = "motion_fidelity"
    higher_is_better = True

    def __init__(self, variant: Fidelity = Bidirectional(), tracker: Tracker = Dis()) -> None:
        self.variant, self.tracker = variant, tracker
        self.lower, self.upper = variant.lower, variant.upper
        self._track: Track | None = None
        self._references: Recent[Tracks] = Recent(_KEPT)

    def version(self) -> str:
        """Formula and tracker with their settings."""
        return f"{self.variant.name} {self.variant} {self.tracker.version()}"

    def load(self, device: torch.device | str) -> None:
        """Loads the tracker, once.

        Raises:
            InputError: as the tracker's `load`.
        """
        if self._track is None:
            self._track = self.tracker.load(device)

    def score(self, sample: Sample) -> float:
        """The fidelity of the generated clip.

        Raises:
            InputError: for clips of different durations, or a single frame.
            NoScoreError: if the formula has none, such as for a reference in which nothing moves.
        """
        if self._track is None:
            raise RuntimeError("load(device) comes before update(sample)")
        fps = min(sample.generated_fps, sample.reference_fps)
        generated = thin(sample.generated, sample.generated_fps, fps)
        height, width = generated.shape[1:3]
        reference = resize(thin(sample.reference, sample.reference_fps, fps), height, width)
        tracks = self._references.of(reference, self._follow)
        score = self.variant(tracks, self._follow(generated), math.hypot(height, width))
        if math.isnan(score):
            raise NoScoreError(self.variant.without)
        return score

    def _follow(self, video: UInt8[np.ndarray, "f h w 3"]) -> Tracks:
        """The clip's tracks: of the tracker's grid and, where hardly any of them count, of points where it changes."""
        assert self._track is not None
        tracks = self._track(video)
        few = self.variant.counted(tracks, math.hypot(*video.shape[1:3])).float().mean() < _FEW
        if few and (part := moving_part(video)):
            return Tracks.cat([tracks, part.follow(video, self._track)])
        return tracks


def thin(video: UInt8[np.ndarray, "f h w 3"], fps: float, wanted: float) -> UInt8[np.ndarray, "g h w 3"]:
    """The frames nearest to the times 0, 1/wanted, 2/wanted, … of a clip of `fps` ≥ `wanted` frames per second."""
    # The last time is less than half a frame after the last frame, which makes counts equal at equal durations.
    count = math.ceil((len(video) - 0.5) * wanted / fps - 1e-9)
    return video[np.floor(np.arange(count) * fps / wanted + 0.5).astype(int)]


def resize(video: UInt8[np.ndarray, "f h w 3"], height: int, width: int) -> UInt8[np.ndarray, "f k l 3"]:
    """The clip at another size, each side scaled by itself."""
    if video.shape[1:3] == (height, width):
        return video
    shrinks = height * width < video.shape[1] * video.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in video])
