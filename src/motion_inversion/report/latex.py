"""Owns how tables are written in LaTeX: floats with caption and label that fit a page or a column, by booktabs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan
from typing import Literal, TypeAlias

from motion_inversion.report.cost import CostTable
from motion_inversion.report.format import NOTHING, cost_lines, named, part, probability, rounded, spelled
from motion_inversion.report.table import Cell, Column, Row, Table

Layout: TypeAlias = Literal["table", "compact"]

# How papers write the names of methods and yardsticks.
METHODS = {
    "none": "frozen model",
    "motion_inversion": "Motion Inversion",
    "motion_inversion_hybrid": "Motion Inversion (hybrid)",
    "lora": "LoRA",
    "motion_director": "MotionDirector",
    "vmc": "VMC",
    "dmt": "DMT",
    "tune_a_video": "Tune-A-Video",
    "tokenflow": "TokenFlow",
    "tokenflow_sdedit": "TokenFlow (SDEdit)",
    "control_a_video": "Control-A-Video",
}

# Points: the text of a one-column paper (ICLR, NeurIPS; both columns of others are wider), a column of two (CVPR).
WIDTHS: dict[Layout, float] = {"table": 397.0, "compact": 237.0}
_FLOATS: dict[Layout, str] = {"table": "table*", "compact": "table"}
_LINES = 54  # of a tabular in \footnotesize that a page has room for, beside a caption
_SEPARATION = 3.0  # \tabcolsep in points
_WIDE, _NARROW = 4.6, 2.9  # points: letters of Computer Modern at 8 points, which \footnotesize is; a little generous
_THIN = frozenset(".,:;[]()|!' iljft")
_SIGNS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "γ": r"$\gamma$",
    "Δ": r"$\Delta$",
}
_START, _END = "\x02", "\x03"  # around what is bold, until everything else is escaped

Line = list[str]  # the words of a row, one for each column


@dataclass(frozen=True)
class _Columns:
    """Columns that stay together: their title, of several lines, and the words of each row, a line or two."""

    title: Line
    words: Sequence[Line]

    @property
    def width(self) -> float:
        lines = chain(self.title, *self.words)
        return max(map(_length, lines), default=0) + 2 * _SEPARATION


def to_latex(tables: Sequence[Table], cost: CostTable | None = None, layout: Layout = "table") -> str:
    """A float with a block for each table, the best mean of each column in bold; the notes as comments.

    The layout "table" fits a page and has below each mean what it differs from the baseline by; "compact" fits one of
    two columns and has the means alone. Metrics that find no room beside the others stand below them. Costs are a
    float of their own. In either, text that no table can break, such as a long prompt as a row, may still be too wide.
    """
    first = tables[0]
    rows = [row for table in tables for row in table.rows]
    keys = _key_columns(first.keys, [_readable(first.keys, row) for row in rows])
    metrics = [
        _Columns(_title(column, layout), [words for table in tables for words in _words(table, k, layout)])
        for k, column in enumerate(first.columns)
    ]
    if layout == "table":
        metrics.insert(0, _Columns(["$n$"], [[_count(row)] for row in rows]))
    heads = [(part(table) if len(tables) > 1 else "", len(table.rows)) for table in tables]
    lines = [r"% \usepackage{booktabs}", *_float(keys, metrics, heads, layout, _caption(first, layout), "tab:scores")]
    lines += [f"% {note}" for table in tables for note in table.notes]
    if cost:
        titles, *spelt = cost_lines(cost)
        count = len(cost.keys)
        keys = _key_columns(cost.keys, [_names(cost.keys, words[:count]) for words in spelt])
        others = [_Columns(title.split(" "), [[words[k]] for words in spelt]) for k, title in enumerate(titles)]
        caption = "Cost: means over fits or samples, with the least and the most."
        lines += ["", *_float(keys, others[count:], [("", len(spelt))], layout, caption, "tab:cost"), f"% {cost.note}"]
    return "\n".join(lines) + "\n"


def _float(
    keys: Sequence[_Columns],
    others: Sequence[_Columns],
    heads: Sequence[tuple[str, int]],
    layout: Layout,
    caption: str,
    label: str,
) -> list[str]:
    """A float with one or more `tabular` below one another, each within the layout's width; what finds no room on its
    page is in further floats of the same number."""
    lines: list[str] = []
    left = 0
    for chosen in _fitting(keys, others, WIDTHS[layout]):
        tabular = _tabular(keys, chosen, heads)
        if not lines:
            lines += [*_begun(layout), rf"\caption{{{caption}}}", rf"\label{{{label}}}", r"\par\smallskip"]
            left = _LINES
        elif len(tabular) > left:
            lines += [_ended(layout), "", *_begun(layout), r"\addtocounter{table}{-1}"]
            lines += [r"\caption{Continued.}", r"\par\smallskip"]
            left = _LINES
        else:
            lines += [r"\par\medskip"]
        lines += tabular
        left -= len(tabular)
    return [*lines, _ended(layout)]


def _begun(layout: Layout) -> list[str]:
    setting = rf"\setlength{{\tabcolsep}}{{{_SEPARATION:g}pt}}"
    return [rf"\begin{{{_FLOATS[layout]}}}[t]", r"\centering", r"\footnotesize", setting]


def _ended(layout: Layout) -> str:
    return rf"\end{{{_FLOATS[layout]}}}"


def _tabular(keys: Sequence[_Columns], chosen: Sequence[_Columns], heads: Sequence[tuple[str, int]]) -> list[str]:
    """One `tabular`, with about as many lines as it takes on paper."""
    columns = [*keys, *chosen]
    lines = [rf"\begin{{tabular}}{{{'l' * len(keys)}{'r' * len(chosen)}}}", r"\toprule"]
    lines += [_line([_stacked(column.title, "l" if k < len(keys) else "r") for k, column in enumerate(columns)])]
    start = 0
    for head, count in heads:
        lines += [r"\midrule"]
        lines += [rf"\multicolumn{{{len(columns)}}}{{l}}{{\emph{{{_escaped(head)}}}}} \\"] if head else []
        for row in range(start, start + count):
            lines += _row([column.words[row] for column in columns])
        start += count
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _fitting(keys: Sequence[_Columns], others: Sequence[_Columns], width: float) -> list[list[_Columns]]:
    """The columns beside the keys in as few groups as fit, each of one column or more."""
    room = width - sum(column.width for column in keys)
    groups: list[list[_Columns]] = [[]]
    for column in others:
        if groups[-1] and sum(other.width for other in groups[-1]) + column.width > room:
            groups.append([])
        groups[-1].append(column)
    return groups


def _key_columns(keys: Sequence[str], rows: Sequence[Line]) -> list[_Columns]:
    titles = [key.rpartition(".")[2].replace("_", " ").split(" ") for key in keys]
    return [_Columns(title, [[words[k]] for words in rows]) for k, title in enumerate(titles)]


def _readable(keys: Sequence[str], row: Row) -> Line:
    if row.kind != "sample":
        return [word.replace("_", " ") for word in named(row)]
    return _names(keys, [value or NOTHING for value in row.values])


def _names(keys: Sequence[str], words: Sequence[str]) -> Line:
    """The words of a row for people: methods as papers write them."""
    told = zip(keys, words, strict=True)
    return [
        METHODS.get(word, word.replace("_", " ")) if key == "method" else word.replace("_", " ") for key, word in told
    ]


def _title(column: Column, layout: Layout) -> Line:
    """A metric's name; in little room its initials, which the caption explains."""
    if layout == "compact":
        return [f"{_initials(column)} {column.arrow}".rstrip()]
    *first, last = column.title.replace("_", " ").split(" ")
    against = [f"− frozen {column.arrow}"] if column.against_frozen else []
    return [*first, last, *against] if against else [*first, f"{last} {column.arrow}".rstrip()]


