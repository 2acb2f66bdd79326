"""Mochi on a tiny random folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, latents, sampled
from diffusers import AutoencoderKLMochi, FlowMatchEulerDiscreteScheduler, MochiPipeline, MochiTransformer3DModel
from tiny import WIDTH, seeded, t5, t5_tokenizer, write_parts

from motion_inversion.backbone.mochi import Mochi
from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError


class TestMochi(FamilyContract):
    model = "mochi"
    overrides = ("model.frames=7", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        vae, transformer = seeded(
            (
                AutoencoderKLMochi,
                {
                    "encoder_block_out_channels": (32,) * 4,
                    "decoder_block_out_channels": (32,) * 4,
                    "layers_per_block": (1,) * 5,
                },
            ),
            (
                MochiTransformer3DModel,
                {
                    "num_attention_heads": 2,
                    "attention_head_dim": 8,
                    "num_layers": 2,
                    "pooled_projection_dim": 16,
                    "text_embed_dim": WIDTH,
                    "time_embed_dim": 8,
                },
            ),
        )
        with torch.no_grad():  # published frequencies are learnt; zeros would turn nothing
            transformer.pos_frequencies.normal_(generator=torch.Generator().manual_seed(0))
        parts = {"tokenizer": t5_tokenizer(), "text_encoder": t5(), "vae": vae, "transformer": transformer}
        write_parts(
            folder, "MochiPipeline", {**parts, "scheduler": FlowMatchEulerDiscreteScheduler(invert_sigmas=True)}
        )

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        pipeline: Any = MochiPipeline.from_pretrained(folder)
        noise = latents(backbone)
        expected = pipeline(
            "a red star",
            num_frames=7,
            height=32,
            width=32,
            num_inference_steps=4,
            guidance_scale=4.0,
            latents=noise,
            output_type="latent",
        ).frames
        torch.testing.assert_close(sampled(backbone, noise, 4.0), expected, atol=1e-4, rtol=1e-4)


def test_lengths_that_the_autoencoder_would_cut_are_refused() -> None:
    with pytest.raises(InputError, match="model.frames=16.*nearest are 13 and 19"):
        Mochi().check(16, 512, 320)
