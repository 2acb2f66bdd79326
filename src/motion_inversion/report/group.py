"""Owns which records belong together: the keys that tell rows apart, and the groups they make."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from motion_inversion.error import InputError
from motion_inversion.report.record import CUT, DATASET, FOOTAGE, SOURCE_PROMPT, Record
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

    These are the method and the axes with several values, prompt or seed if the jobs of a sweep differed in them, and
    what else tells apart samples that would otherwise pass for repeats of one another, such as `dataset.start` or
    `method.iterations` in the config. What tells references of one clip apart is added to `rows`, too: samples of
    different references never share a row.

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
        return tuple(dict.fromkeys((*rows, *_of_references(records, rows))))
    known = {key: {r.settings[key] for r in records if key in r.settings} for key in ("method", *axes(records))}
    swept = dict.fromkeys(key for record in records for key in record.swept)
    keys = (*(key for key, found in known.items() if len(found) > 1), *swept)
    keys = (*keys, *_of_references(records, keys))
    keys = (*keys, *unseparated(records, keys)) or ("method",)
    # References that are scored themselves have the method's place for their name.
    return ("method", *keys) if keys[0] != "method" and any(map(tells_references, keys)) else keys


def tells_references(key: str) -> bool:
    """Whether a key says something of the reference, and so differs only between samples that don't compare."""
    return key in (FOOTAGE, SOURCE_PROMPT) or key.startswith(DATASET)


def reference_keys(records: Sequence[Record], keys: Sequence[str]) -> list[str]:
    """Those of `keys` that say something of the reference, and footage if clips of one name still differ in it."""
    telling = [key for key in keys if tells_references(key)]
    for group in grouped(records, (*telling, "clip")).values():
        if len({record.footage for record in group if record.footage}) > 1:
            return [*telling, FOOTAGE]
    return telling


def _of_references(records: Sequence[Record], keys: Sequence[str]) -> list[str]:
    """What tells apart the references of samples that agree in `keys`, clip, prompt and seed: settings, or footage.

    How a file was cut does whatever the prompts are; scenes that share a name alone are clips of their own.
    """
    cuts = [key for key in _differing(records, keys, ("clip",)) if key in CUT]
    telling = [key for key in _differing(records, (*keys, *cuts)) if tells_references(key)]
    return cuts + ([key for key in telling if key != FOOTAGE] or telling)


def unseparated(records: Sequence[Record], keys: Sequence[str]) -> list[str]:
    """What differs among records that agree in `keys`, clip, prompt and seed: axes or, if none, config."""
    differing = _differing(records, keys)
    choices = ["method", *axes(records)]
    chosen = [path for path in choices if path in differing]
    return chosen or [path for path in differing if path != FOOTAGE] or differing


def _differing(records: Sequence[Record], keys: Sequence[str], sample: Sequence[str] = SAMPLE) -> list[str]:
    repeats = [group for group in grouped(records, (*keys, *sample)).values() if len(group) > 1]
    paths = dict.fromkeys(key for group in repeats for record in group for key in record.settings)
    return [
        path for path in paths if any(len({record.settings.get(path) for record in group}) > 1 for group in repeats)
    ]


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