def _initials(column: Column) -> str:
    words = re.findall(r"\w+", column.title.replace("_", " "))
    return ("Δ" if column.against_frozen else "") + "".join(word[0].upper() for word in words)


def _words(table: Table, column: int, layout: Layout) -> list[Line]:
    """For each row the mean and, where there is room, its interval; below it the difference to the baseline."""
    best = table.best(column)
    words = []
    for n, row in enumerate(table.rows):
        cell = row.cells[column]
        bold: Callable[[str], str] | None = _bold if n in best else None
        if layout == "compact":
            mean = NOTHING if isnan(cell.score.mean) else rounded(cell.score.mean)
            words.append([bold(mean) if bold else mean])
        else:
            words.append([spelled(cell.score, ".3f", bold), *_difference(cell)])
    return words


def _difference(cell: Cell) -> Line:
    if cell.difference is None or isnan(cell.difference.mean):
        return []
    chance = "" if isnan(cell.p) else f", p {_related(probability(cell.p, cell.p_is_least))}"
    return [f"{rounded(cell.difference.mean, '+.3f')}{chance}"]


def _related(p: str) -> str:
    return p if p[0] in "<≤" else f"= {p}"


def _count(row: Row) -> str:
    return f"{row.samples} ({row.clips})" if row.samples else NOTHING


def _caption(table: Table, layout: Layout) -> str:
    baseline = " ".join(METHODS.get(word, word.replace("_", " ")) for word in table.baseline)
    better = "Bold: the best mean."
    if layout == "compact":
        known = [f"{_initials(column)}: {column.heading.replace('_', ' ')}" for column in table.columns]
        return _escaped(f"Mean scores. {better} {'; '.join(known)}.")
    compared = any(cell.difference for row in table.rows for cell in row.cells)
    below = f" Below: mean difference to the {baseline} of the same clip, prompt and seed." if compared else ""
    return f"Mean scores [95\\% interval over clips]; $n$: samples (clips). {better}{_escaped(below)}"


def _row(columns: Sequence[Line]) -> list[str]:
    """The lines of a row, as many as the column with most."""
    count = max(map(len, columns))
    filled = [[*words, *[""] * (count - len(words))] for words in columns]
    return [_line([_escaped(words[k]) for words in filled]) for k in range(count)]


def _line(words: Sequence[str]) -> str:
    return " & ".join(words) + r" \\"


def _stacked(lines: Line, side: str) -> str:
    if len(lines) == 1:
        return lines[0] if lines[0].startswith("$") else _escaped(lines[0])
    stacked = r" \\ ".join(map(_escaped, lines))
    return rf"\shortstack[{side}]{{{stacked}}}"


def _bold(mean: str) -> str:
    return f"{_START}{mean}{_END}"


def _length(text: str) -> float:
    """About how wide a line is, in points."""
    return sum(_NARROW if sign in _THIN else 0 if sign in (_START, _END) else _WIDE for sign in text)


def _escaped(text: str) -> str:
    signed = re.sub(r"(?<![\w.])-(?=\d)", "−", text)
    escaped = "".join(_SIGNS.get(sign, sign) for sign in signed)
    return escaped.replace(_START, r"\textbf{").replace(_END, "}")
