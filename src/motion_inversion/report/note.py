"""Owns what is said below a table: versions, how to read the intervals, and what is missing."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan

from motion_inversion.report.estimate import LEVEL
from motion_inversion.report.group import SAMPLE, grouped, unseparated, values
from motion_inversion.report.pair import partners
from motion_inversion.report.published import SOURCE
from motion_inversion.report.record import Record
from motion_inversion.report.table import Column, Row, Table
from motion_inversion.storage.names import FROZEN

FEW_CLIPS = 10  # below, a percentile bootstrap is noticeably too narrow
NAMED = 10  # missing samples that are listed


def notes(table: Table, records: Sequence[Record]) -> tuple[str, ...]:
    """What the numbers of `table`, made of `records`, don't say themselves."""
    return (
        *_missing_notes(table, records),
        *_column_notes(table, records),
        *_interval_notes(table.rows),
        *_comparison_notes(table, records),
        *_row_notes(table.rows),
        *_sample_notes(records, table.keys),
    )


def version_note(column: Column) -> str:
    """What a metric was measured with."""
    return f"{column.title}: version {column.version}"


def _missing_notes(table: Table, records: Sequence[Record]) -> Iterator[str]:
    """Planned samples that there aren't; they count as missing in each cell."""
    if lacking := [record for record in records if record.missing]:
        named = "; ".join(_name(table.keys, record) for record in lacking[:NAMED])
        rest = f"; and {len(lacking) - NAMED} more, which records.jsonl names" if len(lacking) > NAMED else ""
        yield f"missing: {len(lacking)} of {len(records)} samples: {named}{rest}"


def _name(keys: Sequence[str], record: Record) -> str:
    told = (*(key for key in keys if key not in SAMPLE), *SAMPLE)
    words = [f"{key} {value}" for key, value in zip(told, values(record, told), strict=True) if value is not None]
    return f"{', '.join(words)} ({record.missing})"


def _column_notes(table: Table, records: Sequence[Record]) -> Iterator[str]:
    names = [column.name for column in table.columns]
    for name in dict.fromkeys(names):
        if (count := names.count(name)) > 1:
            yield f"{name} was measured in {count} versions, which do not compare: each has its own column"
    for column in table.columns:
        yield version_note(column)
    for column, shown in zip(table.columns, table.shown(records), strict=True):
        yield from _gap_notes(table, column, records, shown)


def _gap_notes(table: Table, column: Column, records: Sequence[Record], shown: Mapping[Record, float]) -> Iterator[str]:
    """Samples that there are, but without a score: why, and whether that leaves rows that average over unlike sets."""
    without = [record for record, value in shown.items() if isnan(value) and not record.missing]
    reasons = {reason: record for record in reversed(without) if (reason := record.reason(column.name, column.version))}
    for reason in reasons:
        clips = dict.fromkeys(record.clip for record in without if record.reason(column.name, column.version) == reason)
        more = f" and {len(clips) - NAMED} more" if len(clips) > NAMED else ""
        yield f"{column.title}: no score for {', '.join([*clips][:NAMED])}{more}: {reason}"
    lacking = {values(record, SAMPLE) for record in without}
    rows = grouped([record for record in shown if not record.missing], table.keys).values()
    scored = [{values(r, SAMPLE) for r in row if not isnan(shown[r])} for row in rows]
    if lacking and any(one != scored[0] for one in scored[1:]):
        yield f"{column.title}: the rows average over unequal sets of samples, since some have no score"


def _interval_notes(rows: Sequence[Row]) -> Iterator[str]:
    estimates = [cell.score for row in rows for cell in row.cells if cell.score.samples]
    if any(e.clips > 1 for e in estimates):
        fewest = min(e.clips for e in estimates if e.clips > 1)
        caution = f"; from as few as {fewest} clips they are too narrow" if fewest < FEW_CLIPS else ""
        yield f"[a, b]: {LEVEL:.0%} interval of the mean, bootstrap over clips{caution}"
    if any(e.clips == 1 and e.samples > 1 for e in estimates):
        yield "±: standard deviation over the samples of a single clip, which says nothing of other clips"


def _comparison_notes(table: Table, records: Sequence[Record]) -> Iterator[str]:
    baseline = " ".join(table.baseline)
    if any(cell.difference for row in table.rows for cell in row.cells):
        yield f"vs {baseline}: mean difference to {baseline} of the same clip, prompt, seed and settings"
    if any(not isnan(cell.p) for row in table.rows for cell in row.cells):
        yield (
            "p: that this mean is as far from 0 if neither side were better; two-sided, the signs of whole clips "
            "flipped; ≤: the least that so many clips give, 2^(1-n) for n; not corrected for the number of comparisons"
        )
    if relative := [column.title for column in table.columns if column.against_frozen]:
        frozen = partners(records, table.keys, (FROZEN,))
        customised = [record for record in records if record.method != FROZEN]
        lacking = sum(frozen.get(record) is None for record in customised)
        without = f"; {lacking} of {len(customised)} samples have none: run with frozen=true" if lacking else ""
        yield f"{', '.join(relative)}: mean difference to the frozen model for the same clip, prompt and seed{without}"


def _row_notes(rows: Sequence[Row]) -> Iterator[str]:
    kinds = {row.kind for row in rows}
    if "floor" in kinds:
        yield "floor: other clips of the same set, scored as if they had been made from this one and its source prompt"
    if "ceiling" in kinds:
        yield "ceiling: each clip scored as if it had been made from itself and its source prompt"
    if "published" in kinds:
        yield f"published: as printed in {SOURCE}, by the authors' own code on their own clips; compared with nothing"


def _sample_notes(records: Sequence[Record], keys: Sequence[str]) -> Iterator[str]:
    """Samples that stand in a row more than once, and samples that other rows have."""
    groups = grouped(records, keys)
    if pooled := unseparated(records, keys):
        yield f"rows average over {', '.join(pooled)}; set rows=[…] to tell them apart"
    elif len(grouped(records, (*keys, *SAMPLE))) < len(records):
        yield "some samples count more than once: same clip, prompt, seed and settings, but another file"
    if {"motion", *SAMPLE}.isdisjoint(keys):
        every = set(grouped(records, SAMPLE))
        if len({frozenset(grouped(members, SAMPLE)) for members in groups.values()}) > 1:
            yield "the rows average over unequal sets of samples: compare them by the differences to the baseline"
        for group, members in groups.items():
            if lacking := len(every) - len(grouped(members, SAMPLE)):
                name = ", ".join(f"{key}={value}" for key, value in zip(keys, group, strict=True) if value)
                yield f"{name}: {lacking} of {len(every)} samples (clip, prompt, seed) are missing"
