"""Folders of models at full size without weights, as estimates read configurations alone; and a small whole one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    LTXVideoTransformer3DModel,
    UNet3DConditionModel,
    WanTransformer3DModel,
)
from transformers import CLIPTextConfig, CLIPTokenizer, T5Config, T5Tokenizer, UMT5Config, UMT5EncoderModel

from pretraining.diffusion import build_scheduler
from pretraining.vocabulary import merges_for, write_clip_tokenizer
from random_model import ZEROSCOPE

T5_XXL: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_ff": 10240,
    "d_kv": 64,
    "num_heads": 64,
    "num_layers": 24,
    "feed_forward_proj": "gated-gelu",
}


def _t5(folder: Path, kind: Any = T5Config, **options: Any) -> None:
    kind(**{**T5_XXL, **options}).save_pretrained(folder / "text_encoder")
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("a", -3.0)]
    T5Tokenizer(vocab=marks, extra_ids=0, model_max_length=512).save_pretrained(folder / "tokenizer")


def _network(folder: Path, part: str, kind: Any, **options: Any) -> None:
    with torch.device("meta"):
        kind(**options).save_config(folder / part)


def _flow(folder: Path) -> None:
    FlowMatchEulerDiscreteScheduler(shift=7.0).save_pretrained(folder / "scheduler")


def zeroscope(folder: Path) -> None:
    """ZeroScope: a UNet of 1.41 billion parameters."""
    write_clip_tokenizer(folder / "tokenizer", merges_for(("a",)))
    CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=77).save_pretrained(folder / "tokenizer")
    CLIPTextConfig(
        vocab_size=49408, hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16
    ).save_pretrained(folder / "text_encoder")
    levels: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": 4,
    }
    _network(folder, "vae", AutoencoderKL, **levels, **ZEROSCOPE.autoencoder)
    _network(folder, "unet", UNet3DConditionModel, cross_attention_dim=1024)
    build_scheduler().save_pretrained(folder / "scheduler")


def wan(folder: Path) -> None:
    """Wan 2.1 1.3B."""
    _t5(folder, UMT5Config, vocab_size=256384)
    _network(folder, "transformer", WanTransformer3DModel, num_attention_heads=12, num_layers=30, ffn_dim=8960)
    _network(folder, "vae", AutoencoderKLWan)
    _flow(folder)


def small_wan(folder: Path) -> None:
    """Wan's topology in two blocks, with weights, and little to compute."""
    sizes: dict[str, int] = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_heads": 2, "num_layers": 1}
    _t5(folder, UMT5Config, **sizes)
    UMT5EncoderModel(UMT5Config(**{**T5_XXL, **sizes})).save_pretrained(folder / "text_encoder")
    network: dict[str, Any] = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "num_layers": 2,
        "ffn_dim": 32,
        "text_dim": 16,
    }
    WanTransformer3DModel(freq_dim=32, **network).save_pretrained(folder / "transformer")
    AutoencoderKLWan(base_dim=4, z_dim=16, num_res_blocks=1).save_pretrained(folder / "vae")
    _flow(folder)


def ltx(folder: Path) -> None:
    """LTX-Video 2B."""
    _t5(folder)
    _network(folder, "transformer", LTXVideoTransformer3DModel)
    _network(folder, "vae", AutoencoderKLLTXVideo)
    _flow(folder)


FOLDERS: dict[str, Callable[[Path], None]] = {each.__name__: each for each in (zeroscope, wan, small_wan, ltx)}
