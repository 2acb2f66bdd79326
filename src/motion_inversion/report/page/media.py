"""Owns the clips of a page: each mp4 found beside its lossless twin, judged, and put in the page's folder."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from motion_inversion.data.film import opened
from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing

SUFFIX = ".mp4"


@dataclass(frozen=True)
class Medium:
    """A clip as the page plays it, or why it can't: `fault` is empty for one that can be played."""

    source: str
    width: int
    height: int
    frames: int
    fps: float
    fault: str


def place(video: Path, clip: str, folder: Path) -> Medium:
    """Puts the mp4 beside `video` into `folder`/`clip`, under the name of the folder it comes from.

    That name ends in the digest of all that made the clip, so it is stable and no two clips share it. Hard
    links are used where the file system has them. `source` is relative to `folder`'s parent, as a URL.
    """
    path = video.with_suffix(SUFFIX)
    if not path.is_file():
        return Medium("", 0, 0, 0, 0.0, "missing")
    try:
        with opened(path) as (container, stream):
            shape = stream.codec_context.width, stream.codec_context.height, stream.frames
            fps = float(stream.average_rate or 0)
            stream.codec_context.thread_count = 1  # for one frame, starting more takes longer than decoding
            if not next(container.decode(stream), None):
                raise InputError("no frames")
    except (InputError, OSError):
        return Medium("", 0, 0, 0, 0.0, "damaged")
    target = folder / clip / f"{path.parent.name}{SUFFIX}"
    _link(path, target)
    parts = target.relative_to(folder.parent).parts
    return Medium("/".join(map(quote, parts)), *shape, fps, "")


def sweep(folder: Path, kept: Iterable[Medium]) -> None:
    """Removes the clips of an earlier page that this one doesn't show."""
    names = {medium.source for medium in kept}
    for path in folder.rglob(f"*{SUFFIX}"):
        if "/".join(map(quote, path.relative_to(folder.parent).parts)) not in names:
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()


def _link(path: Path, target: Path) -> None:
    if target.is_file() and (target.samefile(path) or _alike(target, path)):
        return
    with replacing(target) as part:
        try:
            os.link(path, part)
        except OSError:
            shutil.copy2(path, part)


def _alike(target: Path, path: Path) -> bool:
    ours, theirs = target.stat(), path.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
