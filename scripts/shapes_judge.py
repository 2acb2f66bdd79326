"""Judges clips of the shapes world from their pixels: colours, the object's shape, its way, whether it jumps.

Lengths are in half-widths of the frame, x to the right and y down, as in `motion_inversion.data.shapes.world`.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_inversion.data.shapes.random_scene import scenes_at_random
from motion_inversion.data.shapes.render import SceneBatch, render
from motion_inversion.data.shapes.world import COLOURS, DIRECTIONS, SHAPES, Ground, Scene, Thing, still

Video = UInt8[np.ndarray, "f h w 3"]
Distances = Float[np.ndarray, "f h w colour"]

NAMES = tuple(COLOURS)
PALETTE = np.array(list(COLOURS.values()), dtype=np.float32)
SHADE = 0.55  # the darker tone of a textured ground, as a share of its colour

# Share of the frame that an object covers: stars of radius 0.3 cover 0.028, circles of 0.52 cover 0.165.
AREAS = (0.015, 0.3)
AREA_CHANGE = 2.0  # at most so many times larger or smaller than in the clip's median frame
# Objects may be a quarter faster than the world's fastest of the same motion, plus two pixels of 64.
SPEED_MARGIN, PLACE_MARGIN = 1.25, 2 * 2 / 64
LEAST_MOVE = 0.14  # the shortest straight path of the world moves 0.56 between its first and last quarter

SOFT = 1.5  # rounding of the templates in pixels of 64: generated stars have blunt tips and filled notches
RADII = np.geomspace(0.2, 0.68, 26)  # of the templates: 5 % from one to the next
LARGER = range(-1, 4)  # steps tried around the radius of equal area; an object cut off by the frame is larger


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


def never_jumps(track: Track) -> bool:
    """Whether the object is in every frame and its centre neither leaps nor jitters, whatever way it goes.

    Leap and jitter may be two pixels of 64 larger than the largest of 4,000 scenes of the world, corners included.
    """
    leap, jitter = _unrest(track.centres)
    largest_leap, largest_jitter = _unrest_limits(len(track.centres))
    return leap <= largest_leap and jitter <= largest_jitter  # comparisons with NaN are false


def _unrest(path: Float[np.ndarray, "f 2"]) -> tuple[float, float]:
    """The leap: by how much a step exceeds the median of the five around it, at most. The jitter: the median change.

    A jump for good is one long step among short ones, a frame astray makes two. Where the object jumps all the time
    no step stands out, but most differ from the one before.
    """
    steps = np.diff(path, axis=0)
    lengths, changes = np.linalg.norm(steps, axis=1), np.linalg.norm(np.diff(steps, axis=0), axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(lengths, 2, mode="reflect"), 5)
    return float((lengths - np.median(around, axis=1)).max()), float(np.median(changes))


@cache
def _unrest_limits(frames: int) -> tuple[float, float]:
    leap, jitter = np.max([_unrest(thing.path) for thing in _many_things(frames)], axis=0) + PLACE_MARGIN
    return float(leap), float(jitter)


def moves_as(track: Track, motion: str) -> bool:
    """Whether the object is in every frame and its centre no faster, and no jerkier, than the motion allows."""
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
    """The longest step of an object's centre over a still ground, and the largest change, of a motion.

    1.25 times the largest of 4,000 scenes with the same motion, plus two pixels of 64 for a step and four for
    a change. Steps for 16 frames: 0.16 moving straight, 0.06 standing still, 0.34 circling, 0.37 zigzagging,
    0.62 bouncing, 0.72 moving around; changes: 0.13, 0.13, 0.25, 0.63, 1.15, 0.52.
    """
    paths = [thing.path for thing in _many_things(frames) if _family(thing.motion) == _family(motion)]
    step, change = np.max([_roughness(path) for path in paths], axis=0)
    return float(SPEED_MARGIN * step + PLACE_MARGIN), float(SPEED_MARGIN * change + 2 * PLACE_MARGIN)


def _family(motion: str) -> str:
    return motion if motion == "moving around" else motion.split()[0]


@cache
def _many_things(frames: int) -> list[Thing]:
    """The objects over a still ground of 4,000 scenes."""
    scenes = scenes_at_random(np.random.default_rng(0), 4000, frames)
    return [scene.thing for scene in scenes if scene.kind == "object" and scene.thing is not None]


def heads(track: Track, direction: str) -> bool:
    """Whether the object goes within 45° of one of DIRECTIONS from the clip's first to its last quarter."""
    quarter = max(1, len(track.centres) // 4)
    x, y = track.centres[-quarter:].mean(axis=0) - track.centres[:quarter].mean(axis=0)
    wanted = DIRECTIONS[direction]
    distance = math.hypot(x, y)
    along = (x * wanted[0] + y * wanted[1]) / math.hypot(*wanted)
    return bool(distance >= LEAST_MOVE and along >= distance * math.cos(math.radians(45)))


def shape(track: Track) -> str:
    """The shape that fits in most frames: largest overlap of its upright mask, over all places and sizes.

    Nothing for a clip without an object.
    """
    if not track.masks.any():
        return ""
    fits = np.stack([_fits(mask) for mask in track.masks if mask.any()])
    votes = np.bincount(fits.argmax(axis=1), minlength=len(SHAPES))
    # Overlaps are below 1: they only decide between shapes with equally many frames.
    return SHAPES[int((votes + fits.mean(axis=0)).argmax())]


def _fits(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "shape"]:
    """The best intersection over union of every shape with a mask."""
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


def _clean(video: Video) -> Float[np.ndarray, "f h w 3"]:
    """The frames less their pixel noise."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 0.7) for frame in video]).astype(np.float32)


def _distances(pixels: Float[np.ndarray, "f h w 3"]) -> tuple[Distances, Distances]:
    """Squared distances of pixels to the colours, and to the nearest mixture of each colour and its shade."""
    # Mixtures are multiples t·c with t in [SHADE, 1], and |p - t·c|² = |p|² + |c|²·t·(t - 2·(p·c)/|c|²).
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
