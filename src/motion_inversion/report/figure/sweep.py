"""Owns the plot of metrics against a number that was swept, such as the iterations of the training."""

from collections.abc import Sequence
from math import isnan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.figure.scatter import axis_label, reach
from motion_inversion.report.figure.series import NEUTRAL, Look, looks, table_looks
from motion_inversion.report.figure.style import COLUMN, FAINT, WIDTH, blank, styled
from motion_inversion.report.figure.swept import number
from motion_inversion.report.group import Values
from motion_inversion.report.table import Row, Table


@styled
def sweep(table: Table, key: str) -> Figure:
    """A panel per metric: means with 95% intervals against `key`, a line for each combination of the others.

    Rows without the key, such as the frozen model, are a level line.
    """
    place = table.keys.index(key)
    others = tuple(other for other in table.keys if other != key)
    lines = _lines(table, place)
    groups = list(lines)
    bounds = [pair for pair in zip(table.rows, table_looks(table), strict=True) if pair[0].kind in ("floor", "ceiling")]
    dodges = np.linspace(-0.01, 0.01, len(groups)) * _span(table, place) * min(2, len(groups) - 1)
    panels = len(table.columns)
    figure = blank(figsize=(min(WIDTH, COLUMN * panels), 0.72 * COLUMN), layout="constrained")
    for column, axes in enumerate(figure.subplots(1, panels, squeeze=False)[0]):
        for rows, look, dodge in zip(lines.values(), looks(others, groups), dodges, strict=True):
            if rows[-1].values[place]:
                _line(axes, [(number(row.values[place]), row.cells[column].score) for row in rows], look, dodge)
            else:
                _level(axes, rows[0].cells[column].score, look.name, (4, 2))
        for row, look in bounds:
            _level(axes, row.cells[column].score, look.name, (1, 2))
        axes.set(xlabel=key.rpartition(".")[2].replace("_", " "), ylabel=axis_label(table.columns[column]))
        axes.set_xticks(sorted({x for row in table.rows if (x := number(row.values[place])) is not None}))
        axes.margins(x=0.06, y=0.12)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(2 * panels, len(labels)), frameon=False, fontsize=7
    )
    return figure


def _lines(table: Table, place: int) -> dict[Values, list[Row]]:
    """The rows that agree in all but the swept key, in its order."""
    lines: dict[Values, list[Row]] = {}
    own = [row for row in table.rows if row.kind == "sample"]
    for row in sorted(own, key=lambda row: number(row.values[place]) or 0.0):
        lines.setdefault(row.values[:place] + row.values[place + 1 :], []).append(row)
    return lines


def _line(axes: Axes, points: Sequence[tuple[float | None, Estimate]], look: Look, dodge: float) -> None:
    """Means with bars, a little to the side, so that the bars of several lines don't cover one another."""
    known = [(x + dodge, score) for x, score in points if x is not None and not isnan(score.mean)]
    axes.errorbar(
        [x for x, _ in known],
        [score.mean for _, score in known],
        yerr=np.reshape([reach(score) for _, score in known], (-1, 2)).T,
        fmt=f"-{look.marker}",
        color=look.colour,
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        elinewidth=0.9,
        label=look.name or "all",
    )


def _level(axes: Axes, score: Estimate, label: str, dashes: tuple[int, int]) -> None:
    if not isnan(score.mean):
        below, above = reach(score)
        axes.axhspan(score.mean - below, score.mean + above, color=NEUTRAL, alpha=0.14, linewidth=0)
        axes.axhline(score.mean, color=FAINT, linestyle=(0, dashes), linewidth=1, label=label)


def _span(table: Table, place: int) -> float:
    numbers = [x for row in table.rows if (x := number(row.values[place])) is not None]
    return max(numbers) - min(numbers)
