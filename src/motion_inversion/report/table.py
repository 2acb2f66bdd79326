"""Owns the table of scores: what each row of records says of each metric, and against the baseline."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isclose, isnan, nan
from typing import Literal, TypeAlias

from motion_inversion.error import InputError
from motion_inversion.report.estimate import Estimate, estimate, least_p, sign_flip
from motion_inversion.report.group import Values, grouped, row_keys, tells_references
from motion_inversion.report.pair import check_baseline, partners
from motion_inversion.report.published import TABLE_1
from motion_inversion.report.record import Record, Score
from motion_inversion.storage.names import FROZEN, SOURCE, UNRELATED

Kind: TypeAlias = Literal["sample", "floor", "ceiling", "published"]
_KINDS: dict[Kind, str] = {"floor": UNRELATED, "ceiling": SOURCE}


@dataclass(frozen=True)
class Column:
    """One metric in one version; `title` adds a word of it to the name where there are several.

    One that is read `against_frozen` shows the mean difference to the frozen model instead of the mean.
    """

    name: str
    version: str
    higher_is_better: bool | None
    title: str
    against_frozen: bool = False

    @property
    def heading(self) -> str:
        """What its numbers are: `title`, or that minus the frozen model's."""
        return f"{self.title} − frozen model" if self.against_frozen else self.title

    @property
    def arrow(self) -> str:
        """Which way is better, "" if neither."""
        return {None: "", True: "↑", False: "↓"}[self.higher_is_better]


@dataclass(frozen=True)
class Cell:
    """One metric over the samples of a row.

    `score` is the mean over the samples; of a metric that is read against the frozen model, the mean of each score
    minus that of the frozen model (the method `none`) for the same clip, prompt and seed and all settings that both
    have. `difference` is the mean of the score minus that of its partner in the baseline (see `partners`), and `p`
    the p-value of that mean (see `sign_flip`). A sample without a partner counts as missing. The difference is None
    in the baseline's own rows, and where there is no baseline.
    """

    score: Estimate
    difference: Estimate | None
    p: float = nan

    @property
    def p_is_least(self) -> bool:
        """Whether p is the least that so few clips can give: then it is a bound, and says more of them than of the
        difference."""
        return self.difference is not None and isclose(self.p, least_p(self.difference.clips))


@dataclass(frozen=True)
class Row:
    """The records that agree in the table's keys; a value is None where they have no such key.

    Rows of another `kind` than "sample" bound the others: unrelated clips (floor), the reference itself (ceiling),
    and what the paper prints. Those have a name in place of the first value, and are compared with nothing.
    """

    values: Values
    samples: int
    clips: int
    cells: tuple[Cell, ...]
    kind: Kind = "sample"


@dataclass(frozen=True)
class Table:
    """Rows by the values of `keys`, columns by metric, and notes on what the numbers don't say themselves.

    `part` names what the records have in common that others don't, such as a motion type; "" for all records.
    """

    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    baseline: tuple[str, ...] = (FROZEN,)
    part: str = ""

    def shown(self, records: Sequence[Record]) -> list[Mapping[Record, float]]:
        """What each column shows of each record, as `Cell.score` averages it: of one that is read against the frozen
        model, the difference, and nothing of the frozen model itself."""
        frozen = partners(records, self.keys, (FROZEN,))
        return [_scores(column, records, frozen) for column in self.columns]

    def best(self, column: int) -> frozenset[int]:
        """The rows of samples with the best mean; none if there is nothing to choose between."""
        better = self.columns[column].higher_is_better
        means = {k: row.cells[column].score.mean for k, row in enumerate(self.rows) if row.kind == "sample"}
        known = {k: mean for k, mean in means.items() if not isnan(mean)}
        if better is None or len(known) < 2:
            return frozenset()
        top = max(known.values()) if better else min(known.values())
        return frozenset(k for k, mean in known.items() if mean == top)


def tabulate(
    records: Sequence[Record],
    rows: Sequence[str] = (),
    bounds: Sequence[Record] = (),
    baseline: Sequence[str] = (FROZEN,),
    columns: Sequence[str] = (),
) -> Table:
    """The table of `records`, one row for each combination of the values of `rows` (see `row_keys`).

    A key is `method`, `motion`, `clip`, `prompt`, `seed`, an axis, or a dotted path in the config. Versions
    of a metric have columns of their own: their scores don't compare. `bounds` are the records of the floor and
    the ceiling. `columns` are the metrics shown, in this order, by name or, of one version, by title; all if empty.

    Raises:
        InputError: a key or a metric that no record has, a baseline that no row is.
    """
    keys = row_keys(records, rows)
    check_baseline(records, keys, baseline)
    bare = Table(keys, _chosen(_columns([*records, *bounds]), columns), (), baseline=tuple(baseline))
    return replace(bare, rows=_rows(bare, records, bounds))


def by_motion(table: Table, records: Sequence[Record], bounds: Sequence[Record]) -> list[Table]:
    """The same table for each motion type alone; none if there is but one."""
    motions = sorted({record.motion for record in records})
    if len(motions) < 2:
        return []
    split = {motion: [[r for r in every if r.motion == motion] for every in (records, bounds)] for motion in motions}
    return [replace(table, rows=_rows(table, *split[motion]), notes=(), part=motion) for motion in motions]


