"""A table for people who read a terminal: as wide as that, what the files hold besides left to them."""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from math import isnan

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from motion_inversion.report.format import NOTHING, named, probability, rounded, spelled, title_of
from motion_inversion.report.note import version_note
from motion_inversion.report.record import Record
from motion_inversion.report.table import Cell, Row, Table, by_key

_GAP = 2  # spaces between columns


def show(table: Table, console: Console) -> None:
    """Prints the table, and its notes but for the metrics' versions, which all files have.

    Differences to the baseline and their p stand below the scores. Metrics that don't fit beside the others stand in a
    block below them, with the settings repeated.
    """
    firsts = [[*table.keys, "n (clips)"], *([*named(row), _count(row)] for row in table.rows)]
    columns = range(len(table.columns))
    _print(console, firsts, [_column(table, k, _words) for k in columns], [table.best(k) for k in columns])
    versions = {version_note(column) for column in table.columns}
    for note in table.notes:
        if note not in versions:
            console.print(Text(note))


def brief(table: Table, records: Sequence[Record], console: Console) -> None:
    """Prints the mean by each value of each key that varies, and which row is best by each metric.

    Nothing is printed where nothing varies.
    """
    parts = by_key(table, records)
    if not parts:
        return
    firsts = [["means by", "", "n (clips)"]]
    firsts += [[part.keys[0], *named(row), _count(row)] for part in parts for row in part.rows]
    scores: list[list[str]] = []
    best: list[set[int]] = []
    for k in range(len(table.columns)):
        columns = [_column(part, k, _mean) for part in parts]
        scores.append([columns[0][0], *(word for column in columns for word in column[1:])])
        starts = [sum(len(part.rows) for part in parts[:number]) for number in range(len(parts))]
        best.append({start + n for start, part in zip(starts, parts, strict=True) for n in part.best(k)})
    _print(console, firsts, scores, best)
    for k, column in enumerate(table.columns):
        for row in (table.rows[number] for number in sorted(table.best(k))):
            told = [f"{key} {value}" for key, value in zip(table.keys, row.values, strict=True) if value]
            console.print(Text(f"best {title_of(column)}: {_mean(row.cells[k])}, {', '.join(told)}, n {_count(row)}"))


def printed(show: Callable[[Console], None]) -> str:
    """What is shown on a console, in the letters that the output takes: others become question marks."""
    console = Console()
    with console.capture() as shown:
        show(console)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.get().encode(encoding, "replace").decode(encoding)


def _print(
    console: Console, firsts: Sequence[Sequence[str]], scores: Sequence[Sequence[str]], best: Sequence[Collection[int]]
) -> None:
    """A grid, or several below each other.

    Args:
        console: Where to.
        firsts: By row, the words of the first columns; the first row has their titles.
        scores: By further column, its title and the words of its cells.
        best: By further column, the numbers of the rows, from 0, that stand out.
    """
    space = console.width - sum(map(_width, zip(*firsts, strict=True)))
    for block in _blocks([_width(words) for words in scores], space):
        grid = Grid(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), show_edge=False)
        for words in (*zip(*firsts, strict=True), *(scores[k] for k in block)):
            grid.add_column(Text(words[0]), min_width=_width(words) - _GAP)  # a narrow terminal cuts no number
        for number, words in enumerate(firsts[1:]):
            told = [Text(scores[k][number + 1], "bold" if number in best[k] else "") for k in block]
            grid.add_row(*map(Text, words), *told)
        console.print(grid, crop=False, overflow="ignore")
        console.print()


def _column(table: Table, k: int, words: Callable[[Cell], str]) -> list[str]:
    """A metric's title, on two lines where it says what it is compared with, and the words of its cells."""
    return [title_of(table.columns[k]).replace(" − ", "\n− "), *(words(row.cells[k]) for row in table.rows)]


def _mean(cell: Cell) -> str:
    """The mean, and how many samples have none."""
    mean = NOTHING if isnan(cell.score.mean) else rounded(cell.score.mean)
    return f"{mean} ({cell.score.missing} missing)" if cell.score.missing else mean


def _words(cell: Cell) -> str:
    lines = [spelled(cell.score, ".3f")]
    if cell.difference:
        lines.append(spelled(cell.difference, "+.3f"))
        lines += [] if isnan(cell.p) else [f"p {probability(cell.p, cell.p_is_least)}"]
    return "\n".join(lines)


def _count(row: Row) -> str:
    return f"{row.samples} ({row.clips})" if row.samples else NOTHING


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
