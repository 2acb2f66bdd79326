"""Owns how a table is written: Markdown for pages, CSV for other programs, and the words that all forms share."""

import csv
import io
from collections.abc import Callable, Sequence
from itertools import chain
from math import isnan

from motion_inversion.report.cost import QUANTITIES, CostTable, Spread
from motion_inversion.report.estimate import Estimate
from motion_inversion.report.table import Cell, Column, Row, Table

NOTHING = "–"
EVERYTHING = "all"
COST = "cost"
_ALMOST = 1e-6  # so near to 1 is what arithmetic makes of 1
_FIELDS = ("mean", "lower", "upper", "samples", "clips", "missing")

Bold = Callable[[str], str]


def to_markdown(tables: Sequence[Table], cost: CostTable | None = None) -> str:
    """Pipe tables with the best mean of each column in bold, under a heading each; the notes as a list below."""
    blocks = [
        _pipes([header(table), *body(table, bold=lambda mean: f"**{mean}**")], len(table.keys)) for table in tables
    ]
    if len(tables) > 1:
        blocks = [f"## {part(table)}\n\n{block}" for table, block in zip(tables, blocks, strict=True)]
    notes = [f"- {note}" for table in tables for note in table.notes]
    if cost:
        blocks.append(f"## {COST}\n\n{_pipes(cost_lines(cost), len(cost.keys))}")
        notes.append(f"- {cost.note}")
    return "\n\n".join([*blocks, "\n".join(notes)]) + "\n"


def to_csv(tables: Sequence[Table]) -> str:
    """One line per row with every number in full, empty where there is none; versions instead of notes.

    Of each metric: version, mean, lower and upper (see `Estimate`), samples, clips, missing; the same with
    `difference` for the difference to the baseline, and its p. Metrics and rows are those of the first table.
    """
    first = tables[0]
    titles = ["part", "kind", *first.keys, "samples", "clips"]
    for column in first.columns:
        titles += [f"{column.title} {field}" for field in ("version", *_FIELDS)]
        titles += [f"{column.title} difference {field}" for field in (*_FIELDS, "p")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(titles)
    for table in tables:
        for row in table.rows:
            line = [part(table), row.kind, *(value or "" for value in row.values), row.samples, row.clips]
            for column, cell in zip(table.columns, row.cells, strict=True):
                p = "" if isnan(cell.p) else cell.p
                line += [column.version, *_fields(cell.score), *_fields(cell.difference), p]
            writer.writerow(line)
    return out.getvalue()


def cost_to_csv(cost: CostTable) -> str:
    """One line per row; of each quantity mean, least and most in full, empty where there is none."""
    fields = ("mean", "least", "most")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*cost.keys, *(f"{quantity.title} {field}" for quantity in QUANTITIES for field in fields)])
    for row in cost.rows:
        cells = [(cell.mean, cell.least, cell.most) if cell else ("",) * len(fields) for cell in row.cells]
        writer.writerow([*(value or "" for value in row.values), *chain.from_iterable(cells)])
    return out.getvalue()


def cost_lines(cost: CostTable) -> list[list[str]]:
    """The titles of the columns, then the words of each row."""
    rows = [
        [*(value or NOTHING for value in row.values), *(_spread(cell) if cell else NOTHING for cell in row.cells)]
        for row in cost.rows
    ]
    return [[*cost.keys, *(quantity.title for quantity in QUANTITIES)], *rows]


def part(table: Table) -> str:
    """What the table's records have in common."""
    return table.part or EVERYTHING


def header(table: Table) -> list[str]:
    """The titles of the columns."""
    versus = [f"vs {' '.join(table.baseline)}", "p"]
    titles = [[title_of(column), *versus[: _compared(table, k)]] for k, column in enumerate(table.columns)]
    return [*table.keys, "samples", "clips", *chain.from_iterable(titles)]


