"""Tables in LaTeX: their words, and that they fit."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from motion_inversion.report.cost import CostRow, CostTable, Spread
from motion_inversion.report.estimate import Estimate
from motion_inversion.report.latex import WIDTHS, Layout, to_latex
from motion_inversion.report.table import Cell, Column, Row, Table

NAN = float("nan")
SCORE = Estimate(0.5, 0.375, 0.625, 4, 2, 0)
DIFFERENCE = Estimate(-0.25, -0.5, -0.125, 4, 2, 0)
TABLE = Table(
    keys=("method", "loss"),
    columns=(Column("text_similarity", "v1", True, "text_similarity"),),
    rows=(
        Row(("none", None), 4, 2, (Cell(replace(SCORE, mean=0.4), None),)),
        Row(("motion_director", "50%&x"), 4, 2, (Cell(SCORE, DIFFERENCE, 0.5),)),
    ),
    notes=("said_once",),
)
METRICS = (
    Column("text_similarity", "1", True, "text_similarity"),
    Column("motion_fidelity", "1", True, "motion_fidelity"),
    Column("temporal_consistency", "1", True, "temporal_consistency"),
    Column("source_image_similarity", "1", False, "source_image_similarity", against_frozen=True),
    Column("source_text_similarity", "1", False, "source_text_similarity", against_frozen=True),
)
WIDE = Table(
    keys=("method", "noise"),
    columns=METRICS,
    rows=(
        Row(("unrelated", None), 24, 8, (Cell(SCORE, None),) * 5, "floor"),
        Row(("none", "lowpass_blend"), 24, 8, (Cell(SCORE, None),) * 5),
        Row(("motion_inversion", "lowpass_blend"), 24, 8, (Cell(replace(SCORE, mean=0.75), DIFFERENCE, 0.012),) * 5),
        Row(("Control-A-Video", None), 0, 0, (Cell(SCORE, None),) * 5, "published"),
    ),
)
COST = CostTable(("method",), (CostRow(("motion_inversion",), (Spread(5e6, 5e6, 5e6),) * 6),), "cost: said once")


def test_one_table_by_hand() -> None:
    assert to_latex([TABLE]).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{table*}[t]",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\caption{Mean scores [95\% interval over clips]; $n$: samples (clips). Bold: the best mean. "
        r"Below: mean difference to the frozen model of the same clip, prompt and seed.}",
        r"\label{tab:scores}",
        r"\par\smallskip",
        r"\begin{tabular}{llrr}",
        r"\toprule",
        r"method & loss & $n$ & \shortstack[r]{text \\ similarity $\uparrow$} \\",
        r"\midrule",
        r"frozen model & -- & 4 (2) & 0.400 [0.375, 0.625] \\",
        r"MotionDirector & 50\%\&x & 4 (2) & \textbf{0.500} [0.375, 0.625] \\",
        r" &  &  & $-$0.250, p $\leq$0.500 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
        r"% said_once",
    ]


def test_the_compact_layout_has_means_alone_and_explains_its_initials() -> None:
    lines = to_latex([WIDE], layout="compact").splitlines()
    assert r"\begin{table}[t]" in lines
    assert any(line.startswith(r"Motion Inversion & lowpass blend & \textbf{0.750} & \textbf{0.750}") for line in lines)
    assert not any("[" in line for line in lines if line.endswith(r"\\"))
    (caption,) = (line for line in lines if line.startswith(r"\caption"))
    assert r"$\Delta$SIS: source image similarity $-$ frozen model" in caption


def test_parts_are_blocks_of_the_first_tables_columns() -> None:
    camera = replace(TABLE, part="camera", rows=TABLE.rows[:1], notes=())
    lines = to_latex([TABLE, camera]).splitlines()
    assert [line for line in lines if "multicolumn" in line] == [
        r"\multicolumn{4}{l}{\emph{all}} \\",
        r"\multicolumn{4}{l}{\emph{camera}} \\",
    ]
    assert lines.count(r"\midrule") == 2
    assert {line.count("&") for line in lines if line.startswith("frozen")} == {3}
    assert sum(line.startswith(r"\begin{tabular}") for line in lines) == 1


def test_metrics_without_room_beside_the_others_stand_below_them() -> None:
    lines = to_latex([WIDE]).splitlines()
    titles = [line for line in lines if line.startswith("method")]
    assert len(titles) > 1
    assert sum(line.count("similarity") for line in titles) == 3
    assert sum(line.count("fidelity") + line.count("consistency") for line in titles) == 2
    assert sum(line.startswith(r"\begin{table*}") for line in lines) == 1
    assert sum(line.startswith("Motion Inversion & lowpass blend") for line in lines) == len(titles)


def test_what_has_no_room_on_a_page_goes_on_in_another_float_of_the_same_number() -> None:
    tall = [replace(WIDE, part=part) for part in ("all", "object", "camera", "hybrid")]
    tall = [replace(table, rows=table.rows * (40 // (4 * len(table.rows)) + 1)) for table in tall]
    floats = to_latex(tall).split(r"\begin{table*}")[1:]
    assert len(floats) > 1
    assert all(text.count(r"\begin{tabular}") == 1 for text in floats)
    assert [r"\addtocounter{table}{-1}" in text for text in floats] == [False] + [True] * (len(floats) - 1)
    assert [text.count(r"\label{") for text in floats] == [1] + [0] * (len(floats) - 1)
    assert len(to_latex([WIDE]).split(r"\begin{table*}")) == 2


@pytest.mark.parametrize("layout", ["table", "compact"])
def test_it_compiles_and_nothing_is_wider_than_its_room(tmp_path: Path, layout: Layout) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no LaTeX is installed (Debian: apt-get install texlive-latex-recommended)")
    text = to_latex([WIDE, replace(WIDE, part="camera")], COST, layout)
    page = rf"\documentclass{{article}}\usepackage{{booktabs}}\textwidth={WIDTHS[layout]}pt\begin{{document}}"
    (tmp_path / "page.tex").write_text(f"{page}\n{text}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "Float too large" not in done.stdout
