"""LTX-Video on a tiny random folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, ask, latents, sampled, told
from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXPipeline, LTXVideoTransformer3DModel
from tiny import WIDTH, seeded, t5, t5_tokenizer, write_parts

from motion_inversion.backbone.ltx import Ltx
from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError

FOUR, FIVE = (8,) * 4, (1,) * 5


class TestLtx(FamilyContract):
    model = "ltx"
    overrides = ("model.frames=17", "model.width=64", "model.height=64")

    def write(self, folder: Path) -> None:
        vae, transformer = seeded(
            (
                AutoencoderKLLTXVideo,
                {
                    "latent_channels": 4,
                    "block_out_channels": FOUR,
                    "decoder_block_out_channels": FOUR,
                    "layers_per_block": FIVE,
                    "decoder_layers_per_block": FIVE,
                },
            ),
            (
                LTXVideoTransformer3DModel,
                {
                    "in_channels": 4,
                    "out_channels": 4,
                    "num_attention_heads": 2,
                    "attention_head_dim": 12,
                    "cross_attention_dim": 24,
                    "num_layers": 2,
                    "caption_channels": WIDTH,
                },
            ),
        )
        vae.latents_mean.normal_(generator=torch.Generator().manual_seed(0))
        scheduler = FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.95,
            max_shift=2.05,
            base_image_seq_len=1024,
            max_image_seq_len=4096,
            shift_terminal=0.1,
        )
        parts = {"tokenizer": t5_tokenizer(), "text_encoder": t5(), "vae": vae, "transformer": transformer}
        write_parts(folder, "LTXPipeline", {**parts, "scheduler": scheduler})

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        pipeline: Any = LTXPipeline.from_pretrained(folder)
        noise = latents(backbone)
        expected = pipeline(
            "a red star",
            num_frames=17,
            height=64,
            width=64,
            frame_rate=25,
            num_inference_steps=4,
            guidance_scale=4.0,
            latents=noise.flatten(2).transpose(1, 2),
            output_type="latent",
        ).frames.transpose(1, 2)
        found = sampled(backbone, noise, 4.0)
        torch.testing.assert_close(found.flatten(2), expected, atol=1e-4, rtol=1e-4)

    def test_padding_is_masked_to_the_transformer(self, backbone: Backbone) -> None:
        plain, condition = ask(backbone), told(backbone)
        assert condition["prompt_attention_mask"].sum() == len("a red star") + 2
        changed = condition["prompt_embeds"].clone()
        changed[:, 60:] += 1
        answer = backbone.predict(latents(backbone), 500, condition.having(prompt_embeds=changed))
        torch.testing.assert_close(answer, plain)

    def test_the_frame_rate_enters_its_positions(self, backbone: Backbone) -> None:
        assert backbone.config.fps == 25


@pytest.mark.parametrize(("frames", "near"), [(16, "9 and 17"), (24, "17 and 25")])
def test_lengths_that_the_autoencoder_would_cut_are_refused(frames: int, near: str) -> None:
    with pytest.raises(InputError, match=f"model.frames={frames}.*nearest are {near}"):
        Ltx().check(frames, 512, 320)
