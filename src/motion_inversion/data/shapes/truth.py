"""Where points of a shapes clip really go: tracks computed from the scene, not from its pictures."""

import numpy as np
from jaxtyping import Bool, Float

from motion_inversion.data.shapes.render import ANGLES, OUTLINES
from motion_inversion.data.shapes.world import SHAPES, Scene, Thing, project
from motion_inversion.error import InputError


def true_tracks(scene: Scene, size: int, grid: int) -> tuple[Float[np.ndarray, "n t 2"], Bool[np.ndarray, "n t"]]:
    """The true tracks of grid × grid points of the first frame of a scene drawn at `size` pixels.

    The points are the middles of the cells of a grid over the whole picture. Those on the object go with it,
    the others stay on the ground while the camera moves. A point is visible while it is inside the picture and,
    if it belongs to the ground, not behind the object; it may come back.

    Returns:
        points: (column, row) in pixels, whole at the centres of pixels; also where they aren't visible.
        visible: whether they are seen; all are in the first frame.

    Raises:
        InputError: for a grid or a size below 1.
    """
    if grid < 1 or size < 1:
        raise InputError(f"grid={grid} over {size} pixels: accepted are 1 and more; set grid=32")
    axis = (np.arange(grid) + 0.5) * 2 / grid - 1
    start = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    world = np.repeat(_placed(start, scene.camera[0])[:, None], scene.frames, axis=1)
    hidden = np.zeros(world.shape[:2], dtype=bool)
    if scene.thing is not None:
        path = scene.thing.path
        on = _covered(scene.thing, world[:, 0] - path[0])
        world[on] += path - path[0]
        hidden = ~on[:, None] & _covered(scene.thing, world - path)
    seen = project(world, scene.camera)
    points = (seen + 1) * size / 2 - 0.5
    return points, ~hidden & (np.abs(seen) <= 1).all(axis=-1)


def _placed(seen: Float[np.ndarray, "n 2"], camera: Float[np.ndarray, "4"]) -> Float[np.ndarray, "n 2"]:
    """The world points that a camera sees at these places: the inverse of `project`."""
    x, y, log_zoom, roll = camera
    cos, sin = np.cos(roll), np.sin(roll)
    turned = seen @ np.array([[cos, sin], [-sin, cos]])
    return turned / np.exp(log_zoom) + (x, y)


def _covered(thing: Thing, offset: Float[np.ndarray, "*b 2"]) -> Bool[np.ndarray, "*b"]:
    """Which points, given from the object's centre in the world, are inside its outline."""
    turn = (np.arctan2(offset[..., 1], offset[..., 0]) / (2 * np.pi)) % 1 * ANGLES
    outline = OUTLINES[SHAPES.index(thing.shape)].numpy()
    edge = np.interp(turn, np.arange(ANGLES + 1), np.append(outline, outline[0]))
    return np.hypot(offset[..., 0], offset[..., 1]) <= thing.radius * edge
