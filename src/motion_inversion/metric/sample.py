"""What a metric looks at: one generated clip with its reference and its prompt."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True, eq=False)
class Sample:
    """A generated clip, the reference its motion was taken from, and the prompt it was generated for.

    Both clips are 8-bit RGB at one frame rate; their sizes may differ.
    """

    generated: UInt8[np.ndarray, "f h w 3"]
    reference: UInt8[np.ndarray, "g k l 3"]
    prompt: str
