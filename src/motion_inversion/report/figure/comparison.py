"""Owns the comparison of a clip: the source's frames on top, then those of each prompt and method."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from motion_inversion.data.picture import spread
from motion_inversion.report.figure.choice import Shown
from motion_inversion.report.figure.font import families, is_latin, legible
from motion_inversion.report.figure.raster import Raster
from motion_inversion.report.figure.style import DPI, FAINT, INK, WIDTH, sheet, styled, wrapped

# (axes, row, frame's number, left and top in inches, inches to a pixel): what is drawn over a frame
Overlay: TypeAlias = Callable[[Axes, Shown, int, tuple[float, float], float], None]

LABEL = 1.02  # inches for the labels on the left
GAP = 0.03
HEADING = 0.24  # inches for the line that says a prompt
MARGIN = 0.04
EMPTY = "#F1F2F4"  # the grey of frames that are missing


@styled
def comparison(rows: Sequence[Shown], count: int = 8, overlay: Overlay | None = None) -> Figure:
    """The rows as `choose` gives them: `count` frames evenly out of all, labels left, prompts above.

    A row without video is there in grey and says "missing".
    """
    shape = next((row.video.shape for row in rows if row.video is not None), (count, 64, 64, 3))
    count = min(count, shape[0])
    wide = _whole((WIDTH - LABEL - MARGIN - (count - 1) * GAP) / count)
    high = [_whole(wide * _aspect(row, shape)) for row in rows]
    groups = [list(members) for _, members in groupby(enumerate(rows), key=lambda pair: pair[1].prompt)]
    figure, axes = sheet(sum(high) + GAP * len(rows) + HEADING * len(groups) + MARGIN)
    raster = Raster(figure)
    axes.add_artist(raster)
    top = 0.0
    for members in groups:
        heading = legible(f"“{members[0][1].prompt}”")
        slant = "italic" if is_latin(heading) else "normal"
        style = {"fontsize": 7.5, "style": slant, "color": INK, "family": families(heading)}
        axes.text(LABEL, top + HEADING - 0.07, _cut(axes, heading, style), va="baseline", **style)
        top += HEADING
        for k, row in members:
            label = legible(row.label)
            style = {"fontsize": 7.5, "family": families(label)}
            words = wrapped(axes, label, LABEL - 0.12, **style)
            axes.text(LABEL - 0.08, top + high[k] / 2, words, ha="right", va="center", **style)
            for column, left in enumerate(LABEL + n * (wide + GAP) for n in range(count)):
                _frame(axes, raster, row, column, (left, top, wide, high[k]), count, overlay)
            top += high[k] + GAP
    return figure


def _frame(
    axes: Axes,
    raster: Raster,
    row: Shown,
    column: int,
    box: tuple[float, float, float, float],
    count: int,
    overlay: Overlay | None,
) -> None:
    left, top, wide, high = box
    if row.video is None:
        axes.fill_between([left, left + wide], top, top + high, color=EMPTY, linewidth=0)
        if column == 0:
            axes.text(left + wide / 2, top + high / 2, "missing", ha="center", va="center", color=FAINT, fontsize=7)
        return
    index = spread(len(row.video), count)[column]
    raster.put(row.video[index], left, top, wide, high)
    if overlay:
        overlay(axes, row, index, (left, top), wide / row.video.shape[2])


def _aspect(row: Shown, shape: tuple[int, ...]) -> float:
    _, height, width, _ = shape if row.video is None else row.video.shape
    return height / width


def _whole(inches: float) -> float:
    """The length in whole dots, so that every frame begins and ends with one."""
    return max(1, int(inches * DPI)) / DPI


def _cut(axes: Axes, text: str, style: dict[str, object]) -> str:
    """The text if it fits on the line, else its beginning."""
    first, *rest = wrapped(axes, text, WIDTH - LABEL - 0.2, **style).split("\n")
    return f"{first} …”" if rest else first
