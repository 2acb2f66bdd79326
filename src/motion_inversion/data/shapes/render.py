"""Draws scenes of the shapes world as video, many at once, on any device."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motion_inversion.data.shapes.world import COLOURS, SHAPES, TEXTURES, Scene

ANGLES = 720  # resolution of the shapes' outlines


def _corners(shape: str) -> Float[np.ndarray, "n 2"]:
    """The polygon of a shape inscribed in the unit circle, y down."""

    def ring(degrees: Sequence[float], radii: Sequence[float]) -> np.ndarray:
        turn = np.radians(np.asarray(degrees) - 90)  # 0 points up
        return np.asarray(radii)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)

    if shape == "square":
        return ring([45.0, 135.0, 225.0, 315.0], [1.0] * 4)
    if shape == "triangle":
        return ring([0.0, 120.0, 240.0], [1.0] * 3)
    if shape == "star":
        return ring([36.0 * k for k in range(10)], [1.0, 0.42] * 5)
    arm, inner = math.degrees(math.atan2(0.32, 0.95)), 0.32 * math.sqrt(2)
    degrees = [90.0 * k + part for k in range(4) for part in (-arm, arm, 45.0)]
    return ring(degrees, [1.0, 1.0, inner] * 4)


def _outline(shape: str) -> Float[np.ndarray, "angle"]:
    """Distance from the centre to the edge in every direction: all shapes here are star-shaped."""
    if shape == "circle":
        return np.full(ANGLES, 0.88)
    corners = _corners(shape)
    turn = np.arange(ANGLES) * 2 * math.pi / ANGLES
    ray = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    start, edge = corners, np.roll(corners, -1, axis=0) - corners
    # Ray r·u meets start + t·edge where r = (start × edge)/(u × edge) and t = (start × u)/(u × edge).
    cross = ray[:, None, 0] * edge[:, 1] - ray[:, None, 1] * edge[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (start[:, 0] * edge[:, 1] - start[:, 1] * edge[:, 0]) / cross
        t = (start[:, 0] * ray[:, None, 1] - start[:, 1] * ray[:, None, 0]) / cross
    return np.where((t >= -1e-9) & (t <= 1 + 1e-9) & (r > 0), r, np.inf).min(axis=1)


OUTLINES = torch.tensor(np.stack([_outline(shape) for shape in SHAPES]), dtype=torch.float32)


@dataclass(frozen=True)
class SceneBatch:
    """Scenes as tensors, one row a scene: colours in [0, 1], lengths in half-widths, angles in radians."""

    shape: Int[Tensor, "b"]
    colour: Float[Tensor, "b 3"]
    radius: Float[Tensor, "b"]
    path: Float[Tensor, "b f 2"]
    ground: Float[Tensor, "b 3"]
    shade: Float[Tensor, "b 3"]
    texture: Int[Tensor, "b"]
    period: Float[Tensor, "b"]
    offset: Float[Tensor, "b 2"]
    angle: Float[Tensor, "b"]
    camera: Float[Tensor, "b f 4"]

    @classmethod
    def pack(cls, scenes: Sequence[Scene]) -> "SceneBatch":
        """One batch of scenes of equal length; a scene without an object gets one of radius 0."""
        grounds = [scene.ground for scene in scenes]
        colours = [np.array(COLOURS[ground.colour]) / 255 for ground in grounds]
        things = [scene.thing for scene in scenes]
        black = (0, 0, 0)
        rows = {
            "shape": [SHAPES.index(thing.shape) if thing else 0 for thing in things],
            "colour": [np.array(COLOURS[thing.colour] if thing else black) / 255 for thing in things],
            "radius": [thing.radius if thing else 0.0 for thing in things],
            "path": [scene.thing.path if scene.thing else np.zeros((scene.frames, 2)) for scene in scenes],
            "ground": colours,
            "shade": [0.55 * colour for colour in colours],
            "texture": [TEXTURES.index(ground.texture) for ground in grounds],
            "period": [ground.period for ground in grounds],
            "offset": [ground.offset for ground in grounds],
            "angle": [ground.angle for ground in grounds],
            "camera": [scene.camera for scene in scenes],
        }
        integers = ("shape", "texture")
        types = {name: torch.long if name in integers else torch.float32 for name in rows}
        return cls(**{name: torch.as_tensor(np.array(row), dtype=types[name]) for name, row in rows.items()})

    def map(self, change: Callable[[Tensor], Tensor]) -> "SceneBatch":
        """The batch with `change` applied to every tensor."""
        return SceneBatch(**{field.name: change(getattr(self, field.name)) for field in fields(self)})


def render(batch: SceneBatch, size: int = 64) -> Float[Tensor, "b f 3 size size"]:
    """The scenes as video in [0, 1], edges anti-aliased over one pixel."""
    device, pixel = batch.camera.device, 2.0 / size
    axis = (torch.arange(size, device=device) + 0.5) * pixel - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    column = batch.camera[..., None, None]
    cos, sin = column[:, :, 3].cos(), column[:, :, 3].sin()
    shrink = (-column[:, :, 2]).exp()
    world_x = shrink * (cos * x - sin * y) + column[:, :, 0]
    world_y = shrink * (sin * x + cos * y) + column[:, :, 1]
    blur = pixel * shrink
    shade, ground, colour = (c[:, None, :, None, None] for c in (batch.shade, batch.ground, batch.colour))
    picture = torch.lerp(shade, ground, _texture(batch, world_x, world_y, blur)[:, :, None])
    return torch.lerp(picture, colour, _cover(batch, world_x, world_y, blur)[:, :, None])


def _texture(batch: SceneBatch, x: Tensor, y: Tensor, blur: Tensor) -> Tensor:
    """How much of the ground's own colour each point has (1), rather than of its shade (0)."""

    def per_scene(value: Tensor) -> Tensor:
        return value[:, None, None, None]

    cos, sin, period = per_scene(batch.angle.cos()), per_scene(batch.angle.sin()), per_scene(batch.period)
    u = (cos * x + sin * y) / period + per_scene(batch.offset[:, 0])
    v = (cos * y - sin * x) / period + per_scene(batch.offset[:, 1])
    blur = blur / period
    # Signed distance, in periods, to the nearest edge of a 1:1 stripe along each axis.
    stripe_u, stripe_v = ((0.25 - ((w % 1) - 0.5).abs()) for w in (u, v))
    dot = (((u % 1) - 0.5) ** 2 + ((v % 1) - 0.5) ** 2).sqrt() - 0.28
    soft_u, soft_v = ((stripe / blur + 0.5).clamp(0, 1) for stripe in (stripe_u, stripe_v))
    patterns = {
        "striped": soft_u,
        "checkered": soft_u + soft_v - 2 * soft_u * soft_v,
        "dotted": (dot / blur + 0.5).clamp(0, 1),
    }
    texture, share = per_scene(batch.texture), torch.ones_like(u)  # where it is plain
    for name, pattern in patterns.items():
        share = torch.where(texture == TEXTURES.index(name), pattern, share)
    return share


