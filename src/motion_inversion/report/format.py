"""Owns how a table is written: aligned text for the terminal, Markdown for pages, CSV for other programs."""

import csv
import io
from itertools import chain
from math import isnan

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.group import CONTROL
from motion_inversion.report.table import Cell, Column, Table

NOTHING = "–"


def to_text(table: Table) -> str:
    """Columns aligned by spaces; the notes below."""
    lines = [_header(table), *_body(table, bold=False)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numeric = len(table.keys)
    aligned = [
        "  ".join(
            word.rjust(width) if numeric <= k < numeric + 2 else word.ljust(width)
            for k, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    ruled = [aligned[0], "-" * max(map(len, aligned)), *aligned[1:]]
    return "\n".join([*ruled, "", *table.notes]) + "\n"


def to_markdown(table: Table) -> str:
    """A pipe table with the best mean of each column in bold; the notes as a list below."""
    header, *lines = [_header(table), *_body(table, bold=True)]
    rule = ["---"] * len(table.keys) + ["---:"] * (len(header) - len(table.keys))
    cells = [[word.replace("|", r"\|") for word in line] for line in (header, rule, *lines)]
    rows = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([*rows, "", *(f"- {note}" for note in table.notes)]) + "\n"


def to_csv(table: Table) -> str:
    """One line per row with every number in full, empty where there is none; versions instead of notes.

    Of each metric: version, mean, lower and upper (see `Estimate`), samples, clips, missing; the same with
    `difference` for the difference to the control.
    """
    fields = ("mean", "lower", "upper", "samples", "clips", "missing")
    header = [*table.keys, "samples", "clips"]
    for column in table.columns:
        header += [f"{column.title} {field}" for field in ("version", *fields)]
        header += [f"{column.title} difference {field}" for field in fields]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in table.rows:
        line: list[object] = [*(value or "" for value in row.values), row.samples, row.clips]
        for column, cell in zip(table.columns, row.cells, strict=True):
            line += [column.version, *_fields(cell.score), *_fields(cell.difference)]
        writer.writerow(line)
    return out.getvalue()


def _fields(estimate: Estimate | None) -> list[object]:
    if estimate is None:
        return [""] * 6
    numbers = ["" if isnan(x) else x for x in (estimate.mean, estimate.lower, estimate.upper)]
    return [*numbers, estimate.samples, estimate.clips, estimate.missing]


def _header(table: Table) -> list[str]:
    titles = [[_titled(column), *[f"vs {CONTROL}"] * _compared(table, k)] for k, column in enumerate(table.columns)]
    return [*table.keys, "samples", "clips", *chain.from_iterable(titles)]


def _titled(column: Column) -> str:
    if column.higher_is_better is None:
        return column.title
    return f"{column.title} {'↑' if column.higher_is_better else '↓'}"


def _compared(table: Table, column: int) -> bool:
    return any(row.cells[column].difference for row in table.rows)


def _body(table: Table, bold: bool) -> list[list[str]]:
    best = [table.best(k) if bold else () for k in range(len(table.columns))]
    return [
        [
            *(value or NOTHING for value in row.values),
            str(row.samples),
            str(row.clips),
            *chain.from_iterable(_words(cell, n in best[k], _compared(table, k)) for k, cell in enumerate(row.cells)),
        ]
        for n, row in enumerate(table.rows)
    ]


def _words(cell: Cell, best: bool, compared: bool) -> list[str]:
    score = _spelled(cell.score, ".3f", best)
    if not compared:
        return [score]
    return [score, _spelled(cell.difference, "+.3f") if cell.difference else NOTHING]


def _spelled(estimate: Estimate, form: str, bold: bool = False) -> str:
    words = [NOTHING]
    if estimate.samples:
        mean = format(estimate.mean, form)
        words = [f"**{mean}**" if bold else mean]
        if estimate.clips > 1:
            words.append(f"[{estimate.lower:{form}}, {estimate.upper:{form}}]")
        elif estimate.samples > 1:
            words.append(f"± {estimate.upper - estimate.mean:.3f}")
    if estimate.missing:
        words.append(f"({estimate.missing} missing)")
    return " ".join(words)
