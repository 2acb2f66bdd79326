"""What a denoiser is shown: which scenes, how often, at which noise levels; and in what order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from motion_inversion.data.shapes.random_scene import DROPPED, WORLD, Mixture
from motion_inversion.data.shapes.world import Scene


@dataclass(frozen=True)
class Lesson:
    """One way of drawing what is trained on.

    mixture: Of the scenes. dropped: How often each part of a caption is left out. levels: Shares of noise levels: the
    end of a band, noisiest is 1, and how many of the draws fall into it. How much more often than others these are
    drawn: named, motions with a name of their own; bare, camera moves over bare ground; pointed, triangles and stars.
    """

    mixture: Mixture
    dropped: tuple[float, ...]
    levels: tuple[tuple[float, float], ...]
    named: float = 1.0
    bare: float = 1.0
    pointed: float = 1.0

    def share(self, scene: Scene) -> float:
        """How often a clip is trained on, relative to the others."""
        if scene.thing is None:
            return self.bare
        named = 1.0 if scene.thing.motion in ("moving around", "standing still") else self.named
        return named * (self.pointed if scene.thing.shape in ("triangle", "star") else 1.0)

    def place(self, uniform: Tensor) -> Tensor:
        """Uniform numbers as places in [0, 1), of which every band of `levels` holds its share."""
        ends, shares = torch.tensor(self.levels).unbind(1)
        widths, upto = torch.diff(ends, prepend=torch.zeros(1)), shares.cumsum(0)
        band = torch.searchsorted(upto, uniform, right=True).clamp(max=len(self.levels) - 1)
        place = ends[band] - (upto[band] - uniform) / shares[band] * widths[band]
        return place.clamp(0, 1 - 1e-6)


# Of the video UNet: paths are decided in the last band, and whether an object keeps its size and place from frame to
# frame in the second.
UNET = Lesson(WORLD, DROPPED, levels=((0.4, 0.12), (0.8, 0.58), (1.0, 0.30)), bare=1.5, pointed=1.5)
# A word such as "left" matters to little of a clip: of its colours are seen at once, and where on the picture it starts
# is told nowhere. From the whole world, 6,000 steps learnt nothing of directions; 2,000 of this lesson learnt them.
DIRECTIONS = Lesson(
    Mixture(
        kinds={"object": 0.8, "camera": 0.2, "hybrid": 0.0},
        paths={"straight": 0.85, "circling": 0.15, "bouncing": 0, "zigzagging": 0, "standing still": 0, "around": 0},
        plain=1.0,
    ),
    dropped=(0.5, 0.05, 0.0, 0.12, 0.15, 0.0),
    levels=((0.8, 0.10), (0.9, 0.30), (0.96, 0.30), (1.0, 0.30)),
    named=2.5,
    bare=1.5,
)
WHOLE = Lesson(
    WORLD, DROPPED, levels=((0.4, 0.08), (0.8, 0.36), (0.9, 0.22), (0.96, 0.16), (1.0, 0.18)), named=2.5, bare=1.5
)
# Of a network that knows its directions: shapes and camera moves, at the noise levels where samples lose them.
DRAWING = Lesson(
    Mixture(kinds={"object": 0.5, "camera": 0.3, "hybrid": 0.2}),
    dropped=(0.5, 0.05, 0.05, 0.12, 0.15, 0.0),
    levels=((0.4, 0.10), (0.65, 0.24), (0.8, 0.26), (0.92, 0.22), (1.0, 0.18)),
    named=1.3,
    bare=1.5,
    pointed=1.3,
)
LESSONS = {"directions": DIRECTIONS, "whole": WHOLE, "drawing": DRAWING}
