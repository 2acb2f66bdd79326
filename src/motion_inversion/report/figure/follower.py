"""What the report asks of a tracker whose trajectories it draws."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from motion_inversion.data.video import Video


@runtime_checkable
class Paths(Protocol):
    """What is known of n points in t frames: `points` (n, t, 2), column and row in pixels, `visible` (n, t) or None.

    Anything that NumPy makes an array of will do, so that a tracker's tensors pass without their library.
    """

    @property
    def points(self) -> Any: ...

    @property
    def visible(self) -> Any: ...


@runtime_checkable
class Follower(Protocol):
    """What finds the paths: a metric's tracker, which the configuration gives to the report."""

    def load(self, device: str) -> Callable[[Video], Paths]:
        """What finds the paths of points of the first frame."""
        ...
