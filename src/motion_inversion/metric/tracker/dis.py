"""Points tracked by dense inverse search optical flow, chained over the frames; needs no weights."""

from dataclasses import dataclass
from typing import Annotated, Any

import cv2
import numpy as np
import torch
from annotated_types import Interval
from jaxtyping import Float, UInt8

from motion_inversion.core.trajectory import Tracks
from motion_inversion.metric.tracker.canvas import Canvas, Grey, Points


@dataclass(frozen=True)
class Dis:
    """DIS optical flow (Kroeger et al., arXiv 1603.03590), OpenCV's implementation at its medium preset.

    A point moves by the flow at its sub-pixel position. Small clips are enlarged first. On the CPU.

    Args:
        grid: Points per side of the square grid on the first frame; by default 55, or one every two pixels if
            that is fewer.
    """

    grid: Annotated[int, Interval(ge=2, le=1000)] | None = None

    def version(self) -> str:
        """Algorithm and settings."""
        return f"dis_v1 {self}"

    def load(self, device: torch.device | str) -> "Dis":
        """Itself: there is nothing to load."""
        return self

    def __call__(self, video: UInt8[np.ndarray, "f h w 3"], points: Points | None = None) -> Tracks:
        """The tracks of an 8-bit RGB clip, of the grid or of `points` of the first frame, in pixels.

        Raises:
            InputError: for a single frame or a grid below 2.
        """
        # Any, since OpenCV's stubs know no call without a first guess.
        flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

        def step(before: Grey, after: Grey, start: Points) -> tuple[Points, Points]:
            moved = start + at(flow.calc(before, after, None), start)
            return moved, moved + at(flow.calc(after, before, None), moved)

        canvas = Canvas.paint(video)
        return canvas.follow(canvas.grid(self.grid) if points is None else canvas.place(points), step)


def at(field: Float[np.ndarray, "h w c"], points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n c"]:
    """A field's values at (column, row), bilinear; beyond the border, those of its nearest point."""
    corner = np.array(field.shape[1::-1]) - 1
    inside = points.clip(0, corner)
    column, row = np.minimum(inside.astype(int), corner - 1).T
    right, down = (inside - np.stack([column, row], axis=1))[:, :, None].transpose(1, 0, 2)
    upper = (1 - right) * field[row, column] + right * field[row, column + 1]
    lower = (1 - right) * field[row + 1, column] + right * field[row + 1, column + 1]
    return (1 - down) * upper + down * lower
