"""What image files say besides what Pillow heeds: the colours of PNG and AVIF, the clean aperture of AVIF."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from motion_inversion.data.box import Described, of_first_film, of_primary_item
from motion_inversion.data.colour import Light
from motion_inversion.data.cropping import WHOLE, Crop, aperture
from motion_inversion.error import InputError

_GAMMA = 1 / 2.2  # of sRGB, as PNG states it
_CLOSE = 0.02  # by how much a gamma or a chromaticity may differ
_CHROMATICITIES = {  # of white, red, green and blue: H.273's code points
    1: (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
}
_UNSPECIFIED = 2


def stated_light(image: Image.Image, file: Path) -> Light | None:
    """What the numbers of a PNG or an AVIF stand for, unless it is sRGB or a colour profile says it.

    PNG's chunks count in the order cICP, iCCP, sRGB, then gAMA and cHRM; AVIF's profile before its code points.

    Raises:
        InputError: colours that can't be brought to sRGB here.
    """
    if image.format == "PNG":
        return _of_png(image, file)
    if image.format == "AVIF" and "icc_profile" not in image.info:
        for kind, content in _described(file):
            if kind == b"colr" and content[:4] == b"nclx":
                return _followed(int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big"), file)
    return None


def stated_crop_of(image: Image.Image, file: Path) -> Crop:
    """Which of an image's stored pixels aren't shown."""
    return aperture(_described(file), image.size) if image.format == "AVIF" else WHOLE


def _of_png(image: Image.Image, file: Path) -> Light | None:
    code = next((content for kind, content in _chunks(file) if kind == b"cICP"), b"")
    if len(code) == 4:
        if code[2] != 0 or code[3] != 1:
            raise InputError(_not_read(file, f"matrix {code[2]}, full range {code[3]}"))
        return _followed(code[0], code[1], file)
    if "icc_profile" in image.info or "srgb" in image.info:
        return None
    gamma, stated = image.info.get("gamma", _GAMMA), image.info.get("chromaticity", _CHROMATICITIES[1])
    if abs(gamma - _GAMMA) > _CLOSE:
        raise InputError(_not_read(file, f"a gamma of {gamma:.3g} where {_GAMMA:.3g} is read"))
    for primaries, known in _CHROMATICITIES.items():
        if np.abs(np.subtract(stated, known)).max() < _CLOSE:
            return Light.of(primaries, _UNSPECIFIED)
    raise InputError(_not_read(file, f"chromaticities {stated}"))


def _followed(primaries: int, transfer: int, file: Path) -> Light | None:
    if not Light.follows(primaries, transfer):
        raise InputError(_not_read(file, f"H.273's primaries {primaries}, transfer {transfer}"))
    return Light.of(primaries, transfer)


def _not_read(file: Path, what: str) -> str:
    return f"{file} stores colours in a way that isn't read ({what}); save it as sRGB or set dataset.path=…"


def _described(avif: Path) -> Described:
    with avif.open("rb") as opened:
        return of_primary_item(opened) or of_first_film(opened)


def _chunks(file: Path) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG before its pixels."""
    with file.open("rb") as opened:
        opened.seek(8)
        while len(head := opened.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            yield head[4:], opened.read(int.from_bytes(head[:4], "big"))
            opened.seek(4, 1)
