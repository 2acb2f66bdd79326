"""Plots of a table: what stands where, with which interval and which name."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.figure.scatter import scatter
from motion_inversion.report.figure.sweep import sweep
from motion_inversion.report.figure.swept import swept
from motion_inversion.report.table import Cell, Column, Kind, Row, Table

NAN = float("nan")
COLUMNS = (Column("text", "v1", True, "text_similarity"), Column("motion", "v1", True, "motion_fidelity"))


def row(values: tuple[str | None, ...], text: float, motion: float, kind: Kind = "sample") -> Row:
    cells = (Estimate(text, text - 0.1, text + 0.2, 8, 4, 0), Estimate(motion, NAN, NAN, 8, 4, 0))
    return Row(values, 8, 4, tuple(Cell(cell, None) for cell in cells), kind)


def plotted(figure: Figure, panel: int = 0) -> dict[str, ErrorbarContainer]:
    found = [item for item in figure.axes[panel].containers if isinstance(item, ErrorbarContainer)]
    return {str(item.get_label()): item for item in found}


def test_points_have_their_scores_and_intervals() -> None:
    table = Table(("method",), COLUMNS, (row(("none",), 0.3, 0.2), row(("ours",), 0.2, 0.9)))
    figure = scatter(table, "text", "motion")
    assert figure is not None
    line, _, (across, up) = plotted(figure)["ours"]
    assert line.get_xydata().tolist() == [[0.2, 0.9]]
    assert np.allclose(across.get_segments(), [[[0.1, 0.9], [0.4, 0.9]]])
    assert np.allclose(up.get_segments(), [[[0.2, 0.9], [0.2, 0.9]]])  # no interval, no bar
    assert figure.axes[0].get_xlabel() == "text similarity ↑"
    assert {text.get_text() for text in figure.axes[0].texts} - {""} == {"no customisation", "ours"}


def test_names_do_not_cover_one_another() -> None:
    rows = tuple(row((f"method {k}",), 0.3 + 0.01 * k, 0.5) for k in range(8))
    figure = scatter(Table(("method",), COLUMNS, rows), "text", "motion")
    assert figure is not None
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == 8
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_names_that_points_or_bars_would_strike_through_are_a_legend() -> None:
    rows = tuple(row((f"a method whose name has room nowhere, number {k}",), 0.3, 0.5 + 0.001 * k) for k in range(10))
    figure = scatter(Table(("method",), COLUMNS, rows), "text", "motion")
    assert figure is not None
    assert len(figure.legends[0].get_texts()) == 10
    assert not any(text.get_text() for text in figure.axes[0].texts)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= -1
    assert box.x1 <= figure.bbox.width + 1
    assert box.y0 >= -1


def test_many_rows_have_a_legend_that_fits() -> None:
    rows = tuple(row((f"method {k}",), 0.3, 0.5) for k in range(20))
    figure = scatter(Table(("method",), COLUMNS, rows), "text", "motion")
    assert figure is not None
    assert len(figure.legends[0].get_texts()) == 20
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x1 <= figure.bbox.width + 1
    assert box.y0 >= -1


def test_bounds_are_lines_and_published_rows_say_so() -> None:
    rows = (
        row(("unrelated", None), NAN, 0.1, "floor"),
        row(("ours", "mse"), 0.2, 0.9),
        row(("TokenFlow", None), 0.27, 0.97, "published"),
    )
    figure = scatter(Table(("method", "loss"), COLUMNS, rows), "text", "motion")
    assert figure is not None
    assert set(plotted(figure)) == {"ours, loss mse", "TokenFlow (published)"}
    assert "unrelated clip" in {text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[0].get_title(loc="right") == ""


def test_rows_without_a_score_are_counted_and_a_missing_metric_makes_no_plot() -> None:
    table = Table(("method",), COLUMNS, (row(("a",), NAN, 0.2), row(("b",), 0.2, 0.9)))
    figure = scatter(table, "text", "motion")
    assert figure is not None
    assert figure.axes[0].get_title(loc="right") == "1 of 2 rows lack a score"
    assert scatter(table, "text", "leakage") is None


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("iterations", ("100", "800"), ["iterations"]),
        ("iterations", ("100", "100"), []),
        ("loss", ("mse", "1"), []),
        ("seed", ("0", "1"), []),
    ],
)
def test_what_is_swept_are_numbers_but_no_seeds(key: str, values: tuple[str, str], expected: list[str]) -> None:
    table = Table((key,), COLUMNS, tuple(row((value,), 0.1, 0.2) for value in values))
    assert swept(table) == expected


def test_a_sweep_is_a_line_in_order_of_its_numbers_and_the_control_is_level() -> None:
    rows = (
        row(("none", None), 0.5, 0.1),
        row(("ours", "800"), 0.2, 0.9),
        row(("ours", "100"), 0.3, 0.6),
    )
    figure = sweep(Table(("method", "iterations"), COLUMNS, rows), "iterations")
    text, motion = (plotted(figure, panel)["ours"][0].get_xydata() for panel in (0, 1))
    assert np.allclose(text[:, 1], [0.3, 0.2])
    assert np.allclose(motion[:, 1], [0.6, 0.9])
    assert np.allclose(text[:, 0], [100, 800], atol=15)  # a little aside, so that bars don't cover one another
    levels = [line for line in figure.axes[1].lines if line.get_label() == "no customisation"]
    assert [np.asarray(line.get_ydata()).tolist()[0] for line in levels] == [0.1]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["100", "800"]
