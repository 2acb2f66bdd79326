"""HunyuanVideo on a tiny random folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, ask, latents, sampled, told
from diffusers import (
    AutoencoderKLHunyuanVideo,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
)
from tiny import WIDTH, clip, clip_tokenizer, seeded, write_parts
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from motion_inversion.backbone.hunyuan_video import HunyuanVideo
from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError


def _bytes_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte; HunyuanVideo's own, of the Llama family, has longer ones."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(["<pad>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=2048)


class TestHunyuanVideo(FamilyContract):
    model = "hunyuan_video"
    fused = False
    # Its template has 95 tokens of its own tokenizer, many more of single bytes.
    overrides = ("model.frames=9", "model.width=32", "model.height=32", "+model.family.length=600")

    def write(self, folder: Path) -> None:
        tokenizer = clip_tokenizer(folder / "tokenizer_2")
        vae, transformer, llama = seeded(
            (
                AutoencoderKLHunyuanVideo,
                {"block_out_channels": (8,) * 4, "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 4},
            ),
            (
                HunyuanVideoTransformer3DModel,
                {
                    "in_channels": 4,
                    "out_channels": 4,
                    "num_attention_heads": 2,
                    "attention_head_dim": 12,
                    "num_layers": 2,
                    "num_single_layers": 2,
                    "num_refiner_layers": 1,
                    "text_embed_dim": WIDTH,
                    "pooled_projection_dim": WIDTH,
                    "rope_axes_dim": (4, 4, 4),
                },
            ),
            (
                LlamaModel,
                {
                    "config": LlamaConfig(
                        vocab_size=300,
                        hidden_size=WIDTH,
                        intermediate_size=16,
                        num_hidden_layers=3,
                        num_attention_heads=2,
                        pad_token_id=0,
                    )
                },
            ),
        )
        parts = {
            "tokenizer": _bytes_tokenizer(),
            "text_encoder": llama,
            "tokenizer_2": tokenizer,
            "text_encoder_2": clip(tokenizer),
            "vae": vae,
            "transformer": transformer,
            "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
        }
        write_parts(folder, "HunyuanVideoPipeline", parts)

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        pipeline: Any = HunyuanVideoPipeline.from_pretrained(folder)
        noise = latents(backbone)
        expected = pipeline(
            "a red star",
            num_frames=9,
            height=32,
            width=32,
            num_inference_steps=4,
            guidance_scale=6.0,
            latents=noise,
            max_sequence_length=600,  # a token a byte
            output_type="latent",
        ).frames
        found = sampled(backbone, noise, 1.0)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)

    def test_blocks_are_double_and_single(self, backbone: Backbone) -> None:
        assert [(site.section, site.level) for site in backbone.sites()] == [
            ("double", 0),
            ("double", 1),
            ("single", 0),
            ("single", 1),
        ]

    def test_guidance_is_an_input_of_the_network(self, backbone: Backbone) -> None:
        condition = told(backbone)
        expected = backbone.part("transformer")(
            latents(backbone),
            torch.tensor([501.0]),
            condition["prompt_embeds"],
            condition["prompt_attention_mask"],
            condition["pooled_prompt_embeds"],
            torch.tensor([6000.0]),
            return_dict=False,
        )[0]
        assert torch.equal(ask(backbone, 500), expected)


def test_lengths_that_the_autoencoder_would_cut_are_refused() -> None:
    with pytest.raises(InputError, match="model.frames=16.*nearest are 13 and 17"):
        HunyuanVideo().check(16, 512, 320)
