"""Owns which samples stand for a clip in a figure: one row per prompt, method and combination of keys, page by page."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from motion_inversion.data.video import Video, read_exact
from motion_inversion.error import InputError
from motion_inversion.report.figure.series import names
from motion_inversion.report.group import axes, grouped
from motion_inversion.report.record import Record

log = logging.getLogger(__name__)

Row = TypeVar("Row")

MOST = 9  # rows below the source: with square frames and a prompt each they fill a page


@dataclass(frozen=True)
class Chosen:
    """A row of a figure before its clip is read; `path` is None where there is no such sample."""

    label: str
    prompt: str
    path: Path | None


@dataclass(frozen=True)
class Shown:
    """A row of a figure; `video` is None where there is no such sample, or none that can be read."""

    label: str
    prompt: str
    video: Video | None


def choose(
    records: Sequence[Record], clip: str, keys: Sequence[str] = (), fixed: Mapping[str, str] | None = None
) -> list[Chosen]:
    """The reference of `clip`, then for each prompt a row per method and combination of `keys`.

    The frozen model comes first. Of axes that aren't among `keys`, the value in `fixed` is shown or else the first
    that occurs (of a row that has neither, the row's own first), and of the seeds the first; samples that were made
    come before planned ones. A combination that only other clips have, or that wasn't made, is there without path.

    Raises:
        InputError: there is no record of `clip`.
    """
    records = [record for record in records if not record.is_bound]
    members = [record for record in records if record.clip == clip]
    if not members:
        known = ", ".join(dict.fromkeys(record.clip for record in records))
        raise InputError(f"no record of the clip {clip}; accepted: {known}")
    keys = tuple(dict.fromkeys(("method", *keys)))
    chosen = _fixing(sorted(members, key=_is_lacking), keys, fixed or {})
    variants = list(grouped(records, keys))
    rows = [Chosen("source", members[0].source_prompt, members[0].reference)]
    for prompt in dict.fromkeys(record.prompt for record in members):
        found = grouped((record for record in chosen if record.prompt == prompt), keys)
        for variant, label in zip(variants, names(keys, variants), strict=True):
            shown = next(iter(found.get(variant, ())), None)
            rows.append(Chosen(label, prompt, None if shown is None or _is_lacking(shown) else shown.video))
    return rows


def pages(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of one figure each: as many as a page of paper holds, the source on top of every one."""
    source, *others = rows
    count = max(1, -(-len(others) // MOST))
    each = -(-len(others) // count) if others else 1
    return [[source, *others[k : k + each]] for k in range(0, len(others), each)] or [[source]]


def read(rows: Sequence[Chosen]) -> list[Shown]:
    """The rows with their clips; the log says which can't be read."""
    return [Shown(row.label, row.prompt, row.path and _read(row.path)) for row in rows]


def _is_lacking(record: Record) -> bool:
    return record.missing != ""


def _fixing(members: Sequence[Record], keys: Sequence[str], fixed: Mapping[str, str]) -> list[Record]:
    """The records of the first seed, and of each axis not among `keys` those of one value.

    That is the given value or the first that occurs; where a variant has neither, as one method's number of
    iterations isn't another's, the first of its own.
    """
    _, seed = min((_is_lacking(record), record.seed) for record in members)
    kept = [record for record in members if record.seed == seed]
    for axis in axes(members):
        if axis in keys:
            continue
        common = fixed.get(axis) or next(record.axes[axis] for record in members if axis in record.axes)
        variants = [_of_one_value(variant, axis, common) for variant in grouped(kept, keys).values()]
        kept = [record for variant in variants for record in variant]
    return kept


def _of_one_value(variant: Sequence[Record], axis: str, common: str) -> list[Record]:
    """The records whose value on `axis` is `common`, or else the first that occurs; and those without any."""
    found = list(dict.fromkeys(record.axes[axis] for record in variant if axis in record.axes))
    shown = common if common in found else next(iter(found), common)
    if len(found) > 1:
        log.info("%s: shown with %s=%s of %s", variant[0].clip, axis, shown, ", ".join(found))
    return [record for record in variant if record.axes.get(axis, shown) == shown]


def _read(path: Path) -> Video | None:
    try:
        return read_exact(path)
    except InputError as error:
        log.warning("%s", error)
        return None
