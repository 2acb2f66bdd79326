"""Writes a model folder with random weights: to try the program without a download.

In ZeroScope's topology, or with --image in that of Stable Diffusion 1.5 with a ControlNet.

Usage: PYTHONPATH=src python scripts/random_model.py /path/to/folder [--image] [--tiny] [--dtype float16]
"""

import argparse
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel, UNet3DConditionModel
from open_clip.tokenizer import SimpleTokenizer
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from motion_inversion.data.shapes.world import WORDS
from pretraining.diffusion import build_scheduler
from pretraining.index import write_index
from pretraining.vocabulary import merges_for, write_clip_tokenizer

log = logging.getLogger("random_model")

_SHARD = "1GB"


@dataclass(frozen=True)
class Size:
    """What tells a tiny model from a full one; text: width, layers, heads and context of the text encoder."""

    unet: dict[str, Any]
    autoencoder: dict[str, Any]
    text: tuple[int, int, int, int]


ZEROSCOPE = Size(
    unet={"cross_attention_dim": 1024},
    autoencoder={"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
    text=(1024, 23, 16, 77),
)
STABLE_DIFFUSION = Size(
    unet={"cross_attention_dim": 768, "attention_head_dim": 8},
    autoencoder=ZEROSCOPE.autoencoder,
    text=(768, 12, 12, 77),
)
TINY = Size(
    unet={
        "block_out_channels": (16, 16, 32, 32),
        "attention_head_dim": 8,
        "norm_num_groups": 8,
        "cross_attention_dim": 16,
    },
    autoencoder={"block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4},
    text=(16, 2, 2, 32),
)


def write(folder: Path, tiny: bool, dtype: torch.dtype, image: bool = False) -> None:
    """Writes tokenizer, scheduler and the networks, in shards of at most 1 GB; equal calls, equal weights."""
    size = TINY if tiny else STABLE_DIFFUSION if image else ZEROSCOPE
    # The full models read CLIP's own vocabulary, which open_clip brings along.
    rules = merges_for(WORDS) if tiny else [(a, b) for a, b in SimpleTokenizer().bpe_ranks]
    tokenizer = _write_tokenizer(folder / "tokenizer", rules, size)
    build_scheduler().save_pretrained(folder / "scheduler")
    _write_network(folder / "text_encoder", lambda: build_text_encoder(tokenizer, size), dtype)
    _write_network(folder / "vae", lambda: build_autoencoder(size), dtype)
    kind = UNet2DConditionModel if image else UNet3DConditionModel
    _write_network(folder / "unet", lambda: kind(**size.unet), dtype)
    if image:
        _write_network(folder / "controlnet", lambda: build_controlnet(folder / "unet", tiny), dtype)
    write_index(folder, "StableDiffusionPipeline" if image else "TextToVideoSDPipeline")


def build_controlnet(unet: Path, tiny: bool) -> ControlNetModel:
    """A ControlNet that fits a UNet; its outputs, zero before a training, are small random ones."""
    hints: dict[str, Any] = {"conditioning_embedding_out_channels": (4, 8, 8, 8)} if tiny else {}
    controlnet: Any = ControlNetModel.from_unet(UNet2DConditionModel.from_pretrained(unet), **hints)
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        nn.init.normal_(layer.weight, std=0.02)
    nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight)  # large: little is left of a hint by then
    return controlnet


def _write_tokenizer(folder: Path, rules: list[tuple[str, str]], size: Size) -> CLIPTokenizer:
    write_clip_tokenizer(folder, rules)
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=size.text[-1])
    tokenizer.save_pretrained(folder)
    return tokenizer


def _write_network(folder: Path, build: Callable[[], Any], dtype: torch.dtype) -> None:
    log.info("%s: drawing the weights", folder.name)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # drawn in their final precision: the whole UNet in float32 takes 6 GB
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network: nn.Module = build()
    finally:
        torch.set_default_dtype(default)
    count = sum(parameter.numel() for parameter in network.parameters())
    log.info("%s: writing %.1f million parameters", folder.name, count / 1e6)
    network.save_pretrained(folder, max_shard_size=_SHARD)  # pyright: ignore[reportCallIssue]


def build_autoencoder(size: Size) -> AutoencoderKL:
    """Stable Diffusion's autoencoder: 8 pixels per latent position, 4 channels."""
    levels: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    return AutoencoderKL(latent_channels=4, **levels, **size.autoencoder)


def build_text_encoder(tokenizer: CLIPTokenizer, size: Size) -> CLIPTextModel:
    """The text side of a CLIP: for ZeroScope ViT-H up to its last but one layer, for Stable Diffusion ViT-L."""
    width, layers, heads, context = size.text
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    marks: dict[str, Any] = {name: getattr(tokenizer, name) for name in names}
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=context,
        hidden_act="gelu",
        **marks,
    )
    return CLIPTextModel(config)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image", action="store_true", help="Stable Diffusion 1.5 instead of ZeroScope")
    parser.add_argument("--tiny", action="store_true", help="small widths: 64×64 pixels in moments on a CPU")
    parser.add_argument("--dtype", default="float16", choices=("float32", "float16", "bfloat16"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write(arguments.folder, arguments.tiny, getattr(torch, arguments.dtype), arguments.image)
    total = sum(path.stat().st_size for path in arguments.folder.rglob("*") if path.is_file())
    log.info("%s: %.1f MB", arguments.folder, total / 1e6)


if __name__ == "__main__":
    main()
