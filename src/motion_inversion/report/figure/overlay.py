"""Owns trajectories drawn over frames: where points of the first frame went until each frame shown."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, Wedge
from matplotlib.path import Path

from motion_inversion.data.video import Video
from motion_inversion.report.figure.choice import Shown
from motion_inversion.report.figure.comparison import HEADING, MARGIN, comparison
from motion_inversion.report.figure.follower import Follower, Paths
from motion_inversion.report.figure.style import FAINT, WIDTH, styled

MOVING = 0.01  # of the frame's diagonal: tracks within a smaller box are left out, as motion fidelity does
LATTICE = 14  # points over the longer side
TRAIL = 4  # steps that are seen behind a point
VEIL = 0.5  # how much of a frame's contrast gives way to the tracks

# Right, down, left, up. Opposite directions differ in hue as well as lightness, also to colour-blind eyes.
DIRECTION: Colormap = LinearSegmentedColormap.from_list(
    "direction", ["#0A6FC2", "#6A1B5D", "#F08A00", "#3FB58B", "#0A6FC2"]
)


@styled
def overlay(rows: Sequence[Shown], tracker: Follower, count: int = 6) -> Figure:
    """The rows of `choose` as in `comparison`, each frame under the last steps of the tracks that led to it.

    The colour of a step is its direction, as the wheel in the corner says: rows that move alike have like
    colours at like times. Tracks that rest and steps that aren't seen are left out.
    """
    follow = tracker.load("cpu")
    drawn = {id(row): _segments(follow(row.video), row.video) for row in rows if row.video is not None}

    def draw(axes: Axes, row: Shown, frame: int, corner: tuple[float, float], scale: float) -> None:
        assert row.video is not None
        _, height, width, _ = row.video.shape
        frame_box = Rectangle(corner, width * scale, height * scale, color="white", alpha=VEIL, linewidth=0)
        axes.add_patch(frame_box)
        segments, seen = drawn[id(row)]
        recent = slice(max(0, frame - TRAIL), frame)
        shown = segments[:, recent][seen[:, recent]]
        heads = segments[:, frame - 1][seen[:, frame - 1]][:, 1] if frame else segments[:, 0, 0]
        place = np.array(corner)
        lines = _lines(shown, place + (shown + 0.5) * scale)
        lines.set_clip_path(Rectangle(corner, width * scale, height * scale, transform=axes.transData))
        axes.add_collection(lines, autolim=False)
        axes.plot(*(place + (heads + 0.5) * scale).T, "o", color="#1A1A1A", markersize=1.1, markeredgewidth=0)

    figure = comparison(rows, count, draw)
    _wheel(figure.axes[0])
    return figure


def _segments(paths: Paths, video: Video) -> tuple[Float[np.ndarray, "n s 2 2"], Bool[np.ndarray, "n s"]]:
    """The steps of the moving tracks, and which of them are seen at both ends."""
    points = np.asarray(paths.points, dtype=np.float64)
    seen = np.asarray(np.isfinite(points).all(-1))
    if paths.visible is not None:
        seen &= np.asarray(paths.visible, dtype=bool)
    known = np.where(seen[..., None], points, np.nan)
    some = seen.any(axis=1)
    extent = np.zeros(len(points))
    extent[some] = np.linalg.norm(np.nanmax(known[some], axis=1) - np.nanmin(known[some], axis=1), axis=1)
    moving = extent > MOVING * math.hypot(*video.shape[1:3])
    kept = _lattice(points[:, 0], video.shape[1:3])
    kept = kept[moving[kept]]
    steps = np.stack([points[kept, :-1], points[kept, 1:]], axis=2)
    return steps, seen[kept, :-1] & seen[kept, 1:]


def _lattice(starts: Float[np.ndarray, "n 2"], size: tuple[int, ...]) -> Int[np.ndarray, " k"]:
    """The number of the point nearest to the middle of each square of the frame: trackers follow more than one sees."""
    square = max(size) / LATTICE
    cells = np.floor(np.nan_to_num(starts) / square)
    middle = (cells + 0.5) * square
    order = np.argsort(np.linalg.norm(starts - middle, axis=1))
    _, first = np.unique(cells[order], axis=0, return_index=True)
    return np.sort(order[first])


def _lines(steps: Float[np.ndarray, "k 2 2"], lines: Float[np.ndarray, "k 2 2"]) -> PathCollection:
    """The lines of steps, white ones below, as one path for each colour: a path for each step takes twice the time."""
    colours = _colour(steps)
    used = np.unique(colours)
    paths = [_path(lines), *(_path(lines[colours == colour]) for colour in used)]
    edges = np.concatenate([np.ones((1, 4)), DIRECTION(used)])
    widths = [1.9, *[1.0] * len(used)]
    return PathCollection(paths, facecolors="none", edgecolors=edges, linewidths=widths, capstyle="round")


def _path(lines: Float[np.ndarray, "k 2 2"]) -> Path:
    path = Path(lines.reshape(-1, 2), np.tile([Path.MOVETO, Path.LINETO], len(lines)))
    path.should_simplify = False  # which would take short lines for one
    return path


def _colour(steps: Float[np.ndarray, "k 2 2"]) -> Int[np.ndarray, " k"]:
    """The number of the colour of each step."""
    across, down = (steps[:, 1] - steps[:, 0]).T
    return (np.arctan2(down, across) / (2 * math.pi) % 1 * DIRECTION.N).astype(int)


def _wheel(axes: Axes, parts: int = 48) -> None:
    """The key in the corner: each sector has the colour of steps that point its way."""
    radius = 0.075
    middle = WIDTH - MARGIN - radius - 0.01, HEADING / 2
    for start in np.arange(parts) / parts:
        colour = DIRECTION((start + 0.5 / parts) % 1)
        axes.add_patch(Wedge(middle, radius, 360 * start, 360 * (start + 1.5 / parts), width=0.045, color=colour, lw=0))
    axes.text(middle[0] - radius - 0.05, middle[1], "direction", ha="right", va="center", fontsize=6.5, color=FAINT)
