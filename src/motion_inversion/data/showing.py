"""How a video's pictures are to be shown: what its container and codec say besides the pixels."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from motion_inversion.data.colour import Light
from motion_inversion.data.cropping import WHOLE, Crop
from motion_inversion.data.still import by_profile, foreign, opaque
from motion_inversion.error import InputError

Turn = tuple[int, int, int, int]  # a, b, c, d of a display matrix: (x, y) is shown at (a·x + c·y, b·x + d·y)

# swscale's fast path darkens by about one level and differs between processors. By number, as PyAV names only
# the first flag before version 18: bilinear, full chroma, exact rounding, same on any processor.
_EXACT = 0x2 | 0x2000 | 0x40000 | 0x80000

_MATRICES = (0, 1, 2, 3, 4, 5, 6, 7, 9)  # of H.273's, as are the following
_BT709, _BT2020, _UNSPECIFIED, _RGB = 1, 9, 2, 0
_UPRIGHT: Turn = (1, 0, 0, 1)

_PACKED = {1: "sbsl", 2: "abl", 3: "al", 4: "checkerboard", 5: "sbsl", 6: "irl", 7: "icl"}


@dataclass(frozen=True)
class Showing:
    """What turns the stored pixels of a stream into pictures as players show them.

    Args:
        aspect: Width of a stored pixel over its height, before any turn.
        turn: The upright picture's display matrix, a turn by quarters, mirrored or not.
        matrix: Between luma, chroma and RGB where the frames don't say it; null takes theirs.
        light: What codes stand for, unless it is what screens show anyway.
        crop: Which stored pixels aren't shown.
        profile: The colour profile, if colours differ by it from sRGB.
    """

    aspect: Fraction = Fraction(1)
    turn: Turn = _UPRIGHT
    matrix: Literal[1, 9] | None = None
    light: Light | None = None
    crop: Crop = WHOLE
    profile: bytes | None = None

    @classmethod
    def of(cls, frame: VideoFrame, stream: VideoStream, path: Path, crop: Crop = WHOLE) -> "Showing":
        """As the frame and its stream say, and the container of the crop.

        Raises:
            InputError: colours, a turn or a packing of two eyes that can't be followed here; `path` is named.
        """
        _refuse_two_eyes(frame, path)
        light = _light(frame, path)
        profile = None if light else _profile(frame)
        return cls(_aspect(frame, stream, crop), _turn(frame, path), _matrix(frame, light), light, crop, profile)

    @property
    def shown_aspect(self) -> Fraction:
        """Width of a pixel over its height in the upright picture."""
        return self.aspect if self.turn[0] else 1 / self.aspect

    @property
    def reading(self) -> str:
        """What of this entered the pixels later than the rest, in words; "" for nearly every clip.

        It is part of a footage's fingerprint, so that nothing made from the wrong pixels of before is taken for new.
        """
        a, b, c, d = self.turn
        said = [
            "mirrored" if a * d - b * c < 0 else "",
            {1: "by BT.709", 9: "by BT.2020", None: ""}[self.matrix],
            f"from {self.light}" if self.light else "",
            "by its profile" if self.profile else "",
            f"cropped by {self.crop}" if self.crop != WHOLE else "",
        ]
        return " ".join(filter(None, said))

    def picture(self, frame: VideoFrame) -> Image.Image:
        """The frame upright, in sRGB, transparent parts on white; its pixels may still be of any aspect."""
        transparent = frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)
        depth = ("gbrap16le" if transparent else "gbrp16le") if self.light else ("rgba" if transparent else "rgb24")
        pixels = frame.to_ndarray(format=depth, interpolation=_EXACT, threads=1, src_colorspace=self.matrix)
        if self.light:
            colour = self.light.standard(np.ascontiguousarray(pixels[..., :3]))
            alpha = (pixels[..., 3:] // 256).astype(np.uint8)
            pixels = np.concatenate([colour, alpha], axis=2)
        left, top, right, bottom = self.crop
        shown = pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right]
        picture = Image.fromarray(np.ascontiguousarray(self._upright(shown)))
        return opaque(by_profile(picture, self.profile) if self.profile else picture)

    def _upright(self, pixels: np.ndarray) -> np.ndarray:
        a, b, c, d = self.turn
        turned = pixels if a else pixels.swapaxes(0, 1)
        return turned[:: b + d, :: a + c]


def _aspect(frame: VideoFrame, stream: VideoStream, crop: Crop) -> Fraction:
    """FFmpeg takes the size at which a track is shown for that of whole pictures, also where it is the crop's."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    left, top, right, bottom = crop
    of_crop = Fraction(frame.width - left - right, frame.height - top - bottom)
    return Fraction(1) if aspect * Fraction(frame.width, frame.height) == of_crop else aspect


