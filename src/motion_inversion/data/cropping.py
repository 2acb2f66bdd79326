"""Which part of its stored pictures a container says is shown: MP4's clean aperture, Matroska's PixelCrop."""

from fractions import Fraction
from pathlib import Path
from struct import unpack
from typing import BinaryIO

from motion_inversion.data.box import Described, of_track
from motion_inversion.data.element import Element

Crop = tuple[int, int, int, int]  # pixels left out at the left, the top, the right and the bottom

WHOLE: Crop = (0, 0, 0, 0)

_SEGMENT, _TRACKS, _TRACK, _TRACK_TYPE, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
_SIDES = (0x54CC, 0x54BB, 0x54DD, 0x54AA)  # PixelCropLeft, Top, Right, Bottom


def stated_crop(path: Path, container: str, track: int, place: int, size: tuple[int, int]) -> Crop:
    """What the file says, `WHOLE` where it says nothing, or what can't be.

    Args:
        container: FFmpeg's name of the format.
        track: The track's number in an MP4.
        place: Of the track among those of video, from 0, in Matroska.
        size: Width and height of the stored pictures.
    """
    with path.open("rb") as file:
        if "mp4" in container:
            return aperture(of_track(file, track), size)
        return _possible(_pixel_crop(file, place), size) if "matroska" in container else WHOLE


def aperture(described: Described, size: tuple[int, int]) -> Crop:
    """The clean aperture among the boxes that describe pictures of this width and height (ISO 14496-12, 12.1.4).

    It is given by its size and how far its centre lies from that of the picture, in fractions of pixels; sides are
    rounded to whole ones.
    """
    content = dict(described).get(b"clap", b"")
    if len(content) < 32:
        return WHOLE
    fields = unpack(">IIIIiIiI", content[:32])
    if not all(fields[1::2]):
        return WHOLE
    wide, high, right, down = (Fraction(*fields[at : at + 2]) for at in range(0, 8, 2))
    left, top = (size[0] - wide) / 2 + right, (size[1] - high) / 2 + down
    sides = (left, top, size[0] - wide - left, size[1] - high - top)
    return _possible((round(sides[0]), round(sides[1]), round(sides[2]), round(sides[3])), size)


def _pixel_crop(file: BinaryIO, place: int) -> Crop:
    for tracks in Element.whole(file).find(_SEGMENT, _TRACKS):
        films = [track for track in tracks.find(_TRACK) if any(kind.number() == 1 for kind in track.find(_TRACK_TYPE))]
        for video in films[place].find(_VIDEO) if place < len(films) else ():
            stated = {element.kind: element.number() for element in video.elements() if element.kind in _SIDES}
            left, top, right, bottom = (stated.get(side, 0) for side in _SIDES)
            return left, top, right, bottom
    return WHOLE


def _possible(crop: Crop, size: tuple[int, int]) -> Crop:
    left, top, right, bottom = crop
    return crop if min(crop) >= 0 and left + right < size[0] and top + bottom < size[1] else WHOLE
