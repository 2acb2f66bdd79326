"""Owns how tables are written in LaTeX, with the rules of booktabs."""

import re
from collections.abc import Sequence

from motion_inversion.report.format import body, header, part
from motion_inversion.report.table import Table

_SIGNS = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_START, _END = "\x02", "\x03"  # around what is bold, until everything else is escaped


def to_latex(tables: Sequence[Table]) -> str:
    """One `tabular` with a block for each table, the best mean of each column in bold; the notes as comments."""
    first = tables[0]
    titles = header(first)
    columns = "l" * len(first.keys) + "r" * (len(titles) - len(first.keys))
    lines = [r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _line(titles)]
    for table in tables:
        lines.append(r"\midrule")
        if len(tables) > 1:
            lines.append(rf"\multicolumn{{{len(titles)}}}{{l}}{{\emph{{{_escaped(part(table))}}}}} \\")
        rows = body(table, bold=lambda mean: f"{_START}{mean}{_END}", below=first)
        lines += [_line(words) for words in rows]
    lines += [r"\bottomrule", r"\end{tabular}", *(f"% {note}" for table in tables for note in table.notes)]
    return "\n".join(lines) + "\n"


def _line(words: Sequence[str]) -> str:
    return " & ".join(map(_escaped, words)) + r" \\"


def _escaped(text: str) -> str:
    signed = re.sub(r"(?<![\w.])-(?=\d)", "−", text)
    escaped = "".join(_SIGNS.get(sign, sign) for sign in signed)
    return escaped.replace(_START, r"\textbf{").replace(_END, "}")
