"""Owns clips as arrays: reading any video at the model's size, writing for people and exactly for metrics."""

import math
from collections.abc import Iterable
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from jaxtyping import UInt8
from PIL import Image, ImageOps

from motion_inversion.data.decode import indices_at, pick, warn_if_uneven
from motion_inversion.data.film import opened
from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing

Fit = Literal["squeeze", "crop"]
Video = UInt8[np.ndarray, "f h w 3"]

VIEWING_SIDE = 256  # pixels of the shorter side below which a clip is enlarged for viewing


def read_video(
    path: str | Path,
    frames: int,
    width: int,
    height: int,
    start: int = 0,
    stride: int = 1,
    fit: Fit = "squeeze",
    fps: float | None = None,
    timed: Path | None = None,
) -> Video:
    """The frames start, start + stride, … of a video file or of a folder of numbered images, as 8-bit sRGB.

    Resized by an antialiased bicubic filter. `fit="squeeze"` scales both sides separately, so a clip of
    another aspect is distorted, as in the public code of the paper, and oblong pixels make no difference;
    `fit="crop"` cuts the centre out, at the aspect of width x height as shown, first. Decoding is lazy and ends with
    the last frame needed.

    Args:
        fps: Frames are chosen as if the clip had so many per second: those nearest in time. Null takes them by number.
        timed: The file whose frames' times count, where that is another: of control maps, the clip.

    Raises:
        InputError: a size, start, stride or fps out of range; nothing to decode; fewer frames than needed.
    """
    check_cut(start, stride, fit, fps)
    for key, value in {"frames": frames, "width": width, "height": height}.items():
        if value < 1:
            raise InputError(f"{key} is {value} but must be at least 1; set model.{key}=…")
    wanted = range(start, start + frames * stride, stride)
    video, available = read_frames(Path(path), wanted, (width, height), fit, fps, timed)
    if len(video) < frames:
        raise InputError(_too_short(Path(path), available, wanted, fps))
    return video


def read_frames(
    path: Path, wanted: range, size: tuple[int, int], fit: Fit, fps: float | None = None, timed: Path | None = None
) -> tuple[Video, int]:
    """Those of the `wanted` frames that there are, and how many the clip was seen to have; else as `read_video`."""

    def fitted(picture: Image.Image, aspect: Fraction) -> UInt8[np.ndarray, "h w 3"]:
        return _fitted(picture, aspect, size, fit)

    indices, available = (wanted, None) if fps is None else indices_at(timed or path, fps, wanted)
    if not indices:
        return np.empty((0, size[1], size[0], 3), np.uint8), available or 0
    picked = pick(path, indices, fitted)
    if timed is None:
        warn_if_uneven(path, picked.times, fps)
    short = len(picked.pictures) < len(indices)
    video = np.stack(picked.pictures) if picked.pictures else np.empty((0, size[1], size[0], 3), np.uint8)
    return video, picked.available if short or available is None else available


def check_cut(start: int, stride: int, fit: str, fps: float | None = None) -> None:
    """Whether this can be a cut of any clip.

    Raises:
        InputError: a negative start, a stride below 1, an unknown fit, a rate that isn't above 0.
    """
    if start < 0:
        raise InputError(f"start is {start} but frames count from 0; set dataset.start=0")
    if stride < 1:
        raise InputError(f"stride is {stride} but must be at least 1; set dataset.stride=1")
    if fit not in get_args(Fit):
        raise InputError(f"unknown fit {fit!r}; set dataset.fit=squeeze or dataset.fit=crop")
    if fps is not None and not 0 < fps < math.inf:
        raise InputError(f"fps is {fps} but must be above 0; set dataset.fps=8, or null to take frames by number")


