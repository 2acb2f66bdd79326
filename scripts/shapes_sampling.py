"""A trained shapes model as loose parts: sampling with classifier-free guidance, encoding and decoding."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from motion_inversion.backbone.temporal_convolution import specialise
from motion_inversion.metric.encoder import FolderClip, LoadedClip
from shapes_judge import Video


@dataclass(frozen=True)
class ShapesModel:
    """The parts of a model folder in memory, in single precision."""

    tokenizer: CLIPTokenizer
    # Any, since the libraries declare what these return as a union with tuples.
    text_encoder: Any
    unet: Any
    vae: Any
    scheduler: Any
    clip: LoadedClip
    device: str

    @classmethod
    def load(cls, folder: Path, device: str) -> "ShapesModel":
        """Reads a folder in the layout of diffusers, with a folder `clip` in that of open_clip."""
        text: Any = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        unet: Any = UNet3DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
        vae: Any = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
        specialise(unet)
        return cls(
            CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            text.to(device).eval(),
            unet.to(device).eval(),
            vae.to(device).eval(),
            DDIMScheduler.from_pretrained(folder / "scheduler"),
            FolderClip(folder / "clip").load(device),
            device,
        )

    @torch.no_grad()
    def generate(
        self, prompts: list[str], noise: Float[Tensor, "b c f h w"], steps: int, guidance: float
    ) -> list[Video]:
        """One clip per prompt: DDIM with classifier-free guidance."""
        texts = [*prompts, *[""] * len(prompts)]
        length = self.text_encoder.config.max_position_embeddings
        tokens = self.tokenizer(texts, padding="max_length", max_length=length, return_tensors="pt").input_ids
        states = self.text_encoder(tokens.to(self.device)).last_hidden_state
        self.scheduler.set_timesteps(steps)
        x = noise.to(self.device)
        for t in self.scheduler.timesteps:
            conditional, free = self.unet(torch.cat([x, x]), t, states).sample.chunk(2)
            x = self.scheduler.step(free + guidance * (conditional - free), t, x).prev_sample
        return [self.decode(latent) for latent in x]

    @torch.no_grad()
    def encode(self, video: Video) -> Float[Tensor, "c f h w"]:
        """The latents' mean."""
        frames = torch.tensor(video, device=self.device).permute(0, 3, 1, 2) / 127.5 - 1
        latent = self.vae.encode(frames).latent_dist.mean * self.vae.config.scaling_factor
        return latent.transpose(0, 1)

    @torch.no_grad()
    def decode(self, latent: Float[Tensor, "c f h w"]) -> Video:
        """Latents as 8-bit frames."""
        frames = self.vae.decode(latent.transpose(0, 1) / self.vae.config.scaling_factor).sample
        return ((frames / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
