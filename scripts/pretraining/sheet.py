"""A sheet of samples of the trained model, to look at: one prompt a row."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from pretraining.vocabulary import CONTEXT

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


@torch.no_grad()
def write(folder: Path, device: str, steps: int = 30, guidance: float = 4.0) -> None:
    """Samples PROMPTS with DDIM and saves `folder`/sheet.png: eight of sixteen frames a row."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text: Any = CLIPTextModel.from_pretrained(folder / "text_encoder")
    unet: Any = UNet3DConditionModel.from_pretrained(folder / "unet")
    vae: Any = AutoencoderKL.from_pretrained(folder / "vae")
    for model in (text, unet, vae):
        model.to(device).eval()
    scheduler: Any = DDIMScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(steps)
    captions = [*PROMPTS, *[""] * len(PROMPTS)]
    tokens = tokenizer(captions, padding="max_length", max_length=CONTEXT, return_tensors="pt").input_ids
    states = text(tokens.to(device)).last_hidden_state
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(len(PROMPTS), unet.config.in_channels, 16, 8, 8, generator=generator).to(device)
    for t in scheduler.timesteps:
        with_text, without = unet(torch.cat([x, x]), t, states).sample.chunk(2)
        x = scheduler.step(without + guidance * (with_text - without), t, x).prev_sample
    frames = vae.decode(x.transpose(1, 2).flatten(0, 1)).sample.unflatten(0, (len(PROMPTS), 16))
    rows = ((frames[:, ::2] / 2 + 0.5).clamp(0, 1) * 255).byte().permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    picture = Image.fromarray(rows.cpu().numpy())
    picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST).save(folder / "sheet.png")
