"""From frames to latents and back: autoencoders of single pictures, and causal ones of whole clips."""

from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_inversion.core.shape import Latents

Pixels: TypeAlias = UInt8[np.ndarray, "frames height width 3"]
"""A clip's frames, 8-bit RGB; their sides are other numbers than those of `Latents`."""

Frames: TypeAlias = Float[Tensor, "f 3 height width"]


def encode(vae: Any, video: Pixels, chunk: int) -> Latents:
    """Latents (1, c, f, h, w) in float32: the mean of the encoder's distribution, scaled as the network knows it.

    chunk: how many frames a picture autoencoder handles at a time; one of clips needs all at once.
    """
    return to_latents(vae, torch.from_numpy(np.array(video)).permute(0, 3, 1, 2).to(vae.device), chunk)


@torch.no_grad()
def to_latents(vae: Any, pixels: UInt8[Tensor, "frames 3 height width"], chunk: int) -> Latents:
    """The same of frames on the autoencoder's device."""
    if of_pictures(vae):
        parts = [vae.encode((part.float() / 127.5 - 1).to(vae.dtype)).latent_dist.mean for part in pixels.split(chunk)]
        latents = torch.cat(parts).float().transpose(0, 1)[None]
    else:
        clip = (pixels.float() / 127.5 - 1).to(vae.dtype).transpose(0, 1)[None]
        latents = vae.encode(clip).latent_dist.mean.float()
    mean, scale = _normalisation(vae)
    return (latents - mean) * scale


def decode(vae: Any, latents: Latents, chunk: int) -> Pixels:
    """8-bit frames of one clip's latents (1, c, f, h, w).

    Raises:
        FloatingPointError: if they are not finite.
    """
    return to_pixels(vae, latents, chunk).permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def to_pixels(vae: Any, latents: Latents, chunk: int) -> UInt8[Tensor, "frames 3 height width"]:
    """The same, left on the autoencoder's device. Raises FloatingPointError if they are not finite."""
    mean, scale = _normalisation(vae)
    raw = (latents.to(vae.device) / scale + mean).to(vae.dtype)
    if of_pictures(vae):
        frames = torch.cat([vae.decode(part).sample.float() for part in raw[0].transpose(0, 1).split(chunk)])
    else:
        frames = vae.decode(raw).sample.float()[0]
        if not _puts_frames_first(vae):
            frames = frames.transpose(0, 1)
    if not torch.isfinite(frames).all():
        raise FloatingPointError("the autoencoder's output is not finite: model.dtype=float32")
    return ((frames / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)


def of_pictures(vae: Any) -> bool:
    """Whether it handles pictures one by one, so that a clip can go through it in chunks."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return isinstance(vae, AutoencoderKL)


def _puts_frames_first(vae: Any) -> bool:
    """Whether frames come before channels, as in one autoencoder alone."""
    from diffusers.models.autoencoders.autoencoder_kl_allegro import AutoencoderKLAllegro

    return isinstance(vae, AutoencoderKLAllegro)


def _normalisation(vae: Any) -> tuple[Any, Any]:
    """The mean that is taken away and the factor that follows: one number, or one for each channel."""
    # Mostly in the configuration; LTX keeps them as buffers, with its weights.
    kept = {**dict(vae.named_buffers()), **{name: each for name, each in vae.config.items() if each is not None}}
    scale = kept.get("scaling_factor", 1.0)
    if "latents_mean" not in kept:
        return 0.0, scale
    mean, std = (
        torch.as_tensor(kept[name], device=vae.device).float().view(-1, 1, 1, 1)
        for name in ("latents_mean", "latents_std")
    )
    return mean, scale / std
