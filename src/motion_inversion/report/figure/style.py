"""Owns what all figures share: fonts, sizes, lines, and how they are saved."""

import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from motion_inversion.report.figure.font import PLAIN, WIDE, is_latin, register
from motion_inversion.report.figure.kept import FORMS, file_names
from motion_inversion.storage.file import replacing, sha256_of

WIDTH = 7.0  # inches: both columns of a paper
COLUMN = 3.4  # inches: one of them
DPI = 300
_TINY = 1e-6  # inches, far less than a dot: what rounding may take from a whole number of dots
INK = "#1A1A1A"
FAINT = "#6B7078"
RULE = "#D5D8DC"

# Neither time nor version, so that equal figures give equal bytes; level 3 packs frames in half the time of 6.
_OPTIONS: dict[str, Any] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    "pdf": {"metadata": {"CreationDate": None}},
}

RC: Any = {
    "font.family": [PLAIN, WIDE],
    "font.size": 7.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a prompt is a dollar
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.4,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "figure.facecolor": "white",
    "lines.linewidth": 1.3,
    "pdf.fonttype": 42,  # text stays text: journals refuse Type 3 fonts
}

register()
logging.getLogger("fontTools").setLevel(logging.WARNING)  # else it tells of each glyph it embeds

styled = matplotlib.rc_context(RC)
"""Decorates whatever draws: settings hold from the making of a figure to its saving, and nowhere else."""


@styled
def save(path: Path, figure: Figure) -> dict[str, str]:
    """Writes `path`.png and `path`.pdf, whole or not at all; equal figures give equal bytes.

    Returns: the checksum of each by its name.

    Raises:
        InputError: a file can't be written.
    """
    written = {}
    for name, form in zip(file_names(path.name), FORMS, strict=True):
        with replacing(path.with_name(name)) as part:
            figure.savefig(part, format=form, dpi=DPI, **_OPTIONS[form])
            written[name] = sha256_of(part)
    return written


def blank(**options: Any) -> Figure:
    """A figure with a canvas of its own: without one, each measuring of a text begins to save a picture."""
    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure


def sheet(height: float) -> tuple[Figure, Axes]:
    """An empty page in inches, across from the left and down from the top, for pictures and text; of whole dots."""
    height = math.ceil(height * DPI - _TINY) / DPI
    figure = blank(figsize=(WIDTH, height + _TINY), dpi=DPI)  # what is measured is as wide as what is saved
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(height, 0), autoscale_on=False)
    return figure, axes


def wrapped(axes: Axes, text: str, width: float, **style: Any) -> str:
    """`text` with line breaks such that each line is at most `width` inches wide; wider words are broken."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    probe = axes.text(0, 0, "", **style)

    room = width if is_latin(text) else 0.95 * width  # other fonts are hinted narrower on a screen than they print

    def fits(words: str) -> bool:
        probe.set_text(words)
        return bool(probe.get_window_extent().width / figure.dpi <= room)

    lines: list[str] = []
    for word in (part for whole in text.split() for part in _parts(whole, fits)):
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    probe.remove()
    return "\n".join(lines)


def _parts(word: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """A word, or the longest beginnings of it that fit, up to a comma if they have one.

    Scripts without spaces have words of any length.
    """
    while not fits(word):
        length = next((k for k in range(len(word) - 1, 1, -1) if fits(word[:k])), 1)
        if length == len(word):
            break
        length = word.rfind(",", 0, length) + 1 or length
        yield word[:length]
        word = word[length:]
    yield word
