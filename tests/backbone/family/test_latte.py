"""Latte on a tiny random folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, latents, sampled, told
from diffusers import AutoencoderKL, DDIMScheduler, LattePipeline, LatteTransformer3DModel
from tiny import WIDTH, seeded, t5, t5_tokenizer, write_parts

from motion_inversion.backbone.latte import Latte
from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.error import InputError
from motion_inversion.method.vmc import temporal_projections

FOUR = 4


class TestLatte(FamilyContract):
    model = "latte"
    overrides = ("model.frames=16", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        vae, transformer = seeded(
            (
                AutoencoderKL,
                {
                    "down_block_types": ("DownEncoderBlock2D",) * FOUR,
                    "up_block_types": ("UpDecoderBlock2D",) * FOUR,
                    "block_out_channels": (8,) * FOUR,
                    "layers_per_block": 1,
                    "norm_num_groups": 4,
                },
            ),
            (
                LatteTransformer3DModel,
                {
                    "num_attention_heads": 2,
                    "attention_head_dim": 8,
                    "in_channels": 4,
                    "out_channels": 8,
                    "num_layers": 2,
                    "cross_attention_dim": 16,
                    "attention_bias": True,
                    "sample_size": 4,
                    "patch_size": 2,
                    "activation_fn": "gelu-approximate",
                    "num_embeds_ada_norm": 1000,
                    "norm_type": "ada_norm_single",
                    "norm_elementwise_affine": False,
                    "norm_eps": 1e-6,
                    "caption_channels": WIDTH,
                },
            ),
        )
        scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False)
        parts = {"tokenizer": t5_tokenizer(), "text_encoder": t5(), "vae": vae, "transformer": transformer}
        write_parts(folder, "LattePipeline", {**parts, "scheduler": scheduler})

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        pipeline: Any = LattePipeline.from_pretrained(folder)
        noise = latents(backbone)
        expected = pipeline(
            "a red star",
            video_length=16,
            height=32,
            width=32,
            num_inference_steps=4,
            guidance_scale=1.0,
            latents=noise,
            clean_caption=False,
            output_type="latents",
        ).frames
        found = sampled(backbone, noise, 1.0)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)

    def test_a_prompt_counts_as_if_its_padding_were_cut_off(self, backbone: Backbone) -> None:
        noise, condition = latents(backbone), told(backbone)
        words = int(condition["prompt_attention_mask"].sum())
        expected = backbone.part("transformer")(
            noise, torch.tensor([500]), condition["prompt_embeds"][:, :words], return_dict=False
        )[0]
        torch.testing.assert_close(backbone.predict(noise, 500, condition), expected[:, :4], atol=1e-5, rtol=1e-5)

    def test_a_transformer_of_another_length_is_refused(
        self, words: tuple[str, ...], compose_model: Callable[..., Model]
    ) -> None:
        model = compose_model(*words, "+model.family.frames=8", "model.frames=8").load()
        with pytest.raises(InputError, match=r"tells 16 frames apart.*set \+\+model.family.frames=16 model.frames=16"):
            model.part("transformer")

    def test_vmc_tunes_the_attentions_over_time(self, backbone: Backbone) -> None:
        tuned = temporal_projections(backbone).tensors()
        assert {name.split(".attn")[0] for name in tuned} == {site.name for site in backbone.sites()}
        assert {name.split(".")[-2] for name in tuned} == {"to_q", "to_k", "to_v"}


def test_another_length_than_that_of_its_sines_is_refused() -> None:
    with pytest.raises(InputError, match="model.frames=24.*set model.frames=16"):
        Latte().check(24, 512, 512)
