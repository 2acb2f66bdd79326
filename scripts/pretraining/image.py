"""Trains the image model of the shapes world, and a ControlNet for its edges, on single frames."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from motion_inversion.data.shapes.render import render
from motion_inversion.method.control_a_video.detector import Canny
from pretraining.diffusion import CAPTION_DROPOUT, TOPOLOGY, build_scheduler, loss_weights, spread, weighted_error
from pretraining.optimizer import MuonAdamW
from pretraining.progress import Average, Budget, Log
from pretraining.stream import SceneStream, pick_frames
from pretraining.vocabulary import CONTEXT

FOLDER = "image"  # inside the work folder
MAX_WEIGHT = 50.0  # of an error, at high noise
CONTROLLED_DROPOUT = 0.5  # of captions, as in arXiv 2302.05543: the edges must say what they can


def build_unet() -> UNet2DConditionModel:
    """Stable Diffusion 1.x's layout, at the widths and head sizes of the video UNet."""
    heads: Any = (4, 6, 8, 8)  # in this class attention_head_dim is the number of heads; a single one is declared
    return UNet2DConditionModel(**TOPOLOGY, attention_head_dim=heads)


def take_spatial(unet: nn.Module, video: dict[str, Tensor]) -> None:
    """Copies a video UNet's layers for single frames; what it has as linear layers, this one has as convolutions."""
    own = unet.state_dict()
    unet.load_state_dict({name: video[name].float().view_as(value) for name, value in own.items()})


def train_unet(folder: Path, budget: Budget, device: str, workers: int, batch: int, rate: float) -> None:
    """From the spatial layers of `folder`/unet, with its text encoder frozen, to `folder`/image/unet."""
    unet: Any = build_unet()
    [weights] = (folder / "unet").glob("*.safetensors")
    take_spatial(unet, load_file(weights))
    unet.to(device)

    def predict(noisy: Tensor, t: Tensor, states: Tensor, edges: Tensor) -> Tensor:
        return unet(noisy, t, states).sample

    _train(unet, predict, _Pictures(folder, device, workers, batch, CAPTION_DROPOUT), budget, rate, "unet")


def train_controlnet(folder: Path, budget: Budget, device: str, workers: int, batch: int, rate: float) -> None:
    """A ControlNet on Canny edges for the frozen `folder`/image/unet."""
    unet: Any = UNet2DConditionModel.from_pretrained(folder / FOLDER / "unet")
    channels: dict[str, Any] = {"conditioning_embedding_out_channels": (8, 16, 32, 64)}
    controlnet: Any = ControlNetModel.from_unet(unet, **channels)
    for network in (unet, controlnet):
        network.to(device)
    unet.requires_grad_(False)

    def predict(noisy: Tensor, t: Tensor, states: Tensor, edges: Tensor) -> Tensor:
        down, mid = controlnet(noisy, t, states, controlnet_cond=edges, return_dict=False)
        return unet(noisy, t, states, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample

    pictures = _Pictures(folder, device, workers, batch, CONTROLLED_DROPOUT)
    _train(controlnet, predict, pictures, budget, rate, "controlnet")


def _train(
    network: Any, predict: Callable[..., Tensor], pictures: "_Pictures", budget: Budget, rate: float, name: str
) -> None:
    """Trains `network` to the budget's end and saves its average."""
    folder, device = pictures.folder, pictures.device
    torch.manual_seed(0)
    models: dict[str, nn.Module] = {name: network.eval()}
    average, optimizer = Average(models, 0.995), MuonAdamW(models, rate, fused=device != "cpu")
    log, total = Log(folder / f"image_{name}.jsonl", budget), torch.zeros((), device=device)
    scheduler: Any = build_scheduler()
    weights = loss_weights(scheduler.alphas_cumprod, MAX_WEIGHT).to(device)
    for step in budget:
        latents, states, edges = pictures.draw()
        t = spread(len(latents)).mul(len(weights)).long().to(device)
        noise = torch.randn_like(latents)
        noisy = scheduler.add_noise(latents, noise, t)
        loss = weighted_error(predict(noisy, t, states, edges), noise, weights[t])
        network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step(budget.rate())
        average.update(step)
        total += loss.detach()
        if step % 50 == 49:
            log(loss=total.item() / 50)
            total.zero_()
    average.swap()
    network.save_pretrained(folder / FOLDER / name)
    pictures.text.save_pretrained(folder / FOLDER / "text_encoder")
    scheduler.save_pretrained(folder / FOLDER / "scheduler")


@dataclass
class _Pictures:
    """Single frames of the stream with captions: latents, text states and edges."""

    folder: Path
    device: str
    workers: int
    batch: int
    dropout: float

    def __post_init__(self) -> None:
        self.tokenizer = CLIPTokenizer.from_pretrained(self.folder / "tokenizer")
        vae: Any = AutoencoderKL.from_pretrained(self.folder / "vae")
        text: Any = CLIPTextModel.from_pretrained(self.folder / "text_encoder")
        self.vae, self.text = vae.to(self.device).eval(), text.to(self.device).eval()
        self.stream = iter(SceneStream(4, self.batch).loader(self.workers))
        self.generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """The next batch: (n, c, h, w), (n, l, d) and (n, 3, height, width)."""
        captioned = next(self.stream)
        scenes = pick_frames(captioned.batch, 1, self.generator).map(lambda value: value.to(self.device))
        frames = render(scenes)[:, 0]
        latents = self.vae.encode(2 * frames - 1).latent_dist.mean
        kept = torch.rand(self.batch, generator=self.generator) >= self.dropout
        captions = [text if keep else "" for text, keep in zip(captioned.captions, kept.tolist(), strict=True)]
        tokens = self.tokenizer(captions, padding="max_length", max_length=CONTEXT, return_tensors="pt").input_ids
        return latents, self.text(tokens.to(self.device)).last_hidden_state, edges(frames)


def edges(frames: Tensor) -> Tensor:
    """Edges (n, 3, h, w) of RGB frames in [0, 1], as methods give them to the ControlNet."""
    pixels = (255 * frames).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return torch.from_numpy(Canny()(np.ascontiguousarray(pixels), frames.device)).to(frames).permute(0, 3, 1, 2) / 255
