"""What every point tracker offers."""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8

from motion_inversion.core.trajectory import Tracks

Track: TypeAlias = Callable[[UInt8[np.ndarray, "f h w 3"]], Tracks]
"""8-bit RGB clip → where points of its first frame go, in its pixels. Raises InputError for a single frame."""


@runtime_checkable
class Tracker(Protocol):
    """Follows points through a clip. Cheap to build, loaded by `load`."""

    def version(self) -> str:
        """Names the algorithm, its weights and its settings, alike on every machine."""
        ...

    def load(self, device: torch.device | str) -> Track:
        """What tracks, ready to be called."""
        ...
