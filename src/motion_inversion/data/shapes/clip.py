"""Reference clips of the shapes world, described in words and drawn when they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import numpy as np
from annotated_types import Interval

from motion_inversion.data.clip import Clip
from motion_inversion.data.selection import select
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.world import (
    CAMERA_MOTIONS,
    COLOURS,
    SHAPES,
    TEXTURES,
    Ground,
    Scene,
    Thing,
    camera_path,
    smooth,
    still,
)
from motion_inversion.data.video import Video
from motion_inversion.error import InputError
from motion_inversion.reflection.description import describe, digest

FPS = 8.0


@dataclass(frozen=True)
class Mover:
    """An object and where it goes: through `points` at equal times, smoothly or with corners, in half-widths."""

    shape: str
    colour: str
    points: Sequence[Sequence[float]]
    radius: Annotated[float, Interval(gt=0, le=100)] = 0.42
    corners: bool = False

    def __post_init__(self) -> None:
        _accept("shape", self.shape, SHAPES)
        _accept("colour", self.colour, COLOURS)
        if len(self.points) < 2 or any(len(point) != 2 for point in self.points):
            raise InputError("the points of a shapes clip are two or more of [x, y]: points=[[-0.5, 0], [0.5, 0]]")


@dataclass(frozen=True)
class ShapesFootage:
    """A scene of the shapes world as footage: a ground, at most one moving object, at most one camera move.

    camera: one of the world's camera motions, such as "camera panning left", or nothing.
    amount: how far the camera goes; 1 is a typical move.
    """

    ground: Ground
    mover: Mover | None = None
    camera: str = ""
    amount: Annotated[float, Interval(ge=-100, le=100)] = 1.0

    def __post_init__(self) -> None:
        _accept("colour", self.ground.colour, COLOURS)
        _accept("texture", self.ground.texture, TEXTURES)
        if self.camera:
            _accept("camera", self.camera, CAMERA_MOTIONS)

    def scene(self, frames: int) -> Scene:
        """The scene over so many frames."""
        camera = camera_path(self.camera, self.amount, frames) if self.camera else still(frames)
        thing = None
        if self.mover is not None:
            path = smooth(np.array(self.mover.points, dtype=float), frames, self.mover.corners)
            thing = Thing(self.mover.shape, self.mover.colour, self.mover.radius, path)
        return Scene(self.ground, camera, thing, self.camera)

    def read(self, frames: int, width: int, height: int) -> Video:
        """The scene drawn at this size.

        Raises:
            InputError: for a picture that isn't square.
        """
        if width != height:
            raise InputError(f"shapes clips are square, {width}×{height} was asked for: model.width={height}")
        return draw(self.scene(frames), width)

    def rate(self, frames: int) -> float:
        """Frames per second."""
        return FPS

    def fingerprint(self) -> str:
        """Checksum of the description."""
        return sha256(digest(describe(self)).encode()).hexdigest()


@dataclass(frozen=True)
class ClipSet:
    """A dataset that lists its clips; `only`, `seeds`, `shard` and `shards` as in `select`."""

    clip: Sequence[Clip]
    only: Sequence[str] = ()
    seeds: Sequence[int] = ()
    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        self.clips()

    def clips(self) -> tuple[Clip, ...]:
        """The chosen clips in their order."""
        return select(self.clip, self.only, self.seeds, self.shard, self.shards)


def _accept(what: str, given: str, accepted: Sequence[str] | dict[str, tuple[int, int, int]]) -> None:
    if given not in accepted:
        raise InputError(f"shapes clip: unknown {what} {given!r}, accepted are {', '.join(accepted)}")
