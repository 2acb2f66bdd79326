"""Trains the image autoencoder (f = 8) and whitens its latents."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from motion_inversion.data.shapes.render import SceneBatch, render
from pretraining.graph import Step
from pretraining.progress import Average, Budget, Log
from pretraining.stream import SceneStream, pick_frames

LATENT_CHANNELS = 12
KL_WEIGHT = 1e-4
RATE = 1.5e-3
# On a CPU and on a GPU. Launching kernels is what costs on a GPU, arithmetic on a CPU: large batches, or many
# small steps.
_SCENES, _FRAMES_EACH = (16, 64), (1, 4)


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

    def compute(pictures: Tensor) -> Tensor:
        posterior = vae.encode(pictures).latent_dist
        kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
        return _distance(vae.decode(posterior.sample()).sample, pictures) + KL_WEIGHT * kl

    _fit(vae, compute, SceneStream(1, _SCENES[device != "cpu"]), RATE, folder, budget, device, workers)
    with torch.no_grad():
        _whiten(vae, vae.encode(_held_out(device)).latent_dist.mean)
    _save(vae, folder, budget, device)


def refine(folder: Path, budget: Budget, device: str, workers: int) -> None:
    """Goes on with the decoder alone: the latents stay those that a UNet was trained on."""
    torch.manual_seed(0)
    kind: Any = AutoencoderKL
    vae = kind.from_pretrained(folder / "vae").to(device, memory_format=torch.channels_last)
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)

    def compute(pictures: Tensor) -> Tensor:
        with torch.no_grad():
            latent = vae.encode(pictures).latent_dist.sample()
        return _distance(vae.decode(latent).sample, pictures)

    _fit(vae, compute, SceneStream(5, _SCENES[device != "cpu"]), RATE / 2, folder, budget, device, workers)
    _save(vae, folder, budget, device)


def _fit(
    vae: Any,
    compute: Callable[[Tensor], Tensor],
    scenes: SceneStream,
    rate: float,
    folder: Path,
    budget: Budget,
    device: str,
    workers: int,
) -> None:
    """Minimises `compute` of the frames of `scenes` and leaves the averaged parameters in `vae`."""
    parameters = [p for p in vae.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=1e-3)
    average, log = Average({"vae": vae}, 0.999), Log(folder / "vae.jsonl", budget)
    generator = torch.Generator().manual_seed(1)
    stream, each = iter(scenes.loader(workers)), _FRAMES_EACH[device != "cpu"]

    def frames() -> Tensor:
        return _frames(next(stream).batch.map(lambda value: value.to(device)), generator, each)

    once = Step(compute, [vae], (frames(),))
    for step in budget:
        for group in optimizer.param_groups:
            group["lr"] = rate * budget.rate()
        loss = once(frames())
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(step)
        if step % 200 == 0:
            log(loss=loss.item())
    average.swap()
    vae.eval()


def _distance(output: Tensor, pictures: Tensor) -> Tensor:
    return mse_loss(output.float(), pictures) + l1_loss(output.float(), pictures)


@torch.no_grad()
def _save(vae: Any, folder: Path, budget: Budget, device: str) -> None:
    pictures = _held_out(device)
    latent = vae.encode(pictures).latent_dist.mean
    error = mse_loss(vae.decode(latent).sample.clamp(-1, 1), pictures).item()
    Log(folder / "vae.jsonl", budget)(held_out_psnr=10 * math.log10(4 / error), latent_std=latent.std().item())
    vae.save_pretrained(folder / "vae")


def _held_out(device: str) -> Tensor:
    batch = next(iter(SceneStream(2, 256).loader(0))).batch.map(lambda value: value.to(device))
    return _frames(batch, torch.Generator().manual_seed(2), 2)


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