def by_key(table: Table, records: Sequence[Record]) -> list[Table]:
    """For each key that has several values, a table of the means over all samples of each; compared with nothing."""
    scores = table.shown(records)
    found = []
    for key in table.keys:
        groups = grouped(records, (key,))
        rows = [_row(group, members, [_cell(members, own, {}) for own in scores]) for group, members in groups.items()]
        found += [replace(table, keys=(key,), rows=tuple(rows), notes=(), baseline=())] if len(rows) > 1 else []
    return found


def with_published(table: Table) -> Table:
    """The table with the paper's rows below."""
    known = {published.method: asdict(published) for published in TABLE_1}
    rows = tuple(
        Row(
            values=(name, *[None] * (len(table.keys) - 1)),
            samples=0,
            clips=0,
            cells=tuple(Cell(_bare(float(values.get(column.name, nan))), None) for column in table.columns),
            kind="published",
        )
        for name, values in known.items()
    )
    return replace(table, rows=table.rows + rows)


def _rows(table: Table, records: Sequence[Record], bounds: Sequence[Record]) -> tuple[Row, ...]:
    paired = partners(records, table.keys, table.baseline)
    scores = table.shown(records)
    # A score that is read against the frozen model is compared with it already.
    pairs = [{} if column.against_frozen and table.baseline == (FROZEN,) else paired for column in table.columns]
    own = [
        _row(group, members, [_cell(members, *found) for found in zip(scores, pairs, strict=True)])
        for group, members in grouped(records, table.keys).items()
    ]
    return (*_bounding("floor", table, bounds), *own, *_bounding("ceiling", table, bounds))


def _bounding(kind: Kind, table: Table, bounds: Sequence[Record]) -> list[Row]:
    """The rows of reference clips of this kind, one for each cut of the clips; the frozen model made none of them."""
    found = [record for record in bounds if record.method == _KINDS[kind]]
    told = [key if tells_references(key) else "" for key in table.keys]
    rows = []
    for values, members in grouped(found, told).items():
        plain = [_scores(column, members, {}) for column in table.columns]
        scores = [{} if column.against_frozen else own for column, own in zip(table.columns, plain, strict=True)]
        named = (values[0] or _KINDS[kind], *values[1:])
        rows.append(_row(named, members, [_cell(members, own, {}) for own in scores], kind))
    return rows


def _row(values: Values, members: Sequence[Record], cells: Sequence[Cell], kind: Kind = "sample") -> Row:
    known = {record.source: record.clip for record in members if record.footage}
    unknown = {record.clip for record in members} - {*known.values()}
    return Row(values, len(members), len(known) + len(unknown), tuple(cells), kind)


def _columns(records: Sequence[Record]) -> tuple[Column, ...]:
    found: dict[str, dict[str, Score]] = {}
    for score in (score for record in records for score in record.metrics):
        found.setdefault(score.name, {}).setdefault(score.version, score)
    return tuple(
        Column(
            name=name,
            version=version,
            higher_is_better=score.higher_is_better,
            title=f"{name} ({told})" if told else name,
            against_frozen=score.against_frozen,
        )
        for name, versions in found.items()
        for told, (version, score) in zip(_told_apart([*versions]), versions.items(), strict=True)
    )


def _chosen(columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    """The columns of these names or titles in their order; all if there are none."""
    for name in names:
        if not any(name in (column.name, column.title) for column in columns):
            accepted = ", ".join(dict.fromkeys(column.name for column in columns)) or "none"
            raise InputError(
                f"columns names {name}, a metric that no record has; accepted: {accepted}; set columns=[…], or "
                "columns=[] for all"
            )
    found = (column for name in names for column in columns if name in (column.name, column.title))
    return tuple(dict.fromkeys(found)) or tuple(columns)


def _told_apart(versions: Sequence[str]) -> list[str]:
    """Of each version the first word that not all have, or numbers if that doesn't do; "" for one alone."""
    if len(versions) == 1:
        return [""]
    words = [re.findall(r"[^\s,()+]+", version) for version in versions]
    shared = set.intersection(*map(set, words))
    firsts = [next((word for word in own if word not in shared), "") for own in words]
    distinct = all(firsts) and len(set(firsts)) == len(firsts)
    return firsts if distinct else [str(k) for k in range(1, len(versions) + 1)]


def _cell(members: Sequence[Record], scores: Mapping[Record, float], pairs: Mapping[Record, Record | None]) -> Cell:
    """The cell of `members` by what the column shows of each record, and by their partners."""
    shown = [record for record in members if record in scores]
    score = estimate([scores[record] for record in shown], [record.source for record in shown])
    paired = [record for record in shown if record in pairs]
    if not paired:
        return Cell(score, None)
    differences = [scores[record] - _of(scores, pairs[record]) for record in paired]
    clips = [record.source for record in paired]
    return Cell(score, estimate(differences, clips), sign_flip(differences, clips))


def _scores(
    column: Column, records: Sequence[Record], frozen: Mapping[Record, Record | None]
) -> Mapping[Record, float]:
    """What the column shows of each record; of one that is read against the frozen model, nothing of that one."""
    plain = {record: record.value(column.name, column.version) for record in records}
    if not column.against_frozen:
        return plain
    customised = [record for record in records if record.method != FROZEN]
    return {record: plain[record] - _of(plain, frozen.get(record)) for record in customised}


def _of(scores: Mapping[Record, float], record: Record | None) -> float:
    return nan if record is None else scores.get(record, nan)


def _bare(mean: float) -> Estimate:
    return Estimate(mean, nan, nan, 0, 0, 0)
