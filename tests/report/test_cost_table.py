"""The table of costs: what is averaged, and how it is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motion_inversion.report.collect import collect
from motion_inversion.report.cost import QUANTITIES, CostTable, Spread, costs
from motion_inversion.report.format import cost_lines, cost_to_csv, to_markdown
from motion_inversion.report.latex import to_latex
from motion_inversion.report.report import Report
from motion_inversion.report.table import tabulate

Put = Callable[..., Path]


def took(seconds: float, **further: Any) -> dict[str, Any]:
    return {"seconds": seconds, "memory": 100.0, "device": "cpu", **further}


@pytest.fixture
def cost(put: Put, tmp_path: Path) -> CostTable:
    """The frozen model, and a method with trainings of two clips, of which the first serves two samples."""
    put(method="none", cost={"training": None, "sampling": took(2.0), "evaluation": took(9.0)})
    first = took(10.0, parameters=2_500_000, size=3 * 2**20)
    put(cost={"training": first, "sampling": took(3.0)})
    put(seed=1, cost={"training": first, "sampling": took(5.0)})
    second = took(40.0, parameters=2_500_000, size=3 * 2**20)
    put(clip="pan", cost={"training": second, "sampling": took(4.0)})
    found = costs(collect(tmp_path).records, ("method",))
    assert found
    return found


def test_a_training_counts_once_and_a_control_has_none(cost: CostTable) -> None:
    none, ours = ({q.title: cell for q, cell in zip(QUANTITIES, row.cells, strict=True)} for row in cost.rows)
    assert [row.values for row in cost.rows] == [("none",), ("motion_inversion",)]
    assert none["trained parameters"] is none["fit (s)"] is none["fit memory (MiB)"] is none["state (MiB)"] is None
    assert none["sampling (s per clip)"] == Spread(2.0, 2.0, 2.0)
    assert ours["fit (s)"] == Spread(25.0, 10.0, 40.0)  # (10 + 40) / 2, although three samples name a training
    assert ours["sampling (s per clip)"] == Spread(4.0, 3.0, 5.0)
    assert ours["state (MiB)"] == Spread(3.0, 3.0, 3.0)
    assert "measured on cpu" in cost.note


def test_the_words_tell_the_range_where_there_is_one(cost: CostTable) -> None:
    titles, none, ours = cost_lines(cost)
    assert titles == ["method", *(quantity.title for quantity in QUANTITIES)]
    assert none == ["none", "–", "–", "–", "–", "2", "100"]
    assert ours == ["motion_inversion", "2,500,000", "25 (10–40)", "100", "3", "4 (3–5)", "100"]


def test_each_format_has_them(cost: CostTable, tmp_path: Path) -> None:
    records = collect(tmp_path).records
    table = tabulate(records, ("method",))
    markdown = to_markdown([table], cost)
    assert "## cost\n\n| method | trained parameters |" in markdown and markdown.endswith(f"- {cost.note}\n")
    latex = to_latex([table], cost).splitlines()
    assert r"Motion Inversion & 2,500,000 & 25 (10--40) & 100 & 3 & 4 (3--5) & 100 \\" in latex
    assert sum(line == r"\end{tabular}" for line in latex) == 2
    head, none, ours = cost_to_csv(cost).splitlines()
    assert head.startswith(
        "method,trained parameters mean,trained parameters least,trained parameters most,fit (s) mean,"
    )
    assert none == "none,,,,,,,,,,,,,2.0,2.0,2.0,100.0,100.0,100.0"
    assert ours.startswith("motion_inversion,2500000.0,2500000.0,2500000.0,25.0,10.0,40.0,")


def test_results_without_numbers_are_read(put: Put, tmp_path: Path) -> None:
    """From before fits noted what they made; and a record that nothing is known of."""
    put(cost={"training": took(10.0), "sampling": took(3.0)})
    put(seed=1)
    cost = costs(collect(tmp_path).records, ("method",))
    assert cost and cost_lines(cost)[1] == ["motion_inversion", "–", "10", "100", "–", "3", "100"]
    put(seed=2, method="other")
    nothing = [record for record in collect(tmp_path).records if record.seed]
    assert costs(nothing, ("method",)) is None
    table = tabulate(nothing)
    assert "cost" not in to_markdown([table]) and to_latex([table]).count("tabular") == 2


def test_the_report_writes_them(put: Put, tmp_path: Path) -> None:
    put(cost={"training": took(10.0, parameters=7, size=2**20), "sampling": took(3.0)})
    Report(tmp_path).run()
    target = tmp_path / "report"
    assert (target / "cost.csv").read_text().splitlines()[1].startswith("motion_inversion,7.0,")
    assert "trained parameters" in (target / "table.md").read_text()
    assert '"cost":{"lines":[["method","trained parameters"' in (target / "page" / "data.js").read_text()
