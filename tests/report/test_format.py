"""How tables are written."""

import csv
import io

import pytest

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.format import to_csv, to_markdown, to_text
from motion_inversion.report.table import Cell, Column, Row, Table

NAN = float("nan")


@pytest.fixture
def table() -> Table:
    columns = (Column("text", "v1", True, "text"), Column("leak", "v2", False, "leak"))
    control = Estimate(0.25, 0.125, 0.5, 4, 2, 0)
    score = Estimate(0.5, 0.375, 0.625, 3, 1, 1)
    difference = Estimate(0.25, -0.125, 0.75, 4, 2, 0)
    lonely = Estimate(0.75, NAN, NAN, 1, 1, 0)
    nothing = Estimate(NAN, NAN, NAN, 0, 0, 4)
    return Table(
        keys=("method", "loss"),
        columns=columns,
        rows=(
            Row(("none", None), 4, 2, (Cell(control, None), Cell(lonely, None))),
            Row(("ours", "a|b"), 4, 2, (Cell(score, difference), Cell(nothing, None))),
        ),
        notes=("said once",),
    )


def test_markdown_by_hand(table: Table) -> None:
    assert to_markdown(table).splitlines() == [
        "| method | loss | samples | clips | text ↑ | vs none | leak ↓ |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        "| none | – | 4 | 2 | 0.250 [0.125, 0.500] | – | 0.750 |",
        r"| ours | a\|b | 4 | 2 | **0.500** ± 0.125 (1 missing) | +0.250 [-0.125, +0.750] | – (4 missing) |",
        "",
        "- said once",
    ]


def test_text_is_aligned(table: Table) -> None:
    header, rule, first, second, _, note = to_text(table).splitlines()
    words = {"loss": "a|b", "text": "0.500", "vs none": "+0.250", "leak": "– (4"}
    assert [header.index(title) for title in words] == [second.index(word) for word in words.values()]
    assert first.index("0.750") == header.index("leak")
    assert set(rule) == {"-"}
    assert "*" not in second
    assert note == "said once"


def test_csv_reads_back(table: Table) -> None:
    first, second = csv.DictReader(io.StringIO(to_csv(table)))
    assert (first["method"], first["loss"], second["loss"]) == ("none", "", "a|b")
    assert [float(second[f"text {key}"]) for key in ("mean", "lower", "upper")] == [0.5, 0.375, 0.625]
    assert (second["text version"], second["text clips"], second["text missing"]) == ("v1", "1", "1")
    assert (float(second["text difference mean"]), first["text difference mean"]) == (0.25, "")
    assert (second["leak mean"], second["leak missing"]) == ("", "4")
