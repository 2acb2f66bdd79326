"""Owns which records belong together: the keys that tell rows apart, and the groups they make."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from motion_inversion.error import InputError
from motion_inversion.report.record import Record
from motion_inversion.storage.names import FROZEN

SAMPLE = ("clip", "prompt", "seed")

Values: TypeAlias = tuple[str | None, ...]


def values(record: Record, keys: Iterable[str]) -> Values:
    """The record's values of `keys`, None where it has none: the frozen model has no loss."""
    return tuple(record.settings.get(key) for key in keys)


def grouped(records: Iterable[Record], keys: Sequence[str]) -> dict[Values, list[Record]]:
    """The records by their values of `keys`: the frozen model first, then by size or by alphabet."""
    groups: dict[Values, list[Record]] = defaultdict(list)
    for record in records:
        groups[values(record, keys)].append(record)
    return {group: groups[group] for group in sorted(groups, key=lambda group: list(map(_place, group)))}


def row_keys(records: Sequence[Record], rows: Sequence[str] = ()) -> tuple[str, ...]:
    """The keys `rows` without repeats; by default those that vary.

    These are the method and the axes with several values, and what else tells apart samples that would
    otherwise pass for repeats of one another, such as `method.iterations` in the config.

    Raises:
        InputError: a key that no record has.
    """
    for key in rows:
        if not any(key in record.settings for record in records):
            accepted = ", ".join(["method", "motion", *SAMPLE, *axes(records)])
            raise InputError(
                f"rows names {key}, which no record has; accepted: {accepted} or a dotted path in the "
                "config; set rows=[method], or rows=[] for all that vary"
            )
    if rows:
        return tuple(dict.fromkeys(rows))
    known = {key: {r.settings[key] for r in records if key in r.settings} for key in ("method", *axes(records))}
    keys = tuple(key for key, found in known.items() if len(found) > 1)
    return (*keys, *unseparated(records, keys)) or ("method",)


def unseparated(records: Sequence[Record], keys: Sequence[str]) -> list[str]:
    """What differs among records that agree in `keys`, clip, prompt and seed: axes or, if none, config."""
    repeats = [group for group in grouped(records, (*keys, *SAMPLE)).values() if len(group) > 1]
    choices = ["method", *axes(records)]
    paths = dict.fromkeys(key for group in repeats for record in group for key in record.settings)
    differing = [
        path
        for path in (*choices, *(path for path in paths if path not in choices))
        if any(len({record.settings.get(path) for record in group}) > 1 for group in repeats)
    ]
    return [path for path in differing if path in choices] or differing


def axes(records: Iterable[Record]) -> list[str]:
    """Every axis that a record has, in the order of the records."""
    return list(dict.fromkeys(axis for record in records for axis in record.axes))


def _place(value: str | None) -> tuple[int, float, str]:
    if value is None or value == FROZEN:
        return (0, 0.0, value or "")
    try:
        return (1, float(value), value)
    except ValueError:
        return (2, 0.0, value)
