"""What every source of pictures gives, be it a video, an animated image or a folder of images."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

from PIL import Image


@dataclass(frozen=True)
class Moment:
    """One picture of a clip, in the order in which they are shown.

    Args:
        time: When it is shown, in seconds; null where the source doesn't say.
        picture: Makes it, upright, opaque and in sRGB; to be called before the next moment is asked for.
        aspect: Width of a pixel of the picture over its height.
    """

    time: float | None
    picture: Callable[[], Image.Image]
    aspect: Fraction = Fraction(1)


@runtime_checkable
class Source(Protocol):
    """A clip as it lies on disk."""

    def moments(self) -> Generator[Moment, None, None]:
        """Every picture that can be decoded; of those that aren't made no pixels are converted."""
        ...

    def rate(self) -> float | None:
        """Pictures per second as stated, if that is."""
        ...

    def reading(self, fit: str) -> str:
        """By which rules, later than the first ones, its pixels are made for `fit`; "" for nearly every clip.

        It enters the fingerprint of a footage, so that what was made from other pixels is not taken for made.
        """
        ...
