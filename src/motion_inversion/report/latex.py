"""Owns how tables are written in LaTeX, with the rules of booktabs."""

import re
from collections.abc import Sequence

from motion_inversion.report.cost import CostTable
from motion_inversion.report.format import body, cost_lines, header, part
from motion_inversion.report.table import Table

_SIGNS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    "≤": r"$\leq$",
    ">": "$>$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_CLOSING = (r"\bottomrule", r"\end{tabular}")
_START, _END = "\x02", "\x03"  # around what is bold, until everything else is escaped


def to_latex(tables: Sequence[Table], cost: CostTable | None = None) -> str:
    """One `tabular` with a block for each table, the best mean of each column in bold; the notes as comments.

    Costs are a `tabular` of their own.
    """
    first = tables[0]
    titles = header(first)
    lines = [r"% \usepackage{booktabs}", *_opening(titles, len(first.keys))]
    for table in tables:
        lines.append(r"\midrule")
        if len(tables) > 1:
            lines.append(rf"\multicolumn{{{len(titles)}}}{{l}}{{\emph{{{_escaped(part(table))}}}}} \\")
        rows = body(table, bold=lambda mean: f"{_START}{mean}{_END}", below=first)
        lines += [_line(words) for words in rows]
    lines += [*_CLOSING, *(f"% {note}" for table in tables for note in table.notes)]
    if cost:
        titles, *rows = cost_lines(cost)
        lines += ["", *_opening(titles, len(cost.keys)), r"\midrule", *map(_line, rows), *_CLOSING, f"% {cost.note}"]
    return "\n".join(lines) + "\n"


def _opening(titles: Sequence[str], keys: int) -> list[str]:
    """The first lines of a `tabular`, of which the first `keys` columns are words."""
    columns = "l" * keys + "r" * (len(titles) - keys)
    return [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _line(titles)]


def _line(words: Sequence[str]) -> str:
    return " & ".join(map(_escaped, words)) + r" \\"


def _escaped(text: str) -> str:
    signed = re.sub(r"(?<![\w.])-(?=\d)", "−", text)
    escaped = "".join(_SIGNS.get(sign, sign) for sign in signed)
    return escaped.replace(_START, r"\textbf{").replace(_END, "}")
