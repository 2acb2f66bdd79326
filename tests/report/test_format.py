"""How tables are written."""

import csv
import io
from dataclasses import replace

import pytest

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.format import to_csv, to_markdown
from motion_inversion.report.table import Cell, Column, Row, Table

NAN = float("nan")
PRINTED = Estimate(0.375, NAN, NAN, 0, 0, 0)
NOTHING = Estimate(NAN, NAN, NAN, 0, 0, 4)


@pytest.fixture
def table() -> Table:
    columns = (Column("text", "v1", True, "text"), Column("leak", "v2", False, "leak", against_frozen=True))
    frozen = Estimate(0.25, 0.125, 0.5, 4, 2, 0)
    score = Estimate(0.5, 0.375, 0.625, 3, 1, 1)
    difference = Estimate(0.25, -0.125, 0.75, 4, 2, 0)
    lonely = Estimate(0.75, NAN, NAN, 1, 1, 0)
    return Table(
        keys=("method", "loss"),
        columns=columns,
        rows=(
            Row(("none", None), 4, 2, (Cell(frozen, None), Cell(lonely, None))),
            Row(("ours", "a|b"), 4, 2, (Cell(score, difference, 0.5), Cell(NOTHING, None))),
            Row(("theirs", None), 0, 0, (Cell(PRINTED, None), Cell(replace(PRINTED, mean=NAN), None)), "published"),
        ),
        notes=("said once",),
    )


def test_markdown_by_hand(table: Table) -> None:
    assert to_markdown([table]).splitlines() == [
        "| method | loss | samples | clips | text ↑ | vs none | p | leak − frozen model ↓ |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| none | – | 4 | 2 | 0.250 [0.125, 0.500] | – | – | 0.750 |",
        r"| ours | a\|b | 4 | 2 | **0.500** ± 0.125 (1 missing) | +0.250 [-0.125, +0.750] | ≤0.500 | – (4 missing) |",
        "| theirs (published) | – | – | – | 0.375 | – | – | – |",
        "",
        "- said once",
    ]


def test_parts_stand_below_one_another_under_headings(table: Table) -> None:
    camera = replace(table, part="camera", notes=(), rows=table.rows[:1])
    lines = to_markdown([table, camera]).splitlines()
    assert [line for line in lines if line.startswith("##")] == ["## all", "## camera"]
    assert lines[-1] == "- said once"
    assert sum("| none |" in line for line in lines) == 2


def test_a_small_p_is_bounded_and_without_any_there_is_no_column(table: Table) -> None:
    frozen, ours, theirs = table.rows

    def with_p(p: float) -> str:
        cells = (replace(ours.cells[0], p=p), ours.cells[1])
        return to_markdown([replace(table, rows=(frozen, replace(ours, cells=cells), theirs))])

    assert "| <0.001 |" in with_p(0.0004)
    assert "| 0.510 |" in with_p(0.51)
    assert "| ≤0.500 |" in with_p(0.5)  # two clips give no less
    assert "| p |" not in with_p(NAN).splitlines()[0]


def test_what_rounds_to_zero_has_no_sign(table: Table) -> None:
    tiny = Cell(Estimate(-0.0004, -0.001, -0.0002, 4, 2, 0), None)
    row = Row(("none", None), 4, 2, (tiny, tiny))
    assert "| 0.000 [-0.001, 0.000] |" in to_markdown([replace(table, rows=(row,))])


@pytest.mark.parametrize(
    ("mean", "words"),
    [(0.9999, "0.9999"), (0.99994, "0.9999"), (0.999996, "0.999996"), (1.0, "1.000"), (-0.9999, "-0.9999")],
)
def test_what_is_nearly_1_is_not_called_1(table: Table, mean: float, words: str) -> None:
    row = Row(("none", None), 1, 1, (Cell(Estimate(mean, NAN, NAN, 1, 1, 0), None),) * 2)
    assert f"| {words} |" in to_markdown([replace(table, rows=(row,))])


def test_csv_reads_back(table: Table) -> None:
    first, second, third, fourth = csv.DictReader(io.StringIO(to_csv([table, replace(table, rows=table.rows[:1])])))
    assert (first["method"], first["loss"], second["loss"]) == ("none", "", "a|b")
    assert [float(second[f"text {key}"]) for key in ("mean", "lower", "upper")] == [0.5, 0.375, 0.625]
    assert (second["text version"], second["text clips"], second["text missing"]) == ("v1", "1", "1")
    assert (float(second["text difference mean"]), first["text difference mean"]) == (0.25, "")
    assert (second["text difference p"], first["text difference p"]) == ("0.5", "")
    assert (second["leak mean"], second["leak missing"]) == ("", "4")
    assert (third["kind"], third["text mean"], third["text lower"]) == ("published", "0.375", "")
    assert (fourth["part"], fourth["method"]) == ("all", "none")
