"""A table for people who read a terminal: as wide as that, what the files hold besides left to them."""

from collections.abc import Iterator, Sequence
from math import isnan

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from motion_inversion.report.format import NOTHING, named, probability, spelled, title_of
from motion_inversion.report.note import version_note
from motion_inversion.report.table import Cell, Table

_GAP = 2  # spaces between columns


def show(table: Table, console: Console) -> None:
    """Prints the table, and its notes but for the metrics' versions, which all files have.

    Differences to the baseline and their p stand below the scores. Metrics that don't fit beside the others stand in a
    block below them, with the settings repeated.
    """
    names = [[*table.keys, "n (clips)"], *([*named(row), _count(row.samples, row.clips)] for row in table.rows)]
    space = console.width - sum(map(_width, zip(*names, strict=True)))
    best = [table.best(k) for k in range(len(table.columns))]
    scores = [_column(table, k) for k in range(len(table.columns))]
    for block in _blocks([_width(words) for words in scores], space):
        grid = Grid(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), show_edge=False)
        for words in (*zip(*names, strict=True), *(scores[k] for k in block)):
            grid.add_column(Text(words[0]), min_width=_width(words) - _GAP)  # a narrow terminal cuts no number
        for number, words in enumerate(names[1:]):
            told = [Text(scores[k][number + 1], "bold" if number in best[k] else "") for k in block]
            grid.add_row(*map(Text, words), *told)
        console.print(grid, crop=False, overflow="ignore")
        console.print()
    versions = {version_note(column) for column in table.columns}
    for note in table.notes:
        if note not in versions:
            console.print(Text(note))


def _column(table: Table, k: int) -> list[str]:
    """A metric's title, on two lines where it says what it is compared with, and the words of its cells."""
    title = title_of(table.columns[k]).replace(" − ", "\n− ")
    return [title, *(_words(row.cells[k]) for row in table.rows)]


def _words(cell: Cell) -> str:
    lines = [spelled(cell.score, ".3f")]
    if cell.difference:
        lines.append(spelled(cell.difference, "+.3f"))
        lines += [] if isnan(cell.p) else [f"p {probability(cell.p, cell.p_is_least)}"]
    return "\n".join(lines)


def _count(samples: int, clips: int) -> str:
    return f"{samples} ({clips})" if samples else NOTHING


def _width(words: Sequence[str]) -> int:
    return max((len(line) for word in words for line in word.split("\n")), default=0) + _GAP


def _blocks(widths: Sequence[int], space: int) -> Iterator[list[int]]:
    """Numbers of columns that fit side by side, at least one at a time."""
    block: list[int] = []
    for k, width in enumerate(widths):
        if block and sum(widths[j] for j in block) + width > space:
            yield block
            block = []
        block.append(k)
    if block:
        yield block
