"""Pictures of the shapes world: areas, places and textures against geometry."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motion_inversion.data.shapes.render import SceneBatch, draw, render
from motion_inversion.data.shapes.world import COLOURS, SHAPES, TEXTURES, Ground, Scene, Thing, project, still

SIZE = 64
CENTRES = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1  # of the pixels, in half-widths


def scene(shape: str = "circle", radius: float = 0.5, camera: tuple[float, ...] = (0, 0, 0, 0)) -> Scene:
    """A white thing off the middle of a plain red ground, seen in one frame."""
    thing = Thing(shape, "white", radius, np.array([[0.2, -0.1]]))
    return Scene(Ground("red"), np.array([camera], dtype=float), thing)


def picture(of: Scene, size: int = SIZE) -> Tensor:
    """Its first frame."""
    return render(SceneBatch.pack([of]), size)[0, 0]


def cover(of: Scene) -> np.ndarray:
    """How white each pixel is, from the blue channel: 40 where it is red, 245 where it is white."""
    return (picture(of)[2].double().numpy() * 255 - 40) / 205


def textured(texture: str, **options: float | tuple[float, float]) -> Scene:
    """A bare white ground, which is 245 in the texture and 0.55 of that between."""
    return Scene(Ground("white", texture, **options), still(1))  # pyright: ignore[reportArgumentType]


def share(of: Scene, size: int = SIZE) -> np.ndarray:
    """How much of the texture's own colour each pixel has."""
    return (picture(of, size)[0].double().numpy() * 255 / 245 - 0.55) / 0.45


