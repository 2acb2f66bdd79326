"""Animated images that FFmpeg, or PyAV, reads badly or not at all: WebP, AVIF and PNG, by Pillow."""

import logging
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from motion_inversion.data.moment import Moment
from motion_inversion.data.still import DAMAGE, opened_image, reading, standard

log = logging.getLogger(__name__)

FORMATS = ("WEBP", "AVIF", "PNG")


def is_animation(path: Path) -> bool:
    """Whether the file is of one of `FORMATS`, be it animated or of one picture."""
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except Image.DecompressionBombError:  # which whoever opens it says
        return True
    except DAMAGE:
        return False


@dataclass(frozen=True)
class Animation:
    """An animated image as a source of pictures; every method raises InputError as `opened_image` does."""

    path: Path

    def moments(self) -> Generator[Moment, None, None]:
        """Its pictures, as far as they can be decoded: the log says where reading ends early."""
        with opened_image(self.path, FORMATS) as image:
            elapsed = 0
            first = 1 if image.info.get("default_image") else 0  # of a PNG, for programs that know no animations
            for index in range(first, getattr(image, "n_frames", 1)):
                try:
                    image.seek(index)
                    image.load()
                except DAMAGE as error:
                    log.warning("%s breaks off after %d frames: %s", self.path, index, error)
                    return
                yield Moment(elapsed / 1000, partial(standard, image, self.path))
                elapsed += image.info.get("duration", 0)

    def rate(self) -> float | None:
        """Pictures per second as the first one's duration has it."""
        with opened_image(self.path, FORMATS) as image:
            image.load()
            duration = image.info.get("duration", 0)
            return 1000 / duration if duration else None

    def reading(self, fit: str) -> str:
        """As in `Source`."""
        with opened_image(self.path, FORMATS) as image:
            return reading(image, self.path)
