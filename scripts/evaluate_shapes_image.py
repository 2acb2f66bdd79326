"""Judges the embedded image model on held-out prompts and seeds, from pixels: does it draw what it was asked?

    python scripts/evaluate_shapes_image.py

Pictures of one object each, from the prompt alone, and led by the ControlNet with the edges of a scene that agrees
with the prompt in all but its colours. Brackets: Wilson's 95 % interval.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hydra
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from evaluate_shapes import Answers, draw_cases, share
from motion_inversion.backbone.model import Backbone
from motion_inversion.composition import build
from motion_inversion.core.condition import CONTROL_MAPS
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim
from motion_inversion.core.seed import generator
from motion_inversion.data.shapes.render import draw
from motion_inversion.data.shapes.world import COLOURS, Scene
from pretraining.image import edges
from shapes_judge import Video, find_object, ground_colour, shape

CONF = Path(__file__).resolve().parents[1] / "conf"
FRAME = 8  # of the 16 of a scene
BATCH = 16


def recoloured(scene: Scene) -> Scene:
    """The scene with its object and ground in the next two colours of the palette that neither of them has."""
    assert scene.thing is not None
    free = [name for name in COLOURS if name not in (scene.ground.colour, scene.thing.colour)]
    return replace(scene, ground=replace(scene.ground, colour=free[0]), thing=replace(scene.thing, colour=free[1]))


def sample(
    model: Backbone, prompts: list[str], hint: Float[Tensor, "b 3 1 h w"] | None, seeds: list[int], sampler: Ddim
) -> Iterator[Video]:
    """One picture per prompt, as a clip of one frame."""
    condition, negative = model.embed(prompts), model.embed([""]).expand(len(prompts))
    if hint is not None:
        condition, negative = (told.having(**{CONTROL_MAPS: hint}) for told in (condition, negative))
    shape = (1, model.latent_shape[1], 1, *model.latent_shape[3:])
    noise = torch.cat([torch.randn(shape, generator=generator(seed, "noise")) for seed in seeds])

    def denoise(latents: Tensor, t: Stop) -> Tensor:
        return model.guided(latents, t, condition, negative, sampler.guidance)

    with torch.no_grad():
        latents = sampler.sample(model.process, denoise, noise.to(model.device))
    for clip in latents.split(1):
        yield model.decode(clip)


def judge(scene: Scene, picture: Video, outline: Video) -> tuple[Answers, float]:
    """What the picture shows of what was asked, and its object's overlap with that of `outline` (IoU)."""
    assert scene.thing is not None
    track, wanted = find_object(picture), find_object(outline)
    answers = {
        "object colour obeyed": [track.colour == scene.thing.colour],
        "ground colour obeyed": [ground_colour(picture) == scene.ground.colour],
        "shape obeyed": [shape(track) == scene.thing.shape],
    }
    union = (track.masks | wanted.masks).sum()
    return answers, float((track.masks & wanted.masks).sum() / max(union, 1))


def main() -> None:
    """Generates, judges and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--steps", type=int, default=25, help="of DDIM")
    parser.add_argument("--seed", type=int, default=1000, help="of prompts and noise; training uses 1 to 4")
    parser.add_argument("overrides", nargs="*", help="of the configuration, as in sampler.guidance=5")
    arguments = parser.parse_args()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        experiment = build(hydra.compose("config", ["method=none", "model=shapes_image", *arguments.overrides]))
    model, sampler = experiment.model.load(), replace(experiment.sampler, steps=arguments.steps)
    cases = draw_cases(arguments.pictures, arguments.seed)[: arguments.pictures]
    for name in ("prompt alone", "prompt and edges"):
        answers: Answers = {}
        overlaps: list[float] = []
        for start in tqdm(range(0, len(cases), BATCH), name, ncols=100):
            batch = cases[start : start + BATCH]
            outlines = [draw(recoloured(case.scene))[FRAME : FRAME + 1] for case in batch]
            pixels = torch.from_numpy(np.concatenate(outlines)).permute(0, 3, 1, 2) / 255
            hint = edges(pixels)[:, :, None] if name == "prompt and edges" else None
            pictures = sample(model, [case.prompt for case in batch], hint, [case.index for case in batch], sampler)
            for case, outline, picture in zip(batch, outlines, pictures, strict=True):
                found, overlap = judge(case.scene, picture, outline)
                overlaps.append(overlap)
                for question, right in found.items():
                    answers.setdefault(question, []).extend(right)
        for question, right in answers.items():
            c = share(right)
            print(f"{name}: {question}: {c['right']}/{c['count']} [{c['low']:.0%}, {c['high']:.0%}]")
        print(f"{name}: overlap with the scene's object: {np.mean(overlaps):.2f}")


if __name__ == "__main__":
    main()
