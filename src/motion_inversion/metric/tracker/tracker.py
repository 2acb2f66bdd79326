"""What every point tracker offers."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8

from motion_inversion.core.trajectory import Tracks


@runtime_checkable
class Tracker(Protocol):
    """A clip → where points of its first frame go, in the clip's pixels. Cheap to build, loaded by `load`."""

    def version(self) -> str:
        """Names the algorithm, its weights and its settings, alike on every machine."""
        ...

    def load(self, device: torch.device | str) -> "Tracker":
        """The tracker, ready to be called."""
        ...

    def __call__(self, video: UInt8[np.ndarray, "f h w 3"]) -> Tracks:
        """The tracks of an 8-bit RGB clip.

        Raises:
            InputError: for a single frame.
        """
        ...
