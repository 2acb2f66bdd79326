"""The shapes world: what a scene holds, how scenes are drawn at random, and the caption that describes one.

Lengths are in half-widths of the frame: the picture spans [-1, 1]² with x to the right and y down.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval
from jaxtyping import Float

SHAPES = ("circle", "square", "triangle", "star", "cross")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (247, 140, 30),
    "yellow": (250, 220, 60),
    "green": (50, 160, 70),
    "blue": (40, 90, 210),
    "purple": (140, 60, 170),
    "white": (245, 245, 245),
}
TEXTURES = ("plain", "striped", "checkered", "dotted")
DIRECTIONS: dict[str, tuple[int, int]] = {
    "right": (1, 0),
    "left": (-1, 0),
    "up": (0, -1),
    "down": (0, 1),
    "up and right": (1, -1),
    "up and left": (-1, -1),
    "down and right": (1, 1),
    "down and left": (-1, 1),
}
OBJECT_MOTIONS = (
    *(f"moving {direction}" for direction in DIRECTIONS),
    "circling clockwise",
    "circling counterclockwise",
    "bouncing",
    "zigzagging",
    "standing still",
    "moving around",
)
CAMERA_MOTIONS = (
    *(f"camera panning {direction}" for direction in ("right", "left", "up", "down")),
    "camera zooming in",
    "camera zooming out",
    "camera rolling clockwise",
    "camera rolling counterclockwise",
)
# Every word a caption can hold; each becomes one token.
WORDS = tuple(
    sorted(
        {"a", "an", "on", "and", "ground", "small", "large", ","}
        | set(SHAPES)
        | set(COLOURS)
        | set(TEXTURES)
        | {word for motion in (*OBJECT_MOTIONS, *CAMERA_MOTIONS) for word in motion.split()}
    )
)

Path = Float[np.ndarray, "f 2"]
Camera = Float[np.ndarray, "f 4"]


@dataclass(frozen=True)
class Ground:
    """A coloured plane with a texture: `period` in half-widths, `offset` in periods, `angle` in radians."""

    colour: str
    texture: str = "plain"
    period: Annotated[float, Interval(gt=0, le=1000)] = 0.95
    offset: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0


@dataclass(frozen=True)
class Thing:
    """The one moving object of a scene: its `radius`, and as `path` its centre in world coordinates."""

    shape: str
    colour: str
    radius: float
    path: Path
    motion: str = "moving around"

    @property
    def size(self) -> str:
        """`small`, `large` or nothing: the word a caption may use."""
        return "small" if self.radius < 0.35 else "large" if self.radius > 0.45 else ""


@dataclass(frozen=True)
class Scene:
    """A clip of the shapes world.

    `camera` holds, per frame, (x, y, log zoom, roll in radians): a world point w appears at
    zoom·R(roll)ᵀ·(w − (x, y)), so that a camera moving right shifts the picture to the left.
    """

    ground: Ground
    camera: Camera
    thing: Thing | None = None
    camera_motion: str = ""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.camera)

    @property
    def kind(self) -> Literal["object", "camera", "hybrid"]:
        """What moves: the object, the camera over bare ground, or both."""
        if self.thing is None:
            return "camera"
        return "hybrid" if self.camera_motion else "object"


def smooth(points: Float[np.ndarray, "*b n 2"], frames: int, corners: bool = False) -> Float[np.ndarray, "*b f 2"]:
    """Paths that pass `points` at equal intervals of time: Catmull–Rom splines, or straight with corners."""
    count = points.shape[-2]
    time = np.linspace(0, count - 1, frames)
    index = np.minimum(time.astype(int), count - 2)
    u = (time - index)[:, None]
    ends = (2 * points[..., :1, :] - points[..., 1:2, :], 2 * points[..., -1:, :] - points[..., -2:-1, :])
    padded = np.concatenate([ends[0], points, ends[1]], axis=-2)
    before, here, there, after = (padded[..., index + k, :] for k in range(4))
    if corners:
        return here + u * (there - here)
    slope, curve = there - before, 2 * before - 5 * here + 4 * there - after
    return here + 0.5 * u * (slope + u * (curve + u * (3 * (here - there) + after - before)))


def project(points: Float[np.ndarray, "*b 2"], camera: Float[np.ndarray, "*c 4"]) -> Float[np.ndarray, "*d 2"]:
    """Where world points appear to a camera, in half-widths from the middle of the picture."""
    x, y, log_zoom, roll = np.moveaxis(camera, -1, 0)
    dx, dy, zoom = points[..., 0] - x, points[..., 1] - y, np.exp(log_zoom)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([zoom * (cos * dx + sin * dy), zoom * (cos * dy - sin * dx)], axis=-1)


def still(frames: int) -> Camera:
    """A camera that doesn't move."""
    return np.zeros((frames, 4))


def camera_path(motion: str, amount: float, frames: int) -> Camera:
    """The camera's path for one of CAMERA_MOTIONS; `amount` 1 is a typical move over the whole clip."""
    time = np.linspace(0, 1, frames)
    camera = still(frames)
    verb, way = motion.split()[1:]
    if verb == "panning":
        camera[:, :2] = amount * 1.1 * time[:, None] * np.array(DIRECTIONS[way])
    elif verb == "zooming":
        zoom = amount * 0.75 * time
        camera[:, 2] = zoom if way == "in" else amount * 0.4 - zoom
    else:
        camera[:, 3] = amount * math.radians(75) * time * (1 if way == "clockwise" else -1)
    return camera


def caption_of(scene: Scene, drop: tuple[bool, ...] = (False,) * 6) -> str:
    """The caption of a scene, less the dropped parts: size, colour, motion, ground, texture, camera."""
    thing = scene.thing
    ground = _phrase(scene.ground.colour, "" if drop[4] else scene.ground.texture, "ground")
    camera = f", {scene.camera_motion}" if scene.camera_motion and not drop[5] else ""
    if thing is None:
        return ground + camera
    subject = _phrase("" if drop[0] else thing.size, "" if drop[1] else thing.colour, thing.shape)
    motion = "" if drop[2] else f" {thing.motion}"
    return subject + motion + ("" if drop[3] else f" on {ground}") + camera


def appearance_invariant(scene: Scene) -> str:
    """The caption without colours, textures and sizes: "a circle bouncing", "a ground, camera panning left"."""
    bare = replace(scene, ground=replace(scene.ground, colour=""))
    return caption_of(bare, drop=(True, True, False, True, True, False))


def _phrase(*words: str) -> str:
    """The words that aren't empty, with the indefinite article."""
    kept = " ".join(word for word in words if word)
    return f"{'an' if kept[0] in 'aeiou' else 'a'} {kept}"
