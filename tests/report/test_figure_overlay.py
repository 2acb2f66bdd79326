"""Tracks over frames: the colour of a step is its direction; rest and the unseen are left out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from motion_inversion.data.video import Video
from motion_inversion.report.figure.choice import Shown
from motion_inversion.report.figure.follower import Follower
from motion_inversion.report.figure.overlay import DIRECTION, LATTICE, overlay


@dataclass
class Known:
    """A tracker that knows where 8x8 pixels go: `paths` is points and what of them is seen."""

    points: Any
    visible: Any = None

    def load(self, device: str) -> Callable[[Video], "Known"]:
        return lambda video: self


VIDEO = np.full((4, 32, 32, 3), 128, dtype=np.uint8)


def moving(*steps: tuple[float, float]) -> Any:
    """Tracks over four frames from the lattice's first points on, each with its step in pixels."""
    starts = np.array([[1.1 + 3 * k, 10.0] for k in range(len(steps))])
    return starts[:, None] + np.arange(4)[:, None] * np.array(steps)[:, None]


def coloured(figure: Figure) -> list[Any]:
    """The colours of the steps of each frame, without the white below them, by colour."""
    lines: list[Any] = [item for item in figure.axes[0].collections if isinstance(item, PathCollection)]
    assert all(np.all(item.get_edgecolors()[0] == 1) for item in lines)
    counts = [[len(np.asarray(path.vertices)) // 2 for path in item.get_paths()] for item in lines]
    assert all(all_ == sum(each) for all_, *each in counts)  # the white ones lie below all
    return [np.repeat(item.get_edgecolors()[1:], each, axis=0) for item, (_, *each) in zip(lines, counts, strict=True)]


@pytest.mark.parametrize(("step", "turn"), [((2, 0), 0.0), ((0, 2), 0.25), ((-2, 0), 0.5), ((0, -2), 0.75)])
def test_a_direction_has_its_colour(step: tuple[float, float], turn: float) -> None:
    figure = overlay([Shown("source", "a", VIDEO)], Known(moving(step)), count=4)
    *_, last = coloured(figure)
    assert len(last) == 3
    assert np.allclose(last, DIRECTION(turn), atol=0.01)


def test_steps_of_several_directions_keep_their_places() -> None:
    figure = overlay([Shown("source", "a", VIDEO)], Known(moving((2, 0), (0, 2), (2, 0))), count=4)
    *_, last = (item for item in figure.axes[0].collections if isinstance(item, PathCollection))
    white, *others = (np.asarray(path.vertices).reshape(-1, 2, 2) for path in last.get_paths())
    across = {k for k, lines in enumerate(others) for line in lines if line[0, 1] == line[1, 1]}
    assert len(white) == 9
    assert sorted(map(len, others)) == [3, 6]
    assert [len(others[k]) for k in across] == [6]
    assert sorted(map(tuple, white.reshape(-1, 4))) == sorted(tuple(line.ravel()) for lines in others for line in lines)


def test_rest_is_left_out_and_so_are_unseen_steps() -> None:
    seen = np.ones((2, 4), dtype=bool)
    seen[0, 2] = False  # takes the second and the third step from the first track
    figure = overlay([Shown("source", "a", VIDEO)], Known(moving((2, 0), (0.01, 0)), seen), count=4)
    assert [len(colours) for colours in coloured(figure)] == [0, 1, 1, 1]


def test_of_many_tracks_one_per_square_is_drawn() -> None:
    starts = np.stack(np.meshgrid(np.arange(32.0), np.arange(32.0)), -1).reshape(-1, 1, 2)
    points = starts + np.arange(4)[None, :, None] * np.array([1.0, 0.0])
    figure = overlay([Shown("source", "a", VIDEO)], Known(points), count=4)
    assert len(coloured(figure)[-1]) == 3 * LATTICE**2


def test_rows_without_video_are_left_alone() -> None:
    figure = overlay([Shown("source", "a", None)], Known(moving((2, 0))))
    assert coloured(figure) == []


def test_a_metrics_tracker_is_one() -> None:
    from motion_inversion.metric.tracker.dis import Dis

    tracker: Follower = Dis(grid=8)
    assert isinstance(tracker, Follower)
    figure = overlay([Shown("source", "a", np.roll(_blob(), 0, axis=1))], tracker, count=2)
    assert figure.axes


def _blob() -> Video:
    video = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    for frame in range(4):
        video[frame, 8:20, 4 + 3 * frame : 16 + 3 * frame] = 200
    return video
