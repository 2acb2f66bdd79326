"""Validation sets of the shapes world: clips of one kind of motion, drawn by a seed, with target prompts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated

import numpy as np
from annotated_types import Ge

from motion_inversion.core.strategy import Motion
from motion_inversion.data.clip import Clip
from motion_inversion.data.selection import select
from motion_inversion.data.shapes.clip import Mover, ShapesFootage
from motion_inversion.data.shapes.random_scene import scenes_at_random
from motion_inversion.data.shapes.world import (
    CAMERA_MOTIONS,
    COLOURS,
    SHAPES,
    Ground,
    Scene,
    Thing,
    appearance_invariant,
    camera_path,
    caption_of,
)
from motion_inversion.error import InputError

PROMPTS = 3
_FRAMES = 16  # at which paths are drawn; footage of another length follows the same paths
_ARBITRARY = "moving around"  # the one motion that never looks the same twice
_DIGITS = 3  # of what is kept of a drawn number, so that every machine's arithmetic gives the same set


@dataclass(frozen=True)
class ShapesSet:
    """`count` clips of one kind of motion, each with `prompts` for other subjects on other grounds.

    No two clips share a named motion: objects go straight, circle, bounce, zigzag or follow arbitrary paths, none
    stands still; cameras pan, zoom and roll. The prompts leave the motion to the reference: they name a camera's
    move nowhere, and call any object's "moving around". Equal arguments give equal sets. The footage knows its
    scene, and so its true tracks.

    The first clips of a larger set are those of a smaller one, and so are the first prompts of a clip.

    Args:
        motion: What moves.
        count: Clips; of cameras no more than there are moves.
        prompts: For each clip, up to three.
        seed: Of the scenes and the prompts' subjects.
        only, seeds, shard, shards: As in `select`; the seeds are those of the samples.

    Raises:
        InputError: for a count out of range.
    """

    motion: Motion
    seeds: Sequence[int]
    count: int = 8
    prompts: int = PROMPTS
    seed: Annotated[int, Ge(0)] = 0
    only: Sequence[str] = ()
    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        most = len(CAMERA_MOTIONS) if self.motion != "object" else 99
        if not 1 <= self.count <= most:
            raise InputError(
                f"dataset.count={self.count}: accepted are 1 to {most}, as many as there are different moves; "
                "set dataset.count=8"
            )
        if not 1 <= self.prompts <= PROMPTS:
            raise InputError(
                f"dataset.prompts={self.prompts}: accepted are 1 to {PROMPTS}; set dataset.prompts={PROMPTS}"
            )

    def clips(self) -> tuple[Clip, ...]:
        """The chosen clips; errors as in `select`."""
        drawn = enumerate(self._scenes(), 1)
        return select([self._clip(*pair) for pair in drawn], self.only, self.seeds, self.shard, self.shards)

    def _scenes(self) -> list[Scene]:
        """The first scenes drawn that are of this kind and of a motion not seen before."""
        chosen: dict[str, Scene] = {}
        for scene in _stream(self.seed):
            name = _motion(scene)
            if name == _ARBITRARY:
                name = f"{name} {sum(other.startswith(name) for other in chosen) + 1}"
            if scene.kind == self.motion and name not in chosen and not _rests(scene):
                chosen[name] = scene
            if len(chosen) == self.count:
                break
        return list(chosen.values())

    def _clip(self, number: int, scene: Scene) -> Clip:
        random = np.random.default_rng([self.seed, number])
        name = f"{self.motion}_{number}_{_motion(scene).removeprefix('camera ').replace(' ', '_')}"
        prompts = tuple(_caption(other) for other in islice(_repainted(random, scene), self.prompts))
        invariant = appearance_invariant(_unnamed(scene))
        return Clip(name, _footage(scene), self.motion, _caption(scene), prompts, tuple(self.seeds), invariant)


def _stream(seed: int) -> Iterator[Scene]:
    random = np.random.default_rng(seed)
    while True:
        yield from scenes_at_random(random, 64, _FRAMES)


def _motion(scene: Scene) -> str:
    """What tells one motion of a kind from another: the camera's move if there is one, else the object's."""
    return scene.camera_motion or (scene.thing.motion if scene.thing else "")


def _rests(scene: Scene) -> bool:
    return scene.thing is not None and scene.thing.motion == "standing still"


def _footage(scene: Scene) -> ShapesFootage:
    thing, ground = scene.thing, scene.ground
    offset = (round(ground.offset[0], _DIGITS), round(ground.offset[1], _DIGITS))
    plane = Ground(ground.colour, ground.texture, round(ground.period, _DIGITS), offset, round(ground.angle, _DIGITS))
    mover, amount = None, 1.0
    if thing is not None:
        points = tuple(tuple(point) for point in thing.path.round(_DIGITS).tolist())
        mover = Mover(thing.shape, thing.colour, points, round(float(thing.radius), _DIGITS))
    if scene.camera_motion:
        typical = camera_path(scene.camera_motion, 1.0, scene.frames)
        amount = round(float(np.abs(scene.camera[-1]).max() / np.abs(typical[-1]).max()), _DIGITS)
    return ShapesFootage(plane, mover, scene.camera_motion, amount)


def _repainted(random: np.random.Generator, scene: Scene) -> Iterator[Scene]:
    """Scenes of three other subjects: no shape, and no pair of colours, is the source's or comes twice."""
    taken = {scene.ground.colour, scene.thing.colour if scene.thing else ""}
    colours = random.permutation([colour for colour in COLOURS if colour not in taken]).tolist()
    shapes = random.permutation([shape for shape in SHAPES if scene.thing is None or shape != scene.thing.shape])
    for index in range(PROMPTS):
        ground = replace(scene.ground, colour=colours[index])
        thing = scene.thing
        if thing is not None:
            thing = replace(thing, shape=str(shapes[index]), colour=colours[(index + 2) % len(colours)])
        yield replace(scene, ground=ground, thing=thing)


def _caption(scene: Scene) -> str:
    """The scene's caption without the size of its object and without its motion."""
    return caption_of(_unnamed(scene), drop=(True, False, False, False, False, True))


def _unnamed(scene: Scene) -> Scene:
    """The scene with its object, if there is one, said to move in no way in particular."""
    thing: Thing | None = replace(scene.thing, motion=_ARBITRARY) if scene.thing else None
    return replace(scene, thing=thing)