# Areas for a radius of 1. A regular polygon of n corners has n/2·sin(2π/n); the star is ten triangles with
# sides 1 and 0.42 at 36°; the cross is two bars of 1.9 x 0.64, less the middle of both, and less 0.25 %
# of the arms, which end on the circle; the circle's radius is 0.88.
AREAS = {
    "circle": math.pi * 0.88**2,
    "square": 2.0,
    "triangle": 1.5 * math.sin(2 * math.pi / 3),
    "star": 5 * 0.42 * math.sin(math.radians(36)),
    "cross": 2 * 1.9 * 0.64 - 0.64**2,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_areas(shape: str) -> None:
    area = cover(scene(shape)).sum() * (2 / SIZE) ** 2
    assert area == pytest.approx(AREAS[shape] * 0.5**2, rel=0.015)


@pytest.mark.parametrize(
    "camera",
    [(0, 0, 0, 0), (0.3, -0.2, 0, 0), (0, 0, 0.4, 0), (0, 0, 0, 1.2), (0.1, 0.2, -0.3, -2.0)],
)
def test_things_appear_where_the_camera_projects_them(camera: tuple[float, ...]) -> None:
    thing = scene(camera=camera)
    covered = cover(thing)
    centroid = [(covered * CENTRES).sum(), (covered * CENTRES[:, None]).sum()] / covered.sum()
    np.testing.assert_allclose(centroid, project(np.array([0.2, -0.1]), thing.camera[0]), atol=2e-3)
    radius = math.sqrt(covered.sum() * (2 / SIZE) ** 2 / math.pi)
    assert radius == pytest.approx(0.88 * 0.5 * math.exp(camera[2]), rel=0.01)


def test_a_triangle_points_up() -> None:
    rows = np.flatnonzero(cover(scene("triangle")).sum(axis=1) > 1)
    widths = cover(scene("triangle")).sum(axis=1)[rows]
    assert widths[-2] > 4 * widths[1]
    # Its tip is a radius above the centre, its base half a radius below: rows of the pixels there.
    top, bottom = CENTRES[rows[0]], CENTRES[rows[-1]]
    assert (top, bottom) == pytest.approx((-0.1 - 0.5, -0.1 + 0.25), abs=0.07)


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_panning_camera_shifts_the_picture(texture: str) -> None:
    thing = Thing("star", "blue", 0.4, np.array([[0.1, 0.0]]))
    ground = Ground("yellow", texture, angle=0.3)
    pixel = 2 / SIZE
    before = picture(Scene(ground, still(1), thing))
    after = picture(Scene(ground, np.array([[5 * pixel, -3 * pixel, 0, 0]]), thing))
    assert_close(after[:, 3:, :-5], before[:, :-3, 5:], atol=1e-4, rtol=0)


def test_a_quarter_roll_of_the_camera_turns_the_picture_the_other_way() -> None:
    ground, thing = Ground("green", "checkered"), Thing("square", "red", 0.4, np.array([[0.3, 0.1]]))
    upright = picture(Scene(ground, still(1), thing))
    rolled = picture(Scene(ground, np.array([[0, 0, 0, math.pi / 2]]), thing))
    assert_close(rolled, upright.rot90(1, dims=(1, 2)), atol=1e-4, rtol=0)  # rot90 is counterclockwise


def test_edges_are_averages_over_a_pixel() -> None:
    fine = picture(scene("star"), 8 * SIZE).unflatten(2, (SIZE, 8)).unflatten(1, (SIZE, 8)).mean(dim=(2, 4))
    difference = (fine - picture(scene("star"))).abs()
    assert difference.mean() < 0.002
    assert difference.max() < 0.25  # at the tips, which are narrower than a pixel


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_ground_has_its_colour_everywhere(colour: str) -> None:
    frames = draw(Scene(Ground(colour), still(2)), 8)
    assert frames.shape == (2, 8, 8, 3)
    assert (frames == COLOURS[colour]).all()


# Half of a stripe or checker pattern has its colour; dots of radius 0.28 periods leave 1 − π·0.28² of it.
@pytest.mark.parametrize(
    ("texture", "expected"),
    [("plain", 1.0), ("striped", 0.5), ("checkered", 0.5), ("dotted", 1 - math.pi * 0.28**2)],
)
def test_textures_cover_their_share(texture: str, expected: float) -> None:
    # The frame is two half-widths wide: four whole periods of a half.
    assert share(textured(texture, period=0.5)).mean() == pytest.approx(expected, abs=0.005)


def test_stripes_by_hand() -> None:
    # A period of 1 is half the frame, 8 of 16 pixels, and it is coloured where the phase is within a quarter
    # of 1/2. From x = −1 on: 2 pixels of shade, 4 of colour, 4 of shade, 4 of colour, 2 of shade.
    expected = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0], [2, 4, 4, 4, 2])
    across = share(textured("striped", period=1.0), 16)
    np.testing.assert_allclose(across, np.broadcast_to(expected, (16, 16)), atol=1e-5)
    # Turned by 90° they lie; half a period on, whatever its length, they have changed places.
    for period in (0.5, 1.0):
        here, there = (share(textured("striped", period=period, offset=(o, 0.0)), 16) for o in (0.0, 0.5))
        np.testing.assert_allclose(there, 1 - here, atol=1e-5)
    lying = share(textured("striped", period=1.0, angle=math.pi / 2), 16)
    np.testing.assert_allclose(lying, across.T, atol=1e-5)


def test_a_batch_is_each_of_its_scenes() -> None:
    scenes = [scene("cross"), textured("dotted"), scene("star", camera=(0, 0.1, 0.2, 0.3))]
    together = render(SceneBatch.pack(scenes), 16)
    assert together.shape == (3, 1, 3, 16, 16)
    for one, expected in zip(scenes, together, strict=True):
        assert_close(picture(one, 16), expected[0])


def test_mapping_changes_every_tensor() -> None:
    batch = SceneBatch.pack([scene(), scene("star"), textured("dotted")])
    last = batch.map(lambda tensor: tensor[2:])
    assert_close(render(last, 8), render(SceneBatch.pack([textured("dotted")]), 8))
    assert (batch.camera.dtype, batch.texture.dtype) == (torch.float32, torch.long)
