"""The networks that the diffusion phases train, each with its noising: topology, prediction and loss weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    WanTransformer3DModel,
)
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from torch import Tensor, nn

from pretraining.autoencoder import LATENT_CHANNELS
from pretraining.vocabulary import CONTEXT

WIDTH = 96  # of the text encoder
HEADS, HEAD_SIZE, LAYERS = 6, 32, 8
PATCH = 2


@dataclass(frozen=True)
class Denoiser:
    """A network on trial: how it is called, and what it predicts of signal·x0 + sigma·noise."""

    network: nn.Module
    part: str
    scheduler: Any
    signal: Tensor
    sigma: Tensor
    target: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    predict: Callable[[Tensor, Tensor, Tensor], Tensor]
    pads_with_zeros: bool = False  # instead of the text encoder's states of padding


def build_dit(device: str) -> Denoiser:
    """CogVideoX's topology: text and video in one sequence, rotary positions, v-prediction, zero terminal SNR."""
    network: Any = CogVideoXTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=HEAD_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        time_embed_dim=64,
        text_embed_dim=WIDTH,
        num_layers=LAYERS,
        sample_width=8,
        sample_height=8,
        sample_frames=16,
        patch_size=PATCH,
        temporal_compression_ratio=1,
        max_text_seq_length=CONTEXT,
        use_rotary_positional_embeddings=True,
        spatial_interpolation_scale=1.0,
    )
    network.to(device)
    scheduler = CogVideoXDDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
        timestep_spacing="trailing",
    )
    alphas = scheduler.alphas_cumprod.float().to(device)
    rope = get_3d_rotary_pos_embed(HEAD_SIZE, ((0, 0), (4, 4)), (4, 4), 16, device=torch.device(device))

    def predict(noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        output = network(noisy.transpose(1, 2), text, t, image_rotary_emb=rope, return_dict=False)[0]
        return output.transpose(1, 2)

    def target(clean: Tensor, noise: Tensor, signal: Tensor, sigma: Tensor) -> Tensor:
        return signal * noise - sigma * clean

    return Denoiser(network, "transformer", scheduler, alphas.sqrt(), (1 - alphas).sqrt(), target, predict)


def build_wan(device: str) -> Denoiser:
    """Wan's topology: self-attention over the video, cross-attention to the text, flow matching."""
    network: Any = WanTransformer3DModel(
        patch_size=(1, PATCH, PATCH),
        num_attention_heads=HEADS,
        attention_head_dim=HEAD_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        text_dim=WIDTH,
        freq_dim=64,
        ffn_dim=4 * HEADS * HEAD_SIZE,
        num_layers=LAYERS,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    network.to(device)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    sigma = ((torch.arange(1000) + 1) / 1000).to(device)

    def predict(noisy: Tensor, t: Tensor, text: Tensor) -> Tensor:
        return network(noisy, t + 1, text, return_dict=False)[0]

    def target(clean: Tensor, noise: Tensor, signal: Tensor, sigma: Tensor) -> Tensor:
        return noise - clean

    return Denoiser(network, "transformer", scheduler, 1 - sigma, sigma, target, predict, pads_with_zeros=True)


BUILD = {"dit": build_dit, "wan": build_wan}
