"""A sheet of samples of a shapes model, to look at: one prompt a row.

python scripts/shapes_sheet.py model=shapes_dit --out sheet.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shapes_sampling import ShapesModel

BATCH = 4  # clips sampled at a time

PROMPTS = (
    "a red star moving right on a blue plain ground",
    "a green circle moving up on a white checkered ground",
    "a yellow square moving left on a purple striped ground",
    "a blue triangle moving down on an orange plain ground",
    "a white cross moving up and right on a red dotted ground",
    "a purple star circling clockwise on a yellow plain ground",
    "an orange circle bouncing on a blue plain ground",
    "a red square zigzagging on a green striped ground",
    "a green star standing still on a red checkered ground",
    "a yellow triangle moving around on a blue plain ground",
    "a blue checkered ground, camera panning right",
    "a green dotted ground, camera zooming in",
    "a red checkered ground, camera rolling clockwise",
    "a white circle moving left on a purple dotted ground, camera panning up",
    "a yellow star on a green checkered ground, camera zooming out",
    "a large red cross moving around on a white checkered ground, camera panning left",
)


def write(model: ShapesModel, path: Path, steps: int, guidance: float) -> None:
    """Samples PROMPTS and saves a picture: eight of sixteen frames a row."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(PROMPTS), *model.backbone.latent_shape[1:], generator=generator)
    videos = []
    for start in range(0, len(PROMPTS), BATCH):
        batch = slice(start, start + BATCH)
        videos += model.generate(list(PROMPTS[batch]), noise[batch], steps, guidance)
    rows = [np.concatenate(list(video[::2]), axis=1) for video in videos]
    picture = Image.fromarray(np.concatenate(rows))
    picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST).save(path)


def main() -> None:
    """Loads, samples and saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the configuration: model=shapes_dit model.path=/a/folder")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"))
    parser.add_argument("--steps", type=int, default=30, help="of sampling")
    parser.add_argument("--guidance", type=float, default=4.0)
    arguments = parser.parse_args()
    write(ShapesModel.load(arguments.overrides), arguments.out, arguments.steps, arguments.guidance)


if __name__ == "__main__":
    main()
