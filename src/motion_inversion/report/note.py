"""Owns what is said below a table: versions, how to read the intervals, and what is missing."""

from collections.abc import Iterator, Sequence
from math import isnan

from motion_inversion.report.estimate import LEVEL
from motion_inversion.report.group import SAMPLE, grouped, unseparated, values
from motion_inversion.report.pair import partners
from motion_inversion.report.published import SOURCE
from motion_inversion.report.record import Record
from motion_inversion.report.table import Row, Table
from motion_inversion.storage.names import FROZEN

FEW_CLIPS = 10  # below, a percentile bootstrap is noticeably too narrow
NAMED = 10  # missing samples that are listed


def notes(table: Table, records: Sequence[Record]) -> tuple[str, ...]:
    """What the numbers of `table`, made of `records`, don't say themselves."""
    return (
        *_missing_notes(table, records),
        *_column_notes(table),
        *_interval_notes(table.rows),
        *_comparison_notes(table, records),
        *_row_notes(table.rows),
        *_sample_notes(records, table.keys),
    )


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


def _column_notes(table: Table) -> Iterator[str]:
    names = [column.name for column in table.columns]
    for name in dict.fromkeys(names):
        if (count := names.count(name)) > 1:
            yield f"{name} was measured in {count} versions, which do not compare: each has its own column"
    for column in table.columns:
        yield f"{column.title}: version {column.version}"


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
            "flipped; n clips give no less than 2^(1-n); not corrected for the number of comparisons"
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
        for group, members in groups.items():
            if lacking := len(every) - len(grouped(members, SAMPLE)):
                name = ", ".join(f"{key}={value}" for key, value in zip(keys, group, strict=True) if value)
                yield f"{name}: {lacking} of {len(every)} samples (clip, prompt, seed) are missing"
