"""Owns the comparison picture of a clip: the reference on top, then each prompt with and without motion."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from motion_inversion.core.error import InputError
from motion_inversion.data.picture import Row, spread, strip
from motion_inversion.data.video import Video, read_exact
from motion_inversion.report.collect import Record
from motion_inversion.report.group import CONTROL, Values, axes, grouped

log = logging.getLogger(__name__)

BLANK = 232  # the grey of frames that are missing


def comparison(
    records: Sequence[Record],
    clip: str,
    keys: Sequence[str] = (),
    fixed: Mapping[str, str] | None = None,
    count: int = 8,
) -> Image.Image:
    """The reference of `clip`, then for each prompt a row per method and combination of `keys`.

    The control comes first. Each row shows `count` frames evenly out of all. Of axes that aren't among
    `keys`, the value in `fixed` is shown or else the first that occurs, and of the seeds the first. A row
    whose clip is absent or damaged is there in grey and says "missing", as does one for a combination that
    only other clips have.

    Raises:
        InputError: there is no record of `clip`.
    """
    members = [record for record in records if record.clip == clip]
    if not members:
        known = ", ".join(dict.fromkeys(record.clip for record in records))
        raise InputError(f"no record of the clip {clip}; accepted: {known}")
    keys = tuple(dict.fromkeys(("method", *keys)))
    chosen = _fixing(members, keys, fixed or {})
    variants = list(grouped(records, keys))
    rows: list[tuple[str, Video | None]] = [("reference", _frames(members[0].reference, count))]
    for prompt in dict.fromkeys(record.prompt for record in members):
        found = grouped((record for record in chosen if record.prompt == prompt), keys)
        for variant in variants:
            video = _frames(found[variant][0].video, count) if variant in found else None
            rows.append((f"{_name(keys, variant)} · {prompt}", video))
    return strip(list(_filled(rows, count)), count)


def _fixing(members: Sequence[Record], keys: Sequence[str], fixed: Mapping[str, str]) -> list[Record]:
    """The records of the first seed that have the given or first value of each axis not among `keys`."""
    seed = min(record.seed for record in members)
    shown: dict[str, str] = {}
    for axis in axes(members):
        if axis not in keys:
            found = dict.fromkeys(record.axes[axis] for record in members if axis in record.axes)
            shown[axis] = fixed.get(axis) or next(iter(found))
            if len(found) > 1:
                log.info("%s: shown with %s=%s of %s", members[0].clip, axis, shown[axis], ", ".join(found))
    return [
        record
        for record in members
        if record.seed == seed and all(record.axes.get(axis, value) == value for axis, value in shown.items())
    ]


def _frames(path: Path, count: int) -> Video | None:
    if not path.is_file():
        log.warning("%s is missing", path)
        return None
    try:
        video = read_exact(path)
    except InputError as error:
        log.warning("%s", error)
        return None
    return video[spread(len(video), count)]


def _name(keys: Sequence[str], variant: Values) -> str:
    """Short and for people: `no customisation`, or `motion inversion, loss vmc`."""
    words = []
    for key, value in zip(keys, variant, strict=True):
        if key == "method":
            words.append("no customisation" if value == CONTROL else str(value).replace("_", " "))
        elif value is not None:
            words.append(f"{key.rpartition('.')[2]} {value}".replace("_", " "))
    return ", ".join(words)


def _filled(rows: Sequence[tuple[str, Video | None]], count: int) -> Iterator[Row]:
    present = [video for _, video in rows if video is not None]
    shape = present[0].shape if present else (count, 64, 64, 3)
    for label, video in rows:
        if video is None:
            yield f"{label} (missing)", np.full(shape, BLANK, dtype=np.uint8)
        else:
            yield label, video
