"""The part of a picture that changes in a clip, and points in it: for clips that are still almost everywhere."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, UInt8

from motion_inversion.core.trajectory import Tracks
from motion_inversion.metric.tracker.canvas import Canvas, Points
from motion_inversion.metric.tracker.tracker import Track

_SMALL = 0.25  # of the picture: where more of it changes, a grid over all of it has points enough
_LEVELS = 12  # of 255: a smoothed pixel changes if it varies by more than that and than four times the median one
_COUNT = 1024  # points at most, about
_LEAST = 0.25  # of the shorter side: no part is narrower, so that a tracker sees what lies around an object


@dataclass(frozen=True, eq=False)
class MovingPart:
    """A rectangle of the picture, and points of its first frame where it changes.

    Args:
        rows, columns: What of the picture it is.
        points: Column and row in pixels of the rectangle.
    """

    rows: slice
    columns: slice
    points: Points

    def follow(self, video: UInt8[np.ndarray, "f h w 3"], track: Track) -> Tracks:
        """The tracks of its points, in pixels of the whole picture."""
        found = track(np.ascontiguousarray(video[:, self.rows, self.columns]), self.points)
        return Tracks(found.points + torch.tensor([self.columns.start, self.rows.start]), found.visible)


def moving_part(video: UInt8[np.ndarray, "f h w 3"]) -> MovingPart | None:
    """The part of a clip that changes; None if none does, or more than a quarter of the picture."""
    canvas = Canvas.paint(video)
    changed = _changed(canvas.frames)
    if not 0 < changed.mean() <= _SMALL:
        return None
    height, width = video.shape[1:3]
    least = _LEAST * min(height, width)
    rows = _extent(changed.max(axis=1), canvas.scale[1], height, least)
    columns = _extent(changed.max(axis=0), canvas.scale[0], width, least)
    points = (_lattice(changed, canvas.scale.max()) + 0.5) / canvas.scale - 0.5
    return MovingPart(rows, columns, points - (columns.start, rows.start))


def _changed(frames: UInt8[np.ndarray, "f h w"]) -> Bool[np.ndarray, "h w"]:
    """Where the picture varies over time, by more than noise does; specks are no part of it, a small margin is."""
    smooth = np.stack([cv2.GaussianBlur(frame, (0, 0), 1) for frame in frames])
    span = smooth.max(axis=0) - smooth.min(axis=0)
    changed = (span > max(_LEVELS, 4 * float(np.median(span)))).astype(np.uint8)
    opened = cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return cv2.dilate(opened, np.ones((5, 5), np.uint8)).astype(bool)


def _extent(changed: Bool[np.ndarray, " k"], scale: float, length: int, least: float) -> slice:
    """Pixels of the clip from the first to the last that changes, with a margin, at least `least` of them."""
    first, last = np.flatnonzero(changed)[[0, -1]] / scale
    margin = max(0.1 * (last - first), (least - (last - first)) / 2)
    return slice(max(0, int(first - margin)), min(length, int(np.ceil(last + margin)) + 1))


def _lattice(changed: Bool[np.ndarray, "h w"], pixel: float) -> Points:
    """Points evenly over what changes, a pixel of the clip apart or more."""
    apart = max(pixel, float(np.sqrt(changed.sum() / _COUNT)))
    rows, columns = (np.arange(apart / 2, side - 1, apart) for side in changed.shape)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    column, row = grid.round().astype(int).T
    return grid[changed[row, column]]
