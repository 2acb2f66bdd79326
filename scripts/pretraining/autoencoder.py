"""Trains the image autoencoder (f = 8) and whitens its latents."""

import math
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from motion_inversion.data.render import SceneBatch, render
from pretraining.graph import Step
from pretraining.progress import Average, Budget, Log
from pretraining.stream import SceneStream, pick_frames

LATENT_CHANNELS = 12
KL_WEIGHT = 1e-4
RATE = 1.5e-3


def build() -> Any:
    """The autoencoder: 64×64 pixels ↔ 8×8×12 latents."""
    kind: Any = AutoencoderKL  # whose annotations say tuples of one
    return kind(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=1.0,
    )


def train(folder: Path, budget: Budget, device: str, workers: int) -> None:
    """Trains to the budget's end and saves the averaged, whitened autoencoder in `folder`/vae."""
    torch.manual_seed(0)
    vae = build().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=1e-3)
    average, log = Average({"vae": vae}, 0.999), Log(folder / "vae.jsonl", budget)
    generator = torch.Generator().manual_seed(1)
    # Launching kernels is what costs on a GPU, arithmetic on a CPU: large batches, or many small steps.
    scenes, pictures_each = (64, 4) if device != "cpu" else (16, 1)
    stream = iter(SceneStream(1, scenes).loader(workers))

    def frames() -> Tensor:
        return _frames(next(stream).batch.map(lambda value: value.to(device)), generator, pictures_each)

    def compute(pictures: Tensor) -> Tensor:
        posterior = vae.encode(pictures).latent_dist
        output = vae.decode(posterior.sample()).sample.float()
        kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
        return mse_loss(output, pictures) + l1_loss(output, pictures) + KL_WEIGHT * kl

    once = Step(compute, [vae], (frames(),))
    for step in budget:
        for group in optimizer.param_groups:
            group["lr"] = RATE * budget.rate()
        loss = once(frames())
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update(step)
        if step % 200 == 0:
            log(loss=loss.item())
    average.swap()
    vae.eval()
    with torch.no_grad():
        held_out = next(iter(SceneStream(2, 256).loader(0))).batch.map(lambda value: value.to(device))
        pictures = _frames(held_out, generator, 2)
        _whiten(vae, vae.encode(pictures).latent_dist.mean)
        latent = vae.encode(pictures).latent_dist.mean
        error = mse_loss(vae.decode(latent).sample.clamp(-1, 1), pictures).item()
        log(held_out_psnr=10 * math.log10(4 / error), latent_std=latent.std().item())
    vae.save_pretrained(folder / "vae")


def _frames(batch: SceneBatch, generator: torch.Generator, count: int) -> Tensor:
    pictures = render(pick_frames(batch, count, generator)).flatten(0, 1)
    return (2 * pictures - 1).contiguous(memory_format=torch.channels_last)


def _whiten(vae: Any, latent: Tensor) -> None:
    """Folds zero mean and unit variance per channel into the convolutions around the latents."""
    mean, std = latent.mean(dim=(0, 2, 3)), latent.std(dim=(0, 2, 3))
    inward, outward = vae.quant_conv, vae.post_quant_conv
    scale = torch.cat([1 / std, torch.ones_like(std)])
    inward.weight.mul_(scale[:, None, None, None])
    inward.bias.mul_(scale)
    inward.bias.sub_(torch.cat([mean / std, 2 * std.log()]))
    outward.bias.add_(outward.weight[:, :, 0, 0] @ mean)
    outward.weight.mul_(std[None, :, None, None])
