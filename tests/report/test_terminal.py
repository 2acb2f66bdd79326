"""A table on a terminal."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from motion_inversion.report.collect import collect
from motion_inversion.report.estimate import Estimate
from motion_inversion.report.table import Cell, Column, Row, Table, tabulate
from motion_inversion.report.terminal import brief, show

NAN = float("nan")
Put = Callable[..., Path]


def table(metrics: int) -> Table:
    """So many metrics; the frozen model, and a method that is compared with it."""
    columns = tuple(Column(f"metric_{k}", "v1", True, f"metric_{k}") for k in range(metrics))
    frozen = Cell(Estimate(0.25, 0.125, 0.5, 4, 2, 0), None)
    ours = Cell(Estimate(0.5, 0.375, 0.625, 4, 2, 1), Estimate(0.25, -0.125, 0.75, 4, 2, 0), 0.5)
    rows = (Row(("none", None), 4, 2, (frozen,) * metrics), Row(("ours", "mse"), 4, 2, (ours,) * metrics))
    return Table(("method", "loss"), columns, rows, notes=("metric_0: version v1", "said once"))


def shown(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as caught:
        show(table, console)
    return [line.rstrip() for line in caught.get().splitlines()]


def test_scores_stand_below_their_titles_and_differences_below_scores() -> None:
    lines = shown(table(1), 100)
    title, score, below = (next(line for line in lines if word in line) for word in ("metric_0", "ours", "+0.250"))
    assert title.index("metric_0 ↑") == score.index("0.500 [0.375, 0.625] (1 missing)")
    assert below.strip() == "+0.250 [-0.125, +0.750]"
    assert lines[lines.index(below) + 1].strip() == "p ≤0.500"
    assert score.split()[:4] == ["ours", "mse", "4", "(2)"]
    assert "said once" in lines and not any("version" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_metrics_without_room_stand_in_blocks_below(width: int) -> None:
    lines = shown(table(4), width)
    assert max(map(len, lines)) <= width
    for k in range(4):
        assert sum(f"metric_{k} ↑" in line for line in lines) == 1
    heads = [line for line in lines if line.startswith("method")]
    assert len(heads) == {60: 4, 80: 4, 100: 2, 200: 1}[width]
    assert sum(line.startswith("ours") for line in lines) == len(heads)


def test_a_column_wider_than_the_terminal_is_shown_all_the_same() -> None:
    assert any(line.startswith("ours") and "0.500 [0.375, 0.625]" in line for line in shown(table(1), 20))


def test_a_row_without_samples_has_no_count() -> None:
    printed = Row(("theirs", None), 0, 0, (Cell(Estimate(0.375, NAN, NAN, 0, 0, 0), None),), "published")
    whole = table(1)
    lines = shown(Table(whole.keys, whole.columns, (*whole.rows, printed)), 100)
    [line] = [line for line in lines if line.startswith("theirs")]
    assert line.split() == ["theirs", "(published)", "–", "–", "0.375"]


def test_means_by_each_axis_and_the_best_row(put: Put, tmp_path: Path) -> None:
    scores = {("mse", "all"): 0.5, ("mse", "deep"): 0.25, ("vmc", "all"): 1.0, ("vmc", "deep"): 0.25}
    for (loss, layout), score in scores.items():
        put(axes={"loss": loss, "layout": layout}, metrics={"motion_fidelity": score})
    records = collect(tmp_path).records
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as caught:
        brief(tabulate(records), records, console)
    words = [line.split() for line in caught.get().splitlines()]
    assert ["loss", "mse", "2", "(1)", "0.375"] in words
    assert ["loss", "vmc", "2", "(1)", "0.625"] in words
    assert ["layout", "all", "2", "(1)", "0.750"] in words
    assert ["layout", "deep", "2", "(1)", "0.250"] in words
    best = [line for line in caught.get().splitlines() if line.startswith("best")]
    assert len(best) == 1 and best[0].startswith("best motion_fidelity ↑: 1.000, ")
    assert "loss vmc" in best[0] and "layout all" in best[0] and best[0].endswith("n 1 (1)")


def test_nothing_is_printed_where_nothing_varies(put: Put, tmp_path: Path) -> None:
    put()
    records = collect(tmp_path).records
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as caught:
        brief(tabulate(records), records, console)
    assert caught.get() == ""
