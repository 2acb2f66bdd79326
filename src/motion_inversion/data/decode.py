"""Owns turning a video file, or a folder of numbered images, into upright, opaque RGB pictures."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from motion_inversion.error import InputError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FOLDER_RATE = 8.0  # images carry no rate; 8 per second is what the models of the field are trained at
ACCEPTED = "an mp4, gif, webm, mkv or avi file, or a folder of numbered images"

# swscale's fast path darkens by about one level and differs between processors. By number, as PyAV names only
# the first flag before version 18: bilinear, full chroma, exact rounding, same on any processor.
_EXACT = 0x2 | 0x2000 | 0x40000 | 0x80000


def pick(path: Path, wanted: range) -> tuple[list[Image.Image], int]:
    """The pictures at the indices `wanted` (ascending), and how many pictures were seen to exist.

    Only as much is decoded as is needed. Of a clip that is too short or breaks off, fewer pictures than
    wanted are returned, and the count is that of all pictures that can be decoded.

    Raises:
        InputError: no such file or folder; nothing in it that can be decoded as pictures.
    """
    return _from_folder(path, wanted) if path.is_dir() else _from_file(path, wanted)


def frame_rate(path: Path) -> float:
    """Frames per second as the file states them; `FOLDER_RATE` for a folder or where none is stated.

    Raises:
        InputError: as `pick`.
    """
    if path.is_dir():
        return FOLDER_RATE
    with opened(path) as (_, stream):
        return float(stream.average_rate or stream.guessed_rate or FOLDER_RATE)


def clip_files(path: Path) -> list[Path]:
    """The files a clip is read from: the video, or a folder's images by number, 9 before 10.

    Hidden files don't count.

    Raises:
        InputError: nothing there; no images, or images of several formats, which are not one clip.
    """
    _check_exists(path)
    if not path.is_dir():
        return [path]
    files = [f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    suffixes = sorted({f.suffix.lower() for f in files})
    if len(suffixes) != 1:
        found = f"images of several kinds ({', '.join(suffixes)})" if suffixes else "no images"
        raise InputError(f"the folder {path} holds {found}; give {ACCEPTED} with dataset.path=…")
    return sorted(files, key=lambda f: (_natural(f.stem), f.name))


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file's container and its main video stream.

    Raises:
        InputError: no such file, not a video, or no pictures in it.
    """
    _check_exists(path)
    try:
        # An absolute path, since FFmpeg takes the "a" of a relative "a:b.mp4" for a protocol; free-form tags
        # need not be UTF-8.
        container = av.open(path.absolute(), metadata_errors="ignore")
    except (InvalidDataError, EndOfFile) as error:
        fault = "is an empty file" if path.stat().st_size == 0 else "is not a video, or is cut off"
        raise InputError(f"{path} {fault}; give {ACCEPTED} with dataset.path=…") from error
    except (FFmpegError, OSError) as error:
        raise InputError(f"can't open {path}: {error.strerror}; give {ACCEPTED} with dataset.path=…") from error
    with container:
        stream = container.streams.best("video")
        # FFmpeg draws any .txt file as a terminal's screen.
        if not isinstance(stream, VideoStream) or container.format.name == "tty":
            kinds = "audio" if container.streams.audio else "text"
            raise InputError(f"{path} has no pictures, only {kinds}; give {ACCEPTED} with dataset.path=…")
        yield container, stream


def upright(frame: VideoFrame) -> Image.Image:
    """A decoded frame as an RGB picture, turned as its rotation tag says, transparent parts on white."""
    transparent = frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)
    pixels = frame.to_ndarray(format="rgba" if transparent else "rgb24", interpolation=_EXACT, threads=1)
    return _opaque(Image.fromarray(np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90))))


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; give {ACCEPTED} with dataset.path=…")


def _from_file(path: Path, wanted: range) -> tuple[list[Image.Image], int]:
    pictures: list[Image.Image] = []
    count = 0
    with opened(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    log.warning("%s: frame %d is damaged, reading stops before it", path, count)
                    break
                if count in wanted:
                    pictures.append(upright(frame))
                count += 1
                if count > wanted[-1]:
                    break
        except FFmpegError as error:
            log.warning("%s breaks off after %d frames: %s", path, count, error.strerror)
    return pictures, count


def _from_folder(folder: Path, wanted: range) -> tuple[list[Image.Image], int]:
    files = clip_files(folder)
    pictures = [_from_image(file) for file in files[wanted.start : wanted.stop : wanted.step]]
    if len(sizes := {picture.size for picture in pictures}) > 1:
        found = " and ".join(f"{width}x{height}" for width, height in sorted(sizes)[:2])
        raise InputError(f"the images of {folder} differ in size ({found}); give one clip with dataset.path=…")
    return pictures, len(files)


def _from_image(file: Path) -> Image.Image:
    try:
        with Image.open(file) as image:
            return _opaque(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{file} can't be read as an image; repair it or set dataset.path=…") from error


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


def _natural(stem: str) -> list[str | int]:
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", stem))]