def _cover(batch: SceneBatch, x: Tensor, y: Tensor, blur: Tensor) -> Tensor:
    """How much of each pixel the object covers."""
    path = batch.path[..., None, None]
    dx, dy = x - path[:, :, 0], y - path[:, :, 1]
    turn = (torch.atan2(dy, dx) / (2 * math.pi)) % 1 * ANGLES
    index = turn.long() % ANGLES
    edges = OUTLINES.to(x.device)[batch.shape].flatten()
    row = (torch.arange(len(batch.shape), device=x.device) * ANGLES)[:, None, None, None]
    here, there = edges[row + index], edges[row + (index + 1) % ANGLES]
    edge = torch.lerp(here, there, turn - turn.floor())
    # The radial gap, divided by the outline's gradient, is the distance to the edge to first order.
    gradient = (1 + (((there - here) * ANGLES / (2 * math.pi)) / edge) ** 2).sqrt()
    radius = batch.radius[:, None, None, None]
    gap = (radius * edge - (dx**2 + dy**2).sqrt()) / gradient
    return ((gap / blur + 0.5).clamp(0, 1)) * (radius > 0)


def draw(scene: Scene, size: int = 64) -> UInt8[np.ndarray, "f h w 3"]:
    """One scene as 8-bit frames."""
    video = render(SceneBatch.pack([scene]), size)[0]
    return (video * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
