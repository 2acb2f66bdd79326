"""Judges clips of the shapes world from their pixels: what moves, which colours, which shape, which way.

Lengths are in half-widths of the frame, x to the right and y down, as in `motion_inversion.data.world`.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_inversion.data.random_scene import scenes_at_random
from motion_inversion.data.render import SceneBatch, render
from motion_inversion.data.world import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    SHAPES,
    Ground,
    Scene,
    Thing,
    camera_path,
    still,
)

Video = UInt8[np.ndarray, "f h w 3"]
Distances = Float[np.ndarray, "f h w colour"]
Level = Float[np.ndarray, "h w"]

NAMES = tuple(COLOURS)
PALETTE = np.array(list(COLOURS.values()), dtype=np.float32)
SHADE = 0.55  # the darker tone of a textured ground, as a share of its colour

# Share of the frame that an object covers: stars of radius 0.3 cover 0.028, circles of 0.52 cover 0.165.
AREAS = (0.015, 0.3)
AREA_CHANGE = 2.0  # at most so many times larger or smaller than in the clip's median frame
# Steps of generated objects may exceed the world's fastest of the same motion by a quarter, plus two pixels of 64.
SPEED_MARGIN, PLACE_MARGIN = 1.25, 2 * 2 / 64
LEAST_MOVE = 0.14  # the shortest straight path of the world moves 0.56 between its first and last quarter

SOFT = 1.5  # rounding of the templates in pixels of 64: generated stars have blunt tips and filled notches
RADII = np.geomspace(0.2, 0.68, 26)  # of the templates: 5 % from one to the next
LARGER = range(-1, 4)  # steps tried around the radius of equal area; an object cut off by the frame is larger

BLURS, STEPS = (3.0, 1.5), 6  # the fit of a camera's step: pixels of 64, and iterations at each
SPREAD = 0.1  # differences beyond it, in shares of the ground's colour, count less and less
EDGE = 0.9  # steepness that makes an edge, in shares of the ground's colour per half-width
TOLERANCE = 2 / 64  # how far an edge may be off the whole picture's motion: one pixel of 64
WHOLE = 0.8  # least share of the edges that move with the picture
LEAST_CAMERA = 0.3  # slower than this share of the world's typical move, a camera stands still


@dataclass(frozen=True)
class Track:
    """The one object of a clip: its largest patch per frame; centres are NaN where there is none."""

    colour: str
    masks: Bool[np.ndarray, "f h w"]
    centres: Float[np.ndarray, "f 2"]

    @property
    def areas(self) -> Float[np.ndarray, "f"]:
        """Share of the frame that the object covers."""
        return self.masks.mean(axis=(1, 2))


@dataclass(frozen=True)
class CameraTrack:
    """How a picture moves: one of CAMERA_MOTIONS or nothing, and the mean share of points that move along."""

    motion: str
    inliers: float

    @property
    def whole(self) -> bool:
        """Whether the picture moves, and as a whole."""
        return bool(self.motion) and self.inliers >= WHOLE


def ground_colour(video: Video) -> str:
    """The colour nearest to most pixels, alone or mixed with its shade: objects cover a sixth at most."""
    _, to_ground = _distances(_clean(video))
    nearest = to_ground.argmin(axis=-1)
    return NAMES[np.bincount(nearest.ravel(), minlength=len(NAMES)).argmax()]


def find_object(video: Video) -> Track:
    """What isn't ground: pixels nearer to another colour of the palette than to the ground's two tones."""
    others, to_ground = _distances(_clean(video))
    ground = NAMES.index(ground_colour(video))
    others[..., ground] = np.inf
    foreign = others.min(axis=-1) < to_ground[..., ground]
    masks = np.stack([_largest(mask) for mask in foreign])
    height, width = masks.shape[1:]
    grid = np.stack(np.meshgrid((np.arange(width) + 0.5) * 2 / width - 1, (np.arange(height) + 0.5) * 2 / height - 1))
    weight = masks.sum(axis=(1, 2))
    sums = np.einsum("fhw,chw->fc", masks, grid)
    centres = np.where(weight[:, None] > 0, sums / np.maximum(weight, 1)[:, None], np.nan)
    votes = np.bincount(others.argmin(axis=-1)[masks], minlength=len(NAMES))
    return Track(NAMES[votes.argmax()] if votes.any() else "", masks, centres)


def persists(track: Track) -> bool:
    """Whether the object is there in every frame, of a plausible and steady size."""
    median = float(np.median(track.areas))
    steady = (track.areas * AREA_CHANGE >= median) & (track.areas <= AREA_CHANGE * median)
    return AREAS[0] <= median <= AREAS[1] and bool(steady.all())


def moves_smoothly(track: Track, motion: str) -> bool:
    """Whether the object is in every frame and its centre stays within `limits`."""
    longest, sharpest = _roughness(track.centres)
    step, change = limits(motion, len(track.centres))
    return longest <= step and sharpest <= change  # comparisons with NaN are false


def _roughness(path: Float[np.ndarray, "f 2"]) -> tuple[float, float]:
    """The longest step, and the largest change from a step to the more alike of its neighbours.

    A corner of a path changes one step of two, a jump is unlike the steps on both sides.
    """
    steps = np.diff(path, axis=0)
    changes = np.linalg.norm(np.diff(steps, axis=0), axis=1)
    alone = np.minimum(np.append(changes, np.inf), np.insert(changes, 0, np.inf))
    return float(np.linalg.norm(steps, axis=1).max()), float(alone.max())


@cache
def limits(motion: str, frames: int) -> tuple[float, float]:
    """The longest step of an object's centre, and the largest change of it, that isn't a jump, over a still ground.

    1.25 times the largest of 4,000 scenes with the same motion, plus two pixels of 64 for a step and four for a
    change. Steps for 16 frames: 0.16 moving straight, 0.06 standing still, 0.35 circling, 0.37 zigzagging, 0.62
    bouncing, 0.72 moving around.
    """
    things = [scene.thing for scene in _many_scenes(frames) if scene.kind == "object" and scene.thing is not None]
    paths = [thing.path for thing in things if _family(thing.motion) == _family(motion)]
    step, change = np.max([_roughness(path) for path in paths], axis=0)
    return SPEED_MARGIN * step + PLACE_MARGIN, SPEED_MARGIN * change + 2 * PLACE_MARGIN


def _family(motion: str) -> str:
    return motion if motion == "moving around" else motion.split()[0]


@cache
def _many_scenes(frames: int) -> list[Scene]:
    return scenes_at_random(np.random.default_rng(0), 4000, frames)


def heads(track: Track, direction: str) -> bool:
    """Whether the object goes within 45° of one of DIRECTIONS from the clip's first to its last quarter."""
    quarter = max(1, len(track.centres) // 4)
    x, y = track.centres[-quarter:].mean(axis=0) - track.centres[:quarter].mean(axis=0)
    wanted = DIRECTIONS[direction]
    distance = math.hypot(x, y)
    along = (x * wanted[0] + y * wanted[1]) / math.hypot(*wanted)
    return distance >= LEAST_MOVE and along >= distance * math.cos(math.radians(45))


def shape(track: Track) -> str:
    """The shape that fits in most frames: largest overlap of its upright mask, over all places and sizes."""
    fits = np.stack([_fits(mask) for mask in track.masks])
    votes = np.bincount(fits.argmax(axis=1), minlength=len(SHAPES))
    # Overlaps are below 1: they only decide between shapes with equally many frames.
    return SHAPES[int((votes + fits.mean(axis=0)).argmax())]


def _fits(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "shape"]:
    """The best intersection over union of every shape with a mask; zeros without one."""
    if not mask.any():
        return np.zeros(len(SHAPES))
    size = len(mask)
    spectra, visible, areas = _templates(size)
    nearest = np.abs(areas - mask.mean()).argmin(axis=1)
    radius = np.clip(nearest[:, None] + np.array(LARGER), 0, len(RADII) - 1)
    kind = np.arange(len(SHAPES))[:, None]
    spectrum = torch.fft.rfft2(torch.tensor(mask, dtype=torch.float32), s=(2 * size, 2 * size))
    both = torch.fft.irfft2(spectrum * spectra[kind, radius].conj(), s=(2 * size, 2 * size))
    overlap = both / (mask.sum() + visible[kind, radius] - both)
    return overlap.flatten(1).amax(dim=1).numpy()


@cache
def _templates(size: int) -> tuple[Tensor, Tensor, Float[np.ndarray, "shape radius"]]:
    """Masks of every shape and radius: spectra, area inside the frame for every shift, share of the frame."""
    things = [Thing(kind, "white", radius, np.zeros((1, 2))) for kind in SHAPES for radius in RADII]
    batch = SceneBatch.pack([Scene(Ground("red"), still(1), thing) for thing in things])
    white, black = torch.ones_like(batch.colour), torch.zeros_like(batch.ground)
    cover = render(replace(batch, colour=white, ground=black, shade=black), size)[:, 0, 0]
    softened = [cv2.GaussianBlur(mask, (0, 0), SOFT * size / 64) for mask in cover.numpy()]
    cover = (torch.tensor(np.stack(softened)) > 0.5).float()
    cover = cover.unflatten(0, (len(SHAPES), len(RADII)))
    padded = (2 * size, 2 * size)
    spectra = torch.fft.rfft2(cover, s=padded)
    frame = torch.fft.rfft2(torch.ones(size, size), s=padded)
    visible = torch.fft.irfft2(frame * spectra.conj(), s=padded)
    return spectra, visible, cover.mean(dim=(2, 3)).numpy()


def find_camera(video: Video) -> CameraTrack:
    """The picture's motion over the clip: the median, over pairs of frames, of a similarity fitted to them."""
    # Ground and shade differ by the factor SHADE: measured along the ground's colour their contrast is always 0.45.
    colour = PALETTE[NAMES.index(ground_colour(video))]
    level = video.astype(np.float32) @ (colour / (colour @ colour))
    pairs = [_similarity(before, after) for before, after in zip(level, level[1:])]
    speed = np.median([step for step, _ in pairs], axis=0) * len(pairs)
    travelled = [camera_path(motion, 1.0, 2) for motion in CAMERA_MOTIONS]
    typical = np.stack([path[1] - path[0] for path in travelled])
    # Each move has one coordinate of its own, so that the product is the speed in units of the typical one.
    likeness = (typical * speed).sum(axis=1) / (typical**2).sum(axis=1)
    best = int(likeness.argmax())
    motion = CAMERA_MOTIONS[best] if likeness[best] >= LEAST_CAMERA else ""
    return CameraTrack(motion, float(np.mean([inliers for _, inliers in pairs])))


def _similarity(before: Level, after: Level) -> tuple[Float[np.ndarray, "4"], float]:
    """The camera's step (x, y, log zoom, roll) between two frames, and the share of edges that agree with it.

    Robust Gauss-Newton (Lucas and Kanade, 1981) for the rotation, zoom and shift of the whole picture, from
    coarse to fine. It needs edges, not corners, which a dotted ground doesn't have. An edge agrees when what is
    left of the difference there amounts to a shift of less than TOLERANCE; every quarter of the picture counts
    alike, one without edges as disagreeing: a lone object on a plain ground is no moving picture.
    """
    height, width = before.shape
    pixel = 2 / width
    x, y = np.meshgrid((np.arange(width) + 0.5) * pixel - 1, ((np.arange(height) + 0.5) * 2 - height) / width)
    a, b, shift_x, shift_y = 0.0, 0.0, 0.0, 0.0
    for blur in BLURS:
        start, end = (cv2.GaussianBlur(level, (0, 0), blur * width / 64) for level in (before, after))
        slopes = np.gradient(end, pixel)
        for _ in range(STEPS):
            there = (x + a * x - b * y + shift_x, y + a * y + b * x + shift_y)
            at = [((place + side) / pixel - 0.5).astype(np.float32) for place, side in zip(there, (1, height / width))]
            moved, down, right = (cv2.remap(image, *at, cv2.INTER_LINEAR) for image in (end, *slopes))
            seen = (at[0] >= 0) & (at[0] <= width - 1) & (at[1] >= 0) & (at[1] <= height - 1)
            rest = (moved - start)[seen]
            columns = np.stack([right * x + down * y, down * x - right * y, right, down], axis=-1)[seen]
            weighted = columns / (1 + (rest / SPREAD) ** 2)[:, None] ** 2
            system = columns.T @ weighted + 1e-6 * np.eye(4)
            a, b, shift_x, shift_y = np.array([a, b, shift_x, shift_y]) - np.linalg.solve(system, weighted.T @ rest)
    steepness = np.hypot(right, down)[seen]
    edge, agree = steepness > EDGE, np.abs(rest) < TOLERANCE * steepness
    corner = 2 * (x[seen] > 0) + (y[seen] > 0)
    shares = [agree[edge & (corner == k)].mean() if (edge & (corner == k)).any() else 0.0 for k in range(4)]
    # The picture moves against the camera: its shift and turn are the camera's, reversed.
    step = np.array([-shift_x, -shift_y, math.log(math.hypot(1 + a, b)), -math.atan2(b, 1 + a)])
    return step, float(np.mean(shares))


def _clean(video: Video) -> Float[np.ndarray, "f h w 3"]:
    """The frames less their pixel noise."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 0.7) for frame in video]).astype(np.float32)


def _distances(pixels: Float[np.ndarray, "f h w 3"]) -> tuple[Distances, Distances]:
    """Squared distances of pixels to the colours, and to the nearest mixture of each colour and its shade."""
    # Mixtures are multiples t·c with t in [SHADE, 1], and |p − t·c|² = |p|² + |c|²·t·(t − 2·(p·c)/|c|²).
    square = (PALETTE**2).sum(axis=1)
    nearest = pixels @ PALETTE.T / square
    share = np.clip(nearest, SHADE, 1)
    length = (pixels**2).sum(axis=-1, keepdims=True)
    return length + square * (1 - 2 * nearest), length + square * share * (share - 2 * nearest)


def _largest(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The largest connected patch."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return labels == 1 + areas.argmax() if len(areas) else mask