def write_video(path: str | Path, video: Video, fps: float, scale: int | None = None) -> None:
    """An mp4 (H.264, 4:2:0, BT.709) that every browser plays; equal frames give equal bytes.

    `scale` repeats pixels by a whole factor, which also keeps colours sharp, since the format stores them at
    half the resolution; None takes the smallest factor that makes the shorter side `VIEWING_SIDE` pixels.
    Odd sizes are padded to even ones by repeating the last column or row.

    Raises:
        InputError: the file can't be written.
    """
    enlarged = _enlarged(video, scale)
    _, height, width, _ = enlarged.shape
    even = np.pad(enlarged, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    _encode(path, "mp4", "libx264", map(_yuv420, even), fps, {"crf": "12", "preset": "medium"})


def write_gif(path: str | Path, video: Video, fps: float, scale: int | None = None) -> None:
    """An endlessly repeating gif with one palette of 256 colours; `scale` and errors as in `write_video`."""
    enlarged = _enlarged(video, scale)
    column = Image.fromarray(enlarged.reshape(-1, enlarged.shape[2], 3))
    palette = column.quantize(256, Image.Quantize.MEDIANCUT)
    colours = np.reshape(palette.getpalette("RGB") or [], (-1, 3))
    argb = np.full((256, 4), 255, dtype=np.uint8)
    argb[: len(colours), 1:] = colours
    indexed = (Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in enlarged)
    # PyAV documents the pair (indices, palette) for this one format, but its stub doesn't know it.
    frames = (VideoFrame.from_ndarray((np.asarray(f), argb), "pal8") for f in indexed)  # pyright: ignore[reportArgumentType]
    _encode(path, "gif", "gif", frames, fps, {})


def write_lossless(path: str | Path, video: Video, fps: float) -> None:
    """The exact frames, as FFV1 in Matroska (.mkv), for `read_exact`; equal frames give equal bytes.

    Raises:
        InputError: the file can't be written.
    """
    frames = (VideoFrame.from_ndarray(f, "rgb24").reformat(format="bgr0", threads=1) for f in video)
    # Level 3 cuts frames into slices and refuses frames one pixel wide.
    _encode(path, "matroska", "ffv1", frames, fps, {"level": "1"}, {"FRAMES": _digest(video)})


def read_exact(path: str | Path) -> Video:
    """The frames that `write_lossless` stored, bit for bit.

    Raises:
        InputError: no such file, not written by `write_lossless`, or damaged since.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        try:
            video = np.stack([frame.to_ndarray(format="rgb24", threads=1) for frame in container.decode(stream)])
        except (FFmpegError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error}); delete it and repeat the command") from error
        if container.metadata.get("FRAMES") != _digest(video):
            raise InputError(f"{path} doesn't hold the frames once written to it; delete it and repeat the command")
    return video


def _fitted(
    picture: Image.Image, aspect: Fraction, size: tuple[int, int], fit: Fit
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture at this size, by the filter and the fit of `read_video`; `aspect` is that of its pixels."""
    if fit == "squeeze":
        return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    if aspect == 1:
        return np.asarray(ImageOps.fit(picture, size, Image.Resampling.BICUBIC))
    wide, high = picture.size
    across = min(1.0, size[0] / size[1] * high / (wide * aspect))  # the part of the width that is kept
    down = min(1.0, size[1] / size[0] * wide * aspect / high)
    left, top = wide * (1 - across) / 2, high * (1 - down) / 2
    box = (left, top, wide - left, high - top)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box))


def _too_short(path: Path, available: int, wanted: range, fps: float | None) -> str:
    frames, start, stride = len(wanted), wanted.start, wanted.step
    span = wanted[-1] - start + 1
    cures = []
    if start and available >= span:
        cures.append(f"dataset.start={available - span}")
    if frames > 1 and (fitting := (available - 1 - start) // (frames - 1)) > 0:
        cures.append(f"dataset.stride={fitting}")
    if (fitting := len(range(start, available, stride))) > 1:
        cures.append(f"model.frames={fitting}")
    remedy = f"set {' or '.join(cures)} or give" if cures else "give"
    noun = "frame that can be" if available == 1 else "frames that can be"
    at_rate = "" if fps is None else f" at dataset.fps={fps:g}"
    return (
        f"{path} has {available} {noun} decoded{at_rate}, but {frames} frames from start {start} at stride {stride} "
        f"need {wanted[-1] + 1}; {remedy} a longer clip with dataset.path=…"
    )


def _enlarged(video: Video, scale: int | None) -> UInt8[np.ndarray, "f hs ws 3"]:
    factor = scale or math.ceil(VIEWING_SIDE / min(video.shape[1:3]))
    return video.repeat(factor, axis=1).repeat(factor, axis=2)


def _yuv420(frame: UInt8[np.ndarray, "h w 3"]) -> VideoFrame:
    # Averaging areas keeps the colours of enlarged pixels apart; other filters mix neighbours. By number, as PyAV
    # names only the first flag before version 18: area, full chroma input, exact rounding, same on any processor.
    flags = 0x20 | 0x4000 | 0x40000 | 0x80000
    converted = VideoFrame.from_ndarray(frame, "rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=flags,
        threads=1,
    )
    # Players guess a colour space from the size unless the file names one.
    converted.color_primaries, converted.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return converted


def _encode(
    path: str | Path,
    container: str,
    codec: Literal["libx264", "gif", "ffv1"],
    frames: Iterable[VideoFrame],
    fps: float,
    options: dict[str, str],
    metadata: dict[str, str] | None = None,
) -> None:
    # "bitexact" leaves out times, versions and random identifiers; one thread, since more change the bytes.
    with replacing(path) as part, av.open(part, "w", container, options={"fflags": "+bitexact"}) as out:
        out.metadata.update(metadata or {})
        rate = Fraction(fps).limit_denominator(1001)
        stream = out.add_stream(codec, rate, options={"threads": "1", **options})
        context = stream.codec_context
        for index, frame in enumerate(frames):
            if index == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
                context.colorspace, context.color_range = frame.colorspace, frame.color_range
                context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _digest(video: Video) -> str:
    return sha256(repr(video.shape).encode() + video.tobytes()).hexdigest()
