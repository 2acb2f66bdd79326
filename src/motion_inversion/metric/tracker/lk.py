"""Points tracked one by one by pyramidal Lucas-Kanade optical flow; needs no weights."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch
from annotated_types import Interval
from jaxtyping import UInt8

from motion_inversion.core.trajectory import Tracks
from motion_inversion.metric.tracker.canvas import Canvas, Grey, Points


@dataclass(frozen=True)
class Lk:
    """Pyramidal Lucas-Kanade (Bouguet, 2000), OpenCV's implementation: windows of 21 pixels, four levels.

    Sharper than DIS where there is texture; points without any are soon lost. Small clips are enlarged first.
    On the CPU.

    Args:
        grid: Points per side of the square grid on the first frame; by default 55, or one every two pixels if
            that is fewer.
    """

    grid: Annotated[int, Interval(ge=2, le=1000)] | None = None

    def version(self) -> str:
        """Algorithm and settings."""
        return f"lk_v1 {self}"

    def load(self, device: torch.device | str) -> "Lk":
        """Itself: there is nothing to load."""
        return self

    def __call__(self, video: UInt8[np.ndarray, "f h w 3"], points: Points | None = None) -> Tracks:
        """The tracks of an 8-bit RGB clip, of the grid or of `points` of the first frame, in pixels.

        Raises:
            InputError: for a single frame or a grid below 2.
        """
        canvas = Canvas.paint(video)
        return canvas.follow(canvas.grid(self.grid) if points is None else canvas.place(points), _step)


def _step(before: Grey, after: Grey, points: Points) -> tuple[Points, Points]:
    moved = _flow(before, after, points)
    return moved, _flow(after, before, np.where(np.isfinite(moved), moved, points))


def _flow(before: Grey, after: Grey, points: Points) -> Points:
    """Where the points go; NaN for those that OpenCV loses."""
    start = points.astype(np.float32)[:, None]
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, np.empty_like(start), winSize=(21, 21), maxLevel=3)
    return np.where(found == 1, moved[:, 0], np.nan)
