"""Tables in LaTeX."""

from dataclasses import replace

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.latex import to_latex
from motion_inversion.report.table import Cell, Column, Row, Table

NAN = float("nan")
SCORE = Estimate(0.5, 0.375, 0.625, 4, 2, 0)
DIFFERENCE = Estimate(-0.25, -0.5, -0.125, 4, 2, 0)
TABLE = Table(
    keys=("method", "loss"),
    columns=(Column("text_similarity", "v1", True, "text_similarity"),),
    rows=(
        Row(("none", None), 4, 2, (Cell(replace(SCORE, mean=0.4), None),)),
        Row(("ours", "50%&x"), 4, 2, (Cell(SCORE, DIFFERENCE, 0.0001),)),
    ),
    notes=("said_once",),
)


def test_one_table_by_hand() -> None:
    assert to_latex([TABLE]).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{llrrrrr}",
        r"\toprule",
        r"method & loss & samples & clips & text\_similarity $\uparrow$ & vs none & p \\",
        r"\midrule",
        r"none & -- & 4 & 2 & 0.400 [0.375, 0.625] & -- & -- \\",
        r"ours & 50\%\&x & 4 & 2 & \textbf{0.500} [0.375, 0.625] & $-$0.250 [$-$0.500, $-$0.125] & $<$0.001 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"% said_once",
    ]


def test_parts_are_blocks_of_the_first_tables_columns() -> None:
    camera = replace(TABLE, part="camera", rows=TABLE.rows[:1], notes=())
    lines = to_latex([TABLE, camera]).splitlines()
    assert [line for line in lines if "multicolumn" in line] == [
        r"\multicolumn{7}{l}{\emph{all}} \\",
        r"\multicolumn{7}{l}{\emph{camera}} \\",
    ]
    assert lines.count(r"\midrule") == 2
    # Nothing is compared in that part, but its line has as many columns as the others.
    assert {line.count("&") for line in lines if line.startswith("none")} == {6}
    assert sum(line.startswith(r"\begin{tabular}") for line in lines) == 1
