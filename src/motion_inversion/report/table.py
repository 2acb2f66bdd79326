"""Owns the table of scores: what each row of records says of each metric, and against the control."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

from motion_inversion.report.collect import Record, Score
from motion_inversion.report.estimate import LEVEL, Estimate, estimate
from motion_inversion.report.group import (
    CONTROL,
    SAMPLE,
    Values,
    axes,
    grouped,
    row_keys,
    unseparated,
    values,
)

FEW_CLIPS = 10  # below, a percentile bootstrap is noticeably too narrow


@dataclass(frozen=True)
class Column:
    """One metric in one version; `title` adds a number to the name where there are several versions."""

    name: str
    version: str
    higher_is_better: bool | None
    title: str


@dataclass(frozen=True)
class Cell:
    """One metric over the samples of a row.

    `difference` is the mean, over the row's samples, of the score minus that of the control (the method
    `none`) for the same clip, prompt and seed and all settings that both have. A sample without exactly one
    such control counts as missing. None in the control's own row, and where there are no controls.
    """

    score: Estimate
    difference: Estimate | None


@dataclass(frozen=True)
class Row:
    """The records that agree in the table's keys; a value is None where they have no such key."""

    values: Values
    samples: int
    clips: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Rows by the values of `keys`, columns by metric, and notes on what the numbers don't say themselves."""

    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def best(self, column: int) -> frozenset[int]:
        """The rows with the best mean; none if there is nothing to choose between."""
        better = self.columns[column].higher_is_better
        means = {k: row.cells[column].score.mean for k, row in enumerate(self.rows)}
        known = {k: mean for k, mean in means.items() if not isnan(mean)}
        if better is None or len(known) < 2:
            return frozenset()
        top = max(known.values()) if better else min(known.values())
        return frozenset(k for k, mean in known.items() if mean == top)


def tabulate(records: Sequence[Record], rows: Sequence[str] = ()) -> Table:
    """The table of `records`, one row for each combination of the values of `rows` (see `row_keys`).

    A key is `method`, `motion`, `clip`, `prompt`, `seed`, an axis, or a dotted path in the config. Versions
    of a metric have columns of their own: their scores don't compare.

    Raises:
        InputError: a key that no record has.
    """
    keys = row_keys(records, rows)
    columns = _columns(records)
    controls = _controls(records, keys)
    table_rows = tuple(
        Row(
            values=group,
            samples=len(members),
            clips=len({record.clip for record in members}),
            cells=tuple(_cell(members, column, controls) for column in columns),
        )
        for group, members in grouped(records, keys).items()
    )
    notes = (*_column_notes(columns), *_interval_notes(table_rows), *_sample_notes(records, keys))
    return Table(keys, columns, table_rows, notes)


def _columns(records: Sequence[Record]) -> tuple[Column, ...]:
    found: dict[str, dict[str, Score]] = {}
    for score in (score for record in records for score in record.metrics):
        found.setdefault(score.name, {}).setdefault(score.version, score)
    return tuple(
        Column(name, version, score.higher_is_better, f"{name} ({k})" if len(versions) > 1 else name)
        for name, versions in found.items()
        for k, (version, score) in enumerate(versions.items(), start=1)
    )


def _controls(records: Sequence[Record], keys: Sequence[str]) -> Mapping[Path, Record | None]:
    """By the path of each customised record, the one control that it compares with; empty without any."""
    by_sample = grouped((record for record in records if record.method == CONTROL), SAMPLE)
    shared = [key for key in dict.fromkeys((*axes(records), *keys)) if key != "method"]
    found: dict[Path, Record | None] = {}
    for record in records if by_sample else ():
        if record.method != CONTROL:
            candidates = by_sample.get(values(record, SAMPLE), [])
            matching = [control for control in candidates if _agree(record, control, shared)]
            found[record.path] = matching[0] if len(matching) == 1 else None
    return found


def _agree(record: Record, control: Record, keys: Sequence[str]) -> bool:
    pairs = zip(values(record, keys), values(control, keys), strict=True)
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _cell(members: Sequence[Record], column: Column, controls: Mapping[Path, Record | None]) -> Cell:
    def value(record: Record | None) -> float:
        return record.value(column.name, column.version) if record else nan

    score = estimate([value(record) for record in members], [record.clip for record in members])
    paired = [record for record in members if record.path in controls]
    differences = [value(record) - value(controls[record.path]) for record in paired]
    return Cell(score, estimate(differences, [record.clip for record in paired]) if paired else None)


def _column_notes(columns: Sequence[Column]) -> Iterator[str]:
    names = [column.name for column in columns]
    for name in dict.fromkeys(names):
        if (count := names.count(name)) > 1:
            yield f"{name} was measured in {count} versions, which do not compare: each has its own column"
    for column in columns:
        yield f"{column.title}: version {column.version}"


def _interval_notes(rows: Sequence[Row]) -> Iterator[str]:
    estimates = [cell.score for row in rows for cell in row.cells if cell.score.samples]
    if any(e.clips > 1 for e in estimates):
        fewest = min(e.clips for e in estimates if e.clips > 1)
        caution = f"; from as few as {fewest} clips they are too narrow" if fewest < FEW_CLIPS else ""
        yield f"[a, b]: {LEVEL:.0%} interval of the mean, bootstrap over clips{caution}"
    if any(e.clips == 1 and e.samples > 1 for e in estimates):
        yield "±: standard deviation over the samples of a single clip, which says nothing of other clips"
    if any(cell.difference for row in rows for cell in row.cells):
        yield f"vs {CONTROL}: mean difference to the control of the same clip, prompt, seed and settings"


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
