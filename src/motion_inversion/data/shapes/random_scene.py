"""Scenes drawn at random, many at once: the distribution that the embedded model is trained on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from motion_inversion.data.shapes.world import (
    CAMERA_MOTIONS,
    COLOURS,
    DIRECTIONS,
    SHAPES,
    TEXTURES,
    Ground,
    Scene,
    Thing,
    camera_path,
    caption_of,
    project,
    smooth,
)

REACH = 0.6  # how far an object's centre may stray from the middle of the frame, in half-widths
DROPPED = (0.5, 0.05, 0.1, 0.12, 0.15, 0.1)  # size, colour, motion, ground, texture, camera


def _kinds() -> dict[str, float]:
    return {"object": 0.55, "camera": 0.15, "hybrid": 0.30}


def _motions() -> dict[str, float]:
    return {
        "straight": 0.36,
        "circling": 0.10,
        "bouncing": 0.06,
        "zigzagging": 0.06,
        "standing still": 0.06,
        "around": 0.36,
    }


@dataclass(frozen=True)
class Mixture:
    """Shares of what scenes hold.

    kinds: a moving object, a camera move over bare ground, or both. paths: of objects. plain: how often the ground
    below a still camera has no texture.
    """

    kinds: Mapping[str, float] = field(default_factory=_kinds)
    paths: Mapping[str, float] = field(default_factory=_motions)
    plain: float = 0.5


WORLD = Mixture()

Paths = Float[np.ndarray, "n f 2"]


def scenes_at_random(
    random: np.random.Generator, count: int, frames: int = 16, mixture: Mixture = WORLD
) -> list[Scene]:
    """`count` scenes: 55 % of a moving object, 15 % of a camera move over bare ground, 30 % of both; or as a mixture
    says."""
    kinds = random.choice(list(mixture.kinds), size=count, p=list(mixture.kinds.values()))
    motions, paths = _paths(random, count, frames, mixture)
    moves = random.integers(len(CAMERA_MOTIONS), size=count)
    unit = np.stack([camera_path(motion, 1.0, frames) for motion in CAMERA_MOTIONS])
    amounts = random.uniform(0.75, 1.25, size=count) * (kinds != "object")
    cameras = unit[moves] * amounts[:, None, None]
    paths = _into_view(paths, cameras, random.uniform(-1, 1, size=(count, 2)))
    colours = np.array(list(COLOURS))[random.random((count, len(COLOURS))).argsort(axis=1)[:, :2]]
    shapes, radii = random.choice(SHAPES, size=count), random.uniform(0.30, 0.52, size=count)
    grounds = _grounds(random, colours[:, 0], kinds, mixture.plain)
    things = [Thing(str(shapes[i]), str(colours[i, 1]), radii[i], paths[i], motions[i]) for i in range(count)]
    return [
        Scene(
            grounds[i],
            cameras[i],
            None if kinds[i] == "camera" else things[i],
            "" if kinds[i] == "object" else CAMERA_MOTIONS[moves[i]],
        )
        for i in range(count)
    ]


def captions_at_random(
    random: np.random.Generator, scenes: list[Scene], dropped: tuple[float, ...] = DROPPED
) -> list[str]:
    """Captions with parts left out now and then, so that a model learns to do without them."""
    drops = random.random((len(scenes), len(dropped))) < np.array(dropped)
    return [caption_of(scene, tuple(drop)) for scene, drop in zip(scenes, drops.tolist(), strict=True)]


def _grounds(random: np.random.Generator, colours: np.ndarray, kinds: np.ndarray, plain: float) -> list[Ground]:
    """Grounds; where the camera moves, never a plain or striped one: stripes hide motion along them."""
    count = len(colours)
    textured, flat = random.choice(TEXTURES[2:], size=count), random.choice(TEXTURES[1:], size=count)
    flat = np.where(random.random(count) < plain, "plain", flat)
    textures = np.where(kinds == "object", flat, textured)
    periods, offsets = random.uniform(0.8, 1.15, size=count), random.uniform(-1, 1, size=(count, 2))
    angles = random.uniform(-math.pi / 8, math.pi / 8, size=count)
    return [
        Ground(str(colours[i]), str(textures[i]), periods[i], tuple(offsets[i].tolist()), angles[i])
        for i in range(count)
    ]


def _paths(random: np.random.Generator, count: int, frames: int, mixture: Mixture) -> tuple[list[str], Paths]:
    """Named and arbitrary paths around the origin, with their names."""
    kinds = random.choice(list(mixture.paths), size=count, p=list(mixture.paths.values()))
    time, sign = np.linspace(0, 1, frames), random.choice([-1, 1], size=count)

    def uniform(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, size=(count, 1))

    way = random.integers(len(DIRECTIONS), size=count)
    vectors = np.array([np.array(v) / math.hypot(*v) for v in DIRECTIONS.values()])[way]
    across = sign[:, None] * (2 * time - 1)
    angle = uniform(0.0, 2 * math.pi) + sign[:, None] * 2 * math.pi * uniform(0.8, 1.1) * time
    height = np.abs(np.cos(math.pi * (uniform(1.8, 2.5) * time + uniform(0.0, 0.5))))
    wave = 2 * np.abs((uniform(1.3, 2.0) * time + uniform(0.0, 1.0)) % 1 * 2 - 1) - 1
    paths = {
        "straight": (2 * time - 1)[:, None] * (uniform(0.35, 0.6) * vectors)[:, None],
        "circling": uniform(0.28, 0.5)[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1),
        "bouncing": np.stack([uniform(0.0, 0.5) * across, 0.5 - 0.9 * height], axis=-1),
        "zigzagging": np.stack([0.55 * across, uniform(0.3, 0.45) * wave], axis=-1),
        "standing still": np.zeros((count, frames, 2)),
        "around": _arbitrary(random, count, frames),
    }
    names = {
        "straight": [f"moving {list(DIRECTIONS)[k]}" for k in way],
        "circling": [f"circling {'clockwise' if s > 0 else 'counterclockwise'}" for s in sign],
        "around": ["moving around"] * count,
    }
    chosen = np.stack([paths[kind][i] for i, kind in enumerate(kinds)])
    return [names[kind][i] if kind in names else str(kind) for i, kind in enumerate(kinds)], chosen


def _arbitrary(random: np.random.Generator, count: int, frames: int) -> Paths:
    """Paths through three to five random points, a third of them with corners."""
    points = random.uniform(-REACH, REACH, size=(count, 5, 2))
    variants = [smooth(points[:, :n], frames, corners) for n in (3, 4, 5) for corners in (False, False, True)]
    return np.stack(variants)[random.integers(len(variants), size=count), np.arange(count)]


def _into_view(paths: Paths, cameras: Float[np.ndarray, "n f 4"], where: Float[np.ndarray, "n 2"]) -> Paths:
    """The paths shifted, and shrunk if need be, to stay within REACH, where `where` in [-1, 1]² says.

    Exact for a camera that is still; a moving one may let them stray further, though not out of the frame.
    """
    middle = cameras[:, cameras.shape[1] // 2]
    for _ in range(4):  # shifting a path in a rolling or zooming view bends it: a few rounds settle it
        screen = project(paths, cameras)
        low, high = screen.min(axis=1), screen.max(axis=1)
        shrink = np.minimum(1, (2 * REACH / np.maximum(high - low, 1e-6)).min(axis=1, keepdims=True))
        target = where * np.maximum(REACH - shrink * (high - low) / 2, 0)
        # The shift on the screen becomes a shift in the world at the middle of the clip.
        turned = middle * (0, 0, -1, -1)
        shift = project(target - (low + high) / 2, turned)
        centre = paths.mean(axis=1, keepdims=True)
        paths = shrink[..., None] * (paths - centre) + centre + shift[:, None]
    return paths
