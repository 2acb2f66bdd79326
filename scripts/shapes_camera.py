"""Judges camera moves of the shapes world from pixels: does the picture move as a whole, and which way?"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from motion_inversion.data.shapes.world import CAMERA_MOTIONS, camera_path
from shapes_judge import NAMES, PALETTE, Video, ground_colour

Level = Float[np.ndarray, "h w"]

BLURS, STEPS = (3.0, 1.5), 6  # the fit of a camera's step: pixels of 64, and iterations at each
SPREAD = 0.1  # differences beyond it, in shares of the ground's colour, count less and less
EDGE = 0.9  # steepness that makes an edge, in shares of the ground's colour per half-width
TOLERANCE = 2 / 64  # how far an edge may be off the whole picture's motion: one pixel of 64
SPAN = 1.15  # half-widths that edges must cover both ways; the largest object covers 1.04, its blur included 1.1
WHOLE = 0.8  # least share of the edges that move with the picture
LEAST_CAMERA = 0.3  # slower than this share of the world's typical move, a camera stands still


@dataclass(frozen=True)
class CameraTrack:
    """How a picture moves: one of CAMERA_MOTIONS or nothing, and the mean share of edges that move along."""

    motion: str
    inliers: float

    @property
    def whole(self) -> bool:
        """Whether the picture moves, and as a whole."""
        return bool(self.motion) and self.inliers >= WHOLE


def find_camera(video: Video) -> CameraTrack:
    """The motion of a square picture: the median over pairs of frames of a similarity fitted to each."""
    # A ground and its shade are multiples of one colour: measured along it their contrast is always the same.
    colour = PALETTE[NAMES.index(ground_colour(video))]
    level = video.astype(np.float32) @ (colour / (colour @ colour))
    pairs = [_step(before, after) for before, after in pairwise(level)]
    travelled = np.median([step for step, _ in pairs], axis=0) * len(pairs)
    paths = np.stack([camera_path(motion, 1.0, 2) for motion in CAMERA_MOTIONS])
    typical = paths[:, 1] - paths[:, 0]
    # Each move has one coordinate to itself, so that the product is the distance in units of the typical one.
    likeness = (typical * travelled).sum(axis=1) / (typical**2).sum(axis=1)
    best = int(likeness.argmax())
    motion = CAMERA_MOTIONS[best] if likeness[best] >= LEAST_CAMERA else ""
    return CameraTrack(motion, float(np.mean([inliers for _, inliers in pairs])))


def _step(before: Level, after: Level) -> tuple[Float[np.ndarray, "4"], float]:
    """The camera's step (x, y, log zoom, roll) between two frames, and the share of edges that agree with it.

    Robust Gauss-Newton (after Lucas and Kanade, 1981) for rotation, zoom and shift of the whole picture, from
    coarse to fine. It needs edges but no corners, which a dotted ground hasn't.
    """
    fit, inliers = np.zeros(4), 0.0
    for blur in BLURS:
        start, end = (cv2.GaussianBlur(level, (0, 0), blur * len(level) / 64) for level in (before, after))
        for _ in range(STEPS):
            match = _compare(start, end, fit)
            weighted = match.columns / (1 + (match.rest / SPREAD) ** 2)[:, None] ** 2
            system = match.columns.T @ weighted + 1e-6 * np.eye(4)
            fit = fit - np.linalg.solve(system, weighted.T @ match.rest)
        inliers = _agreement(_compare(start, end, fit))
    # The picture moves against the camera: its shift and turn are the camera's, reversed.
    a, b, x, y = fit
    return np.array([-x, -y, math.log(math.hypot(1 + a, b)), -math.atan2(b, 1 + a)]), inliers


class _Match(NamedTuple):
    """The pixels that both frames show: place in the first, difference left, its derivatives by the fit."""

    place: Float[np.ndarray, "n 2"]
    rest: Float[np.ndarray, "n"]
    columns: Float[np.ndarray, "n 4"]


def _compare(start: Level, end: Level, fit: Float[np.ndarray, "4"]) -> _Match:
    """`end` at (1 + a, -b; b, 1 + a)·(x, y) + shift, less `start` at (x, y), for fit = (a, b, shift)."""
    a, b, *shift = fit
    pixel = 2 / len(start)
    axis = (np.arange(len(start)) + 0.5) * pixel - 1
    x, y = np.meshgrid(axis, axis)
    there = np.stack([x + a * x - b * y + shift[0], y + a * y + b * x + shift[1]])
    column, row = ((there + 1) / pixel - 0.5).astype(np.float32)
    down, right = np.gradient(end, pixel)
    moved, down, right = (cv2.remap(image, column, row, cv2.INTER_LINEAR) for image in (end, down, right))
    seen = (np.abs(there) <= 1 - pixel / 2).all(axis=0)
    columns = np.stack([right * x + down * y, down * x - right * y, right, down], axis=-1)
    return _Match(np.stack([x, y], axis=-1)[seen], (moved - start)[seen], columns[seen])


def _agreement(match: _Match) -> float:
    """The share of edges where the difference left amounts to a shift of less than TOLERANCE.

    Nothing where the edges span less than the picture: they are an object's, over a plain ground.
    """
    steepness = np.hypot(match.columns[:, 2], match.columns[:, 3])
    edge, agree = steepness > EDGE, np.abs(match.rest) < TOLERANCE * steepness
    if not edge.any() or np.ptp(np.percentile(match.place[edge], (2, 98), axis=0), axis=0).min() < SPAN:
        return 0.0
    return float(agree[edge].mean())
