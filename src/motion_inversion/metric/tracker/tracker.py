"""What every point tracker offers."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from motion_inversion.core.trajectory import Tracks


@runtime_checkable
class Track(Protocol):
    """8-bit RGB clip → where points of its first frame go, in its pixels."""

    def __call__(self, video: UInt8[np.ndarray, "f h w 3"], points: Float[np.ndarray, "n 2"] | None = None) -> Tracks:
        """The tracks of `points`, column and row in pixels; by default of a grid over the first frame.

        Raises:
            InputError: for a single frame.
        """
        ...


@runtime_checkable
class Tracker(Protocol):
    """Follows points through a clip. Cheap to build, loaded by `load`."""

    def version(self) -> str:
        """Names the algorithm, its weights and its settings, alike on every machine."""
        ...

    def load(self, device: torch.device | str) -> Track:
        """What tracks, ready to be called."""
        ...
