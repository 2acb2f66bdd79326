"""A sheet of samples of the trained model, to look at: one prompt a row."""

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


def write(folder: Path, device: str, steps: int = 30, guidance: float = 4.0) -> None:
    """Samples PROMPTS with DDIM and saves `folder`/sheet.png: eight of sixteen frames a row."""
    model, generator = ShapesModel.load(folder, device), torch.Generator().manual_seed(0)
    noise = torch.randn(len(PROMPTS), model.network.config.in_channels, 16, 8, 8, generator=generator)
    videos = []
    for start in range(0, len(PROMPTS), BATCH):
        batch = slice(start, start + BATCH)
        videos += model.generate(list(PROMPTS[batch]), noise[batch], steps, guidance)
    rows = [np.concatenate(list(video[::2]), axis=1) for video in videos]
    picture = Image.fromarray(np.concatenate(rows))
    picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST).save(folder / "sheet.png")
