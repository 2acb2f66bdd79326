"""Owns the plot of two metrics against each other: a point with 95% intervals per row, labelled beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

from motion_inversion.report.estimate import Estimate
from motion_inversion.report.figure.font import families, legible
from motion_inversion.report.figure.series import Look, table_looks
from motion_inversion.report.figure.style import COLUMN, FAINT, WIDTH, blank, styled
from motion_inversion.report.table import Column, Table

_CLEAR = 0.04  # of a name's area may lie on something else
_FAR = (5, 14, 23, 32)  # points between a name and what it names
LEGIBLE = 12  # with more rows labels no longer find room, and a legend takes their place


@styled
def scatter(table: Table, x: str, y: str) -> Figure | None:
    """The rows of `table` by the metrics named `x` and `y`, in their first versions; None if it lacks one.

    Bars are the intervals of `Estimate`. Rows without a score in both are left out and counted below.
    """
    metrics = [column.name for column in table.columns]
    if x not in metrics or y not in metrics:
        return None
    across, up = metrics.index(x), metrics.index(y)
    rows = list(zip(table.rows, table_looks(table), strict=True))
    points = [
        _Point(look, row.cells[across].score, row.cells[up].score, row.kind == "published")
        for row, look in rows
        if row.kind in ("sample", "published")
    ]
    known = [point for point in points if not math.isnan(point.across.mean + point.up.mean)]
    crowded = len(known) > LEGIBLE
    size = (WIDTH, max(0.85 * COLUMN, 0.16 * len(known))) if crowded else (COLUMN, 0.85 * COLUMN)
    figure = blank(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=axis_label(table.columns[across]), ylabel=axis_label(table.columns[up]))
    for point in known:
        _draw(axes, point)
    for row, look in rows:
        if row.kind in ("floor", "ceiling") and not math.isnan(level := row.cells[up].score.mean):
            _level(axes, level, look.name)
    axes.margins(0.12)
    if left_out := len(points) - len(known):
        axes.set_title(f"{left_out} of {len(points)} rows lack a score", fontsize=6.5, color=FAINT, loc="right")
    if crowded:
        figure.legend(loc="outside right center", frameon=False, prop=_fonts(known))
    else:
        figure.draw_without_rendering()  # from here on what was laid out stays, and labels can be measured
        if not _label(axes, known):
            _drop_names(axes)
            figure.set_layout_engine("constrained")
            figure.set_size_inches(COLUMN, 0.85 * COLUMN + 0.16 * len(known))
            figure.legend(loc="outside lower center", frameon=False, prop=_fonts(known))
    return figure


@dataclass(frozen=True)
class _Point:
    look: Look
    across: Estimate
    up: Estimate
    hollow: bool

    @property
    def place(self) -> tuple[float, float]:
        return self.across.mean, self.up.mean

    @property
    def bars(self) -> tuple[Bbox, Bbox]:
        """Both intervals, in the units of the axes."""
        (left, right), (below, above) = reach(self.across), reach(self.up)
        x, y = self.place
        return Bbox([[x - left, y], [x + right, y]]), Bbox([[x, y - below], [x, y + above]])


def axis_label(column: Column) -> str:
    """The metric's name in words, and which way is better."""
    return f"{column.heading.replace('_', ' ')} {column.arrow}".rstrip()


def reach(estimate: Estimate) -> tuple[float, float]:
    """How far the interval goes below and above the mean; 0 where there is none."""
    if math.isnan(estimate.lower):
        return 0.0, 0.0
    return max(0.0, estimate.mean - estimate.lower), max(0.0, estimate.upper - estimate.mean)


def _draw(axes: Axes, point: _Point) -> None:
    axes.errorbar(
        point.across.mean,
        point.up.mean,
        xerr=np.reshape(reach(point.across), (2, 1)),
        yerr=np.reshape(reach(point.up), (2, 1)),
        fmt=point.look.marker,
        color=point.look.colour,
        markersize=5,
        markerfacecolor="white" if point.hollow else point.look.colour,
        markeredgecolor=point.look.colour if point.hollow else "white",
        markeredgewidth=0.6,
        elinewidth=0.9,
        label=legible(point.look.name),
    )


def _level(axes: Axes, level: float, words: str) -> None:
    axes.axhline(level, color=FAINT, linestyle=(0, (1, 2)), linewidth=0.9, zorder=1)
    where = axes.get_yaxis_transform()
    axes.text(1, level, words, transform=where, ha="right", va="bottom", fontsize=6, color=FAINT)


def _fonts(points: Sequence[_Point]) -> dict[str, Any]:
    return {"size": 6.5, "family": families("".join(point.look.name for point in points))}


def _drop_names(axes: Axes) -> None:
    for text in [text for text in axes.texts if isinstance(text, Annotation)]:
        text.remove()


def _label(axes: Axes, points: Sequence[_Point]) -> bool:
    """Puts each label where it covers least of the points, bars, labels and the border: near before far.

    Gives whether all found room; a label that a bar strikes through, or that the border cuts, has none.
    """
    clear = True
    pixel = axes.figure.dpi / 72
    marks = [axes.transData.transform(point.place) for point in points]
    taken = [Bbox.from_extents(x - 4 * pixel, y - 4 * pixel, x + 4 * pixel, y + 4 * pixel) for x, y in marks]
    taken += [bar.transformed(axes.transData).padded(pixel) for point in points for bar in point.bars]
    taken += [text.get_window_extent() for text in axes.texts]
    for point in points:
        places = [_name(axes, point, right, up, far) for far, right, up in product(_FAR, (1, -1, 0), (1, -1, 0))]
        costs = [_cover(text.get_window_extent(), taken, axes.bbox) + _offset(text) / 60 for text in places]
        best = places[int(np.argmin(costs))]
        for text in places:
            if text is not best:
                text.remove()
        clear = clear and bool(_cover(best.get_window_extent(), taken, axes.bbox) < _CLEAR)
        taken += [best.get_window_extent()] * 3  # a name over a name is worse than over a bar
        if _offset(best) > _FAR[0]:
            line = {"arrowstyle": "-", "color": point.look.colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
            leader = axes.annotate("", point.place, best.xyann, textcoords="offset points", arrowprops=line, zorder=2)
            leader.set_in_layout(False)
    return clear


def _name(axes: Axes, point: _Point, right: int, up: int, far: int) -> Annotation:
    """The point's name to its right (1), left (-1) or neither (0), above or below, so many points away."""
    text = axes.annotate(
        legible(point.look.name),
        point.place,
        (right * far, up * far),
        textcoords="offset points",
        ha=("center", "left", "right")[right],
        va=("center", "bottom", "top")[up],
        color=point.look.colour,
        fontsize=6.5,
        family=families(point.look.name),
        bbox={"facecolor": "white", "linewidth": 0, "pad": 0.5},  # lines to other names pass behind
    )
    text.set_in_layout(False)
    return text


def _offset(text: Annotation) -> float:
    """How far the name is from its point; one on the point itself is out of the question."""
    return float(max(map(abs, text.xyann))) or math.inf


def _cover(box: BboxBase, taken: Sequence[BboxBase], frame: BboxBase) -> float:
    """The share of a label's area that lies on what is taken or beyond the frame."""
    inside = Bbox.intersection(box, frame)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0)
    shared = [common for other in taken if (common := Bbox.intersection(box, other))]
    return (2 * outside + sum(max(1.0, c.width) * max(1.0, c.height) for c in shared)) / (box.width * box.height)
