"""Owns which samples compare: each with the one of the baseline that was made alike but for what the baseline names."""

from collections.abc import Mapping, Sequence

from motion_inversion.error import InputError
from motion_inversion.report.group import SAMPLE, axes, grouped, tells_references, values
from motion_inversion.report.record import Record
from motion_inversion.storage.names import FROZEN


def partners(records: Sequence[Record], keys: Sequence[str], baseline: Sequence[str]) -> Mapping[Record, Record | None]:
    """By each record outside the baseline, its partner in it; empty where there is no baseline.

    The baseline are the records that have every word of `baseline` among their values of `keys` and the method. A
    partner has the same clip, prompt, seed and, apart from the method and the settings that the words name, the
    same value of each axis and key, and the same reference, as far as both have them. None where there isn't exactly
    one.
    """
    chosen = {record for record in records if _is(record, keys, baseline)}
    named = {"method", *(key for record in chosen for key in keys if record.settings.get(key) in baseline)}
    told = (key for record in records for key in record.settings if tells_references(key))
    shared = [key for key in dict.fromkeys((*axes(records), *keys, *told)) if key not in named]
    by_sample = grouped(chosen, SAMPLE)
    found: dict[Record, Record | None] = {}
    for record in records if chosen else ():
        if record not in chosen:
            candidates = by_sample.get(values(record, SAMPLE), [])
            matching = [other for other in candidates if _agree(record, other, shared)]
            found[record] = matching[0] if len(matching) == 1 else None
    return found


def check_baseline(records: Sequence[Record], keys: Sequence[str], baseline: Sequence[str]) -> None:
    """Raises InputError if no record is the baseline; that the frozen model is absent is no fault."""
    if tuple(baseline) == (FROZEN,) or any(_is(record, keys, baseline) for record in records):
        return
    known = dict.fromkeys(word for record in records for word in values(record, _all(keys)) if word is not None)
    raise InputError(
        f"baseline names {', '.join(baseline)}, which no row of the table is; accepted are words of one row: "
        f"{', '.join(known)}; set baseline=[{FROZEN}]"
    )


def _is(record: Record, keys: Sequence[str], baseline: Sequence[str]) -> bool:
    return bool(baseline) and set(baseline) <= set(values(record, _all(keys)))


def _all(keys: Sequence[str]) -> tuple[str, ...]:
    return ("method", *keys)


def _agree(record: Record, other: Record, keys: Sequence[str]) -> bool:
    pairs = zip(values(record, keys), values(other, keys), strict=True)
    return all(None in pair or pair[0] == pair[1] for pair in pairs)
