"""From a video, an animated image or a folder of images, the pictures at given indices or times."""

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from motion_inversion.data.animation import Animation, is_animation
from motion_inversion.data.film import Film
from motion_inversion.data.folder import Folder
from motion_inversion.data.location import located
from motion_inversion.data.moment import Source
from motion_inversion.error import InputError

log = logging.getLogger(__name__)

T = TypeVar("T")

FALLBACK_RATE = 8.0  # frames per second; what the models of the field are trained at

_UNEVEN = 0.5  # of the usual time between pictures: by how much times may differ before the log says so
_CLOSE = 1e-3  # seconds below which two times are one: Matroska counts in no finer ones


@dataclass(frozen=True)
class Picked(Generic[T]):
    """The pictures found, when each is shown in seconds if that is known, and how many were seen to exist."""

    pictures: list[T]
    times: list[float | None]
    available: int


def pick(path: Path, wanted: Sequence[int], shape: Callable[[Image.Image, Fraction], T]) -> Picked[T]:
    """What `shape` makes of the pictures at the indices `wanted`, which ascend and may repeat.

    Only as much is decoded as is needed, and one picture at a time is kept as it was. Of a clip that is too short
    or breaks off, fewer pictures than wanted are returned, and the count is that of all that can be decoded.

    Args:
        shape: Is given a picture and the width of its pixels over their height.

    Raises:
        InputError: no such file or folder; nothing in it that can be decoded as pictures; images missing in between.
    """
    source = _source(path)
    if isinstance(source, Folder):
        source.require_unbroken(wanted[0], wanted[-1])
    found: Picked[T] = Picked([], [], 0)
    count = 0
    with closing(source.moments()) as moments:
        for count, moment in enumerate(moments, start=1):
            if wanted[len(found.pictures)] == count - 1:
                made = shape(moment.picture(), moment.aspect)
                while len(found.pictures) < len(wanted) and wanted[len(found.pictures)] == count - 1:
                    found.pictures.append(made)
                    found.times.append(moment.time)
            if len(found.pictures) == len(wanted):
                break
    return Picked(found.pictures, found.times, count)


def count_pictures(path: Path, fps: float | None = None) -> int:
    """How many pictures can be decoded, at their own rate or at `fps`; decodes all. Errors as in `pick`."""
    if fps is not None:
        return indices_at(path, fps, range(1 << 40, (1 << 40) + 1))[1]
    with closing(_source(path).moments()) as moments:
        return sum(1 for _ in moments)


def indices_at(path: Path, fps: float, wanted: range) -> tuple[list[int], int]:
    """Which pictures are nearest in time to the `wanted` ones of a clip of `fps` frames per second.

    Returns:
        Their indices in the file, fewer if it ends before; and how many frames of that rate were seen to exist.

    Raises:
        InputError: as `pick`; or the pictures state no times, as images of a folder don't.
    """
    chosen: list[int] = []
    times: list[float] = []  # of the picture before and of the current one
    index = first = 0
    with closing(_source(path).moments()) as moments:
        for index, moment in enumerate(moments):
            if moment.time is None or (times and moment.time < times[-1]):
                raise InputError(
                    f"{path} doesn't say when each picture is shown, which dataset.fps needs; set dataset.fps=null, "
                    "and dataset.stride=2 for every second picture"
                )
            first = moment.time if index == 0 else first
            times = [*times[-1:], moment.time]
            middle = sum(times) / 2 - first
            while index and len(chosen) < len(wanted) and wanted[len(chosen)] / fps <= middle + _CLOSE:
                chosen.append(index - 1)
            if len(chosen) == len(wanted):
                return chosen, wanted[-1] + 1
    last = times[-1] - first if times else -1.0
    while len(chosen) < len(wanted) and wanted[len(chosen)] / fps <= last + _CLOSE:
        chosen.append(index)
    return chosen, int((last + _CLOSE) * fps) + 1 if times else 0


def warn_if_uneven(path: Path, times: Sequence[float | None], fps: float | None) -> None:
    """Says in the log if pictures that were picked are not evenly spaced in time, or some are shown twice."""
    known = [time for time in times if time is not None]
    steps = np.diff(known)
    if len(known) < len(times) or len(steps) < 2:
        return
    if fps is None and steps.max() - steps.min() > _UNEVEN * np.median(steps):
        log.warning(
            "%s has a variable frame rate: its frames are %.3f to %.3f s apart, and motion will be uneven in time; "
            "dataset.fps=%.3g takes frames by time",
            *(path, steps.min(), steps.max(), 1 / np.median(steps) if np.median(steps) else frame_rate(path)),
        )
    if fps is not None and (repeated := int((steps == 0).sum())):
        log.warning(
            "%s has fewer than dataset.fps=%g frames a second: %d of %d are shown twice, so motion halts there",
            *(path, fps, repeated, len(known)),
        )


def frame_rate(path: Path) -> float:
    """Frames per second as the file states them, `FALLBACK_RATE` where it states none. Errors as in `pick`."""
    return stated_rate(path) or FALLBACK_RATE


def stated_rate(path: Path) -> float | None:
    """Frames per second as the file states them, if it does; images of a folder never do. Errors as in `pick`."""
    return _source(path).rate()


def reading(path: Path, fit: str) -> str:
    """As in `Source`; "" for what can't be read, whose faults are told when its pictures are wanted."""
    try:
        return _source(path).reading(fit)
    except InputError:
        return ""


def _source(path: Path) -> Source:
    path = located(path)
    if path.is_dir():
        return Folder(path)
    return Animation(path) if is_animation(path) else Film(path)