def body(table: Table, bold: Bold | None = None, below: Table | None = None) -> list[list[str]]:
    """The words of each row; `bold` marks the best mean of each column. The columns are those of `below` if given."""
    compared = [_compared(below or table, k) for k in range(len(table.columns))]
    best = [table.best(k) if bold else () for k in range(len(table.columns))]
    return [
        [
            *named(row),
            *(str(count) if row.samples else NOTHING for count in (row.samples, row.clips)),
            *chain.from_iterable(
                _words(cell, compared[k], bold if n in best[k] else None) for k, cell in enumerate(row.cells)
            ),
        ]
        for n, row in enumerate(table.rows)
    ]


def _pipes(lines: Sequence[Sequence[str]], keys: int) -> str:
    """A title line and rows, of which the first `keys` columns are words."""
    titles, *rows = lines
    rule = ["---"] * keys + ["---:"] * (len(titles) - keys)
    cells = [[word.replace("|", r"\|") for word in line] for line in (titles, rule, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _fields(estimate: Estimate | None) -> list[object]:
    if estimate is None:
        return [""] * len(_FIELDS)
    numbers = ["" if isnan(x) else x for x in (estimate.mean, estimate.lower, estimate.upper)]
    return [*numbers, estimate.samples, estimate.clips, estimate.missing]


def title_of(column: Column) -> str:
    """A column's heading, with the direction of what is better."""
    return f"{column.heading} {column.arrow}".rstrip()


def _compared(table: Table, column: int) -> int:
    """How many further columns this metric needs: the difference to the baseline, and its p-value."""
    cells = [row.cells[column] for row in table.rows]
    if not any(cell.difference for cell in cells):
        return 0
    return 2 if any(not isnan(cell.p) for cell in cells) else 1


def named(row: Row) -> list[str]:
    """The words of a row's keys; what is no sample says what it is."""
    first, *others = [value or NOTHING for value in row.values]
    return [first if row.kind == "sample" else f"{first} ({row.kind})", *others]


def _words(cell: Cell, compared: int, bold: Bold | None) -> list[str]:
    p = NOTHING if isnan(cell.p) else probability(cell.p, cell.p_is_least)
    further = [spelled(cell.difference, "+.3f") if cell.difference else NOTHING, p]
    return [spelled(cell.score, ".3f", bold), *further[:compared]]


def probability(p: float, least: bool) -> str:
    """A p-value; the least that a number of clips can give is a bound."""
    return "<0.001" if p < 0.001 else f"≤{p:.3f}" if least else f"{p:.3f}"


def spelled(estimate: Estimate, form: str, bold: Bold | None = None) -> str:
    """The mean with its interval and what is missing."""
    words = [NOTHING]
    if not isnan(estimate.mean):
        mean = rounded(estimate.mean, form)
        words = [bold(mean) if bold else mean]
        if estimate.clips > 1:
            words.append(f"[{rounded(estimate.lower, form)}, {rounded(estimate.upper, form)}]")
        elif estimate.samples > 1:
            words.append(f"± {rounded(estimate.upper - estimate.mean, '.3f')}")
    if estimate.missing:
        words.append(f"({estimate.missing} missing)")
    return " ".join(words)


def _spread(spread: Spread) -> str:
    mean, least, most = map(_amount, (spread.mean, spread.least, spread.most))
    return mean if least == most else f"{mean} ({least}–{most})"


def _amount(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:,.0f}" if number == round(number) or number >= 100 else f"{number:.3g}"


def rounded(number: float, form: str = ".3f") -> str:
    """Three decimals, or as many as it takes to tell a number that is nearly 1 from 1."""
    for digits in (3, 4, 5, 6):
        if abs(round(number, digits)) != 1 or abs(abs(number) - 1) < _ALMOST:
            break
    form = form.replace("3", str(digits))
    return format(round(number, digits) + 0.0, form)  # + 0.0, or what rounds to zero from below is "-0.000"
