"""The grey, enlarged copy of a clip on which optical flow is measured and points are followed."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from motion_inversion.core.trajectory import Tracks
from motion_inversion.error import InputError

# What a shorter side is enlarged to: DIS matches patches of eight pixels at half size, which would span a
# quarter of a 64-pixel frame.
_SIDE = 192

Grey = UInt8[np.ndarray, "h w"]
Points = Float[np.ndarray, "n 2"]
# (first frame, second frame, points of the first) → where these are in the second, and where these then come
# back to in the first; NaN for points that were lost.
Step = Callable[[Grey, Grey, Points], tuple[Points, Points]]


@dataclass(frozen=True, eq=False)
class Canvas:
    """A clip in grey, its shorter side at least 192 pixels; coordinates are (column, row), whole at centres.

    Args:
        frames: The pictures.
        scale: Pixels of the canvas to one of the clip, across and down.
    """

    frames: UInt8[np.ndarray, "f h w"]
    scale: Float[np.ndarray, "2"]

    @classmethod
    def paint(cls, video: UInt8[np.ndarray, "f h w 3"]) -> "Canvas":
        """The canvas of a clip."""
        _, height, width, _ = video.shape
        factor = max(1.0, _SIDE / min(height, width))
        size = round(width * factor), round(height * factor)
        frames = [cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in grey(video)]
        return cls(np.stack(frames), np.array(size) / (width, height))

    def grid(self, count: int | None) -> Points:
        """count × count points over the first frame, with CoTracker's margins: 8 pixels of 512 × 384.

        55 × 55 by default, as the papers have, but in small clips no closer than two of the clip's pixels.

        Raises:
            InputError: for a count below 2.
        """
        size = np.array(self.frames.shape[:0:-1])
        count = usual_grid(int((size / self.scale).min())) if count is None else count
        if count < 2:
            raise InputError(f"grid={count}: accepted are 2 and more; metric.motion_fidelity.tracker.grid=55")
        margin = size * (8 / 512, 8 / 384)
        columns, rows = np.linspace(margin, size - 1 - margin, count).T
        return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)

    def place(self, points: Points) -> Points:
        """Points of the clip, in its pixels, on the canvas."""
        return (points + 0.5) * self.scale - 0.5

    def follow(self, points: Points, step: Step) -> Tracks:
        """The tracks of points of the first frame, in the clip's own pixels.

        A point is visible until it leaves the frame or fails a round trip: its displacements d to the next
        frame and b back, in pixels of the canvas, must obey |d + b|² < 0.01 (|d|² + |b|²) + 0.5, as in
        Sundaram, Brox and Keutzer's Dense point trajectories by GPU-accelerated large displacement optical
        flow (ECCV 2010).
        """
        path, seen = [points], [np.ones(len(points), dtype=bool)]
        limit = np.array(self.frames.shape[:0:-1]) - 1
        for before, after in pairwise(self.frames):
            start = path[-1]
            moved, returned = step(before, after, start)
            trip = _square(moved - start) + _square(returned - moved)
            kept = _square(returned - start) < 0.01 * trip + 0.5
            seen.append(seen[-1] & kept & ((moved >= 0) & (moved <= limit)).all(axis=1))
            path.append(np.where(np.isfinite(moved), moved, start))
        pixels = (np.stack(path, axis=1) + 0.5) / self.scale - 0.5
        return Tracks(torch.from_numpy(pixels).float(), torch.from_numpy(np.stack(seen, axis=1)))


def grey(video: UInt8[np.ndarray, "f h w 3"]) -> UInt8[np.ndarray, "f h w"]:
    """The clip along the axis of RGB space in which its colours vary most, one axis for all frames.

    For natural clips that is close to luminance; but things that differ in hue alone would vanish in that.
    """
    mean = video.mean(axis=(0, 1, 2))
    deviations = (frame.reshape(-1, 3) - mean for frame in video)
    _, axes = np.linalg.eigh(sum(pixels.T @ pixels for pixels in deviations))
    axis = axes[:, -1] * np.sign(axes[:, -1].sum() or 1.0)
    axis /= np.abs(axis).sum()
    darkest = 255 * axis.clip(max=0).sum()  # of all colours; the lightest is 255 above
    return np.stack([np.rint(frame @ axis - darkest) for frame in video]).astype(np.uint8)


def _square(vectors: Points) -> Float[np.ndarray, " n"]:
    return (vectors**2).sum(axis=1)


def usual_grid(pixels: int) -> int:
    """Points per side for a clip whose shorter side has so many pixels: one every two, from 2 to 55."""
    return max(2, min(55, pixels // 2))