def _light(frame: VideoFrame, path: Path) -> Light | None:
    transfer, primaries, matrix = frame.color_trc, frame.color_primaries, frame.colorspace
    floating = "f32" in frame.format.name or "f16" in frame.format.name
    if not Light.follows(primaries, transfer) or matrix not in _MATRICES or floating:
        raise InputError(
            f"{path} stores colours in a way that isn't read (H.273's primaries {primaries}, transfer {transfer}, "
            f"matrix {matrix}, format {frame.format.name}); convert it with ffmpeg -i {path} -vf "
            "zscale=p=bt709:t=bt709:m=bt709:r=limited,format=yuv420p converted.mp4 and set dataset.path=converted.mp4"
        )
    return Light.of(primaries, transfer)


def _profile(frame: VideoFrame) -> bytes | None:
    stored = _noted(frame, "ICC_PROFILE")
    return foreign(stored, "RGB") if stored else None


def _matrix(frame: VideoFrame, light: Light | None) -> Literal[1, 9] | None:
    """Where the frame names none, players go by gamut, then by size: BT.709 above 576 lines, else BT.601."""
    if frame.colorspace != _UNSPECIFIED or frame.format.is_rgb or len(frame.format.components) < 3:
        return None
    if light and light.primaries == "BT.2020":
        return _BT2020
    return _BT709 if frame.width >= 1280 or frame.height > 576 else None


def _turn(frame: VideoFrame, path: Path) -> Turn:
    stored = _noted(frame, "DISPLAYMATRIX")
    if not stored and not frame.rotation:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(stored, np.int32)[:5].tolist() if stored else (0, 0, 0, 0, 0)
    largest = max(abs(a), abs(b), abs(c), abs(d)) or 1
    turn = tuple(round(entry / largest, 2) for entry in (a, b, c, d))
    if sorted(map(abs, turn)) != [0, 0, 1, 1] or abs(turn[0]) != abs(turn[3]):
        raise InputError(
            f"{path} is to be shown turned by {frame.rotation} degrees, which isn't followed here; turn its pictures "
            f"with ffmpeg -i {path} turned.mp4 and set dataset.path=turned.mp4"
        )
    a, b, c, d = map(int, turn)
    return a, b, c, d


def _refuse_two_eyes(frame: VideoFrame, path: Path) -> None:
    stored = _noted(frame, "STEREO3D")
    kind = _PACKED.get(int(np.frombuffer(stored, np.int32)[0])) if stored else None
    if kind:
        raise InputError(
            f"{path} holds two views for stereo (3D) in its pictures; take one eye's with ffmpeg -i {path} -vf "
            f"stereo3d={kind}:ml,setsar=1 one_eye.mp4 and set dataset.path=one_eye.mp4"
        )


def _noted(frame: VideoFrame, kind: Literal["ICC_PROFILE", "DISPLAYMATRIX", "STEREO3D"]) -> bytes:
    """What FFmpeg notes beside a frame; nothing where PyAV doesn't know all of it, such as EXIF in Motion JPEG."""
    try:
        stored = frame.side_data.get(kind)
    except ValueError:
        return b""
    return b"" if stored is None else bytes(stored)
