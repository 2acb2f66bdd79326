"""The models that ship with the package know their world: noise is told from a clip better with the right words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from motion_inversion.backbone.cogvideox import CogVideoX
from motion_inversion.backbone.family import Family
from motion_inversion.backbone.model import Model
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.backbone.wan import Wan
from motion_inversion.data.shapes.random_scene import scenes_at_random
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.world import Scene, caption_of

SHARED = {"tokenizer": "embedded:shapes_shared", "vae": "embedded:shapes_shared"}
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


@pytest.mark.parametrize(
    ("name", "family", "paths"),
    [("shapes", UNet3D(), False), ("shapes_dit", CogVideoX(time=1), True), ("shapes_wan", Wan(time=1), True)],
)
def test_the_right_caption_has_the_least_error(name: str, family: Family, paths: bool) -> None:
    """Half of the noise levels for colours, high ones for paths, which only the transformers read from text."""
    model = Model(name, f"embedded:{name}", family, 16, 64, 64, parts=SHARED, device="cpu").load()
    scenes = [scene for scene in scenes_at_random(np.random.default_rng(77), 200) if _moves(scene)][:4]
    latents = torch.cat([model.encode(draw(scene)) for scene in scenes])
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))

    def error(captions: list[str], t: int) -> float:
        at = torch.full((len(latents),), t)
        with torch.no_grad():
            predicted = model.predict(model.process.add_noise(latents, noise, at), at, model.embed(captions))
        return (predicted - model.process.target(latents, noise, at)).square().mean().item()

    right = [caption_of(scene) for scene in scenes]
    print(
        name,
        [error(right, t) / error([_recoloured(s) for s in scenes], t) for t in (700, 900)],
        [error(right, t) / error([_turned(s) for s in scenes], t) for t in (900, 950, 980)],
    )
    assert error(right, 900) < 0.9 * error([_recoloured(scene) for scene in scenes], 900)
    if paths:
        assert error(right, 980) < 0.95 * error([_turned(scene) for scene in scenes], 980)


def _moves(scene: Scene) -> bool:
    return scene.kind == "object" and scene.thing is not None and scene.thing.motion.split()[-1] in OPPOSITE


def _recoloured(scene: Scene) -> str:
    colour = "blue" if scene.ground.colour != "blue" else "yellow"
    return caption_of(replace(scene, ground=replace(scene.ground, colour=colour)))


def _turned(scene: Scene) -> str:
    assert scene.thing
    first, last = scene.thing.motion.rsplit(" ", 1)
    return caption_of(replace(scene, thing=replace(scene.thing, motion=f"{first} {OPPOSITE[last]}")))
