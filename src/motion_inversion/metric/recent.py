"""Results kept for the clips that were looked at last, found again by the clips' pixels."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import UInt8

Result = TypeVar("Result")


class Recent(Generic[Result]):
    """The results of at most `kept` clips; the one that was asked for longest ago makes room."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self._results: OrderedDict[str, Result] = OrderedDict()

    def of(self, video: UInt8[np.ndarray, "f h w 3"], make: Callable[[UInt8[np.ndarray, "f h w 3"]], Result]) -> Result:
        """What `make` gives for a clip, or gave when it last came."""
        key = f"{video.shape} {hashlib.sha256(video.tobytes()).hexdigest()}"
        if key not in self._results:
            result = make(video)
            while len(self._results) >= self.kept:
                self._results.popitem(last=False)
            self._results[key] = result
        self._results.move_to_end(key)
        return self._results[key]
