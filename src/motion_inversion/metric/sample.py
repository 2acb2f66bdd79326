"""What a metric looks at: one generated clip with its reference and both prompts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True, eq=False)
class Sample:
    """A generated clip, the reference its motion was taken from, and the prompts of both.

    Args:
        generated: 8-bit RGB.
        reference: 8-bit RGB; sizes, frame counts and rates may differ.
        prompt: What the clip was generated for.
        source_prompt: What the reference shows.
        generated_fps: Frames per second of the generated clip.
        reference_fps: Frames per second of the reference.
    """

    generated: UInt8[np.ndarray, "f h w 3"]
    reference: UInt8[np.ndarray, "g k l 3"]
    prompt: str
    source_prompt: str
    generated_fps: float = 8.0
    reference_fps: float = 8.0
