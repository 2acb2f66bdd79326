"""A CLIP whose features are chosen: the angle of a frame is written in its pixels, that of a text in its words."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from motion_inversion.metric.sample import Sample


def unit(degrees: Tensor) -> Tensor:
    """Vectors in the plane at these angles."""
    angle = degrees.float().deg2rad()
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@dataclass(frozen=True)
class Chosen:
    """Frames point at the angle, in degrees, that their red channel holds; texts at the number they are.

    `loads` and `clips` count what was asked for.
    """

    name: str = "chosen"
    loads: list[str] = field(default_factory=list, hash=False, compare=False)
    clips: list[int] = field(default_factory=list, hash=False, compare=False)

    def version(self) -> str:
        return self.name

    def load(self, device: torch.device | str) -> "Chosen":
        self.loads.append(str(device))
        return self

    def embed_image(self, video: np.ndarray) -> Tensor:
        self.clips.append(len(video))
        return unit(torch.from_numpy(video[:, 0, 0, 0]))

    def embed_text(self, texts: list[str]) -> Tensor:
        return unit(torch.tensor([float(text) for text in texts]))


def clip(*degrees: int) -> np.ndarray:
    """A clip of one pixel a frame."""
    return np.array(degrees, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)


def sample(*degrees: int, reference: tuple[int, ...] = (0,), prompt: str = "0", source_prompt: str = "0") -> Sample:
    """A sample whose generated frames point at these angles."""
    return Sample(clip(*degrees), clip(*reference), prompt, source_prompt)
