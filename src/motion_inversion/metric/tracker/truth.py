"""The true tracks of a scene of the shapes world, against which trackers are judged.

No tracker to choose in a configuration: only what was drawn has a truth, a generated clip has none.
"""

import torch

from motion_inversion.core.trajectory import Tracks
from motion_inversion.data.shapes.truth import true_tracks
from motion_inversion.data.shapes.world import Scene
from motion_inversion.metric.tracker.canvas import usual_grid


def truth(scene: Scene, size: int, grid: int | None = None) -> Tracks:
    """Where the points of a square grid on the first frame are in each, in pixels of a picture `size` wide.

    Args:
        scene: What is drawn.
        size: The picture's width and height.
        grid: Points per side; by default as many as `Dis` and `Lk` take, one every two pixels up to 55.
    """
    points, visible = true_tracks(scene, size, grid or usual_grid(size))
    return Tracks(torch.from_numpy(points), torch.from_numpy(visible))
