"""Allegro on a tiny random folder."""

from pathlib import Path

import pytest
import torch
from contract import FamilyContract, latents
from diffusers import AllegroPipeline, AllegroTransformer3DModel, AutoencoderKLAllegro, EulerAncestralDiscreteScheduler
from tiny import WIDTH, seeded, t5, t5_tokenizer, write_parts

from motion_inversion.backbone.allegro import Allegro
from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError

SIDE = 144  # the least whose tiles overlap as the autoencoder's code has it


class TestAllegro(FamilyContract):
    model = "allegro"
    overrides = ("model.frames=24", f"model.width={SIDE}", f"model.height={SIDE}", f"+model.family.tile={SIDE}")

    def write(self, folder: Path) -> None:
        vae, transformer = seeded(
            (
                AutoencoderKLAllegro,
                {
                    "block_out_channels": (4,) * 4,
                    "latent_channels": 4,
                    "layers_per_block": 1,
                    "norm_num_groups": 2,
                    "sample_size": SIDE,
                },
            ),
            (
                AllegroTransformer3DModel,
                {
                    "num_attention_heads": 2,
                    "attention_head_dim": 12,
                    "in_channels": 4,
                    "out_channels": 4,
                    "num_layers": 2,
                    "cross_attention_dim": 24,
                    "sample_width": 18,
                    "sample_height": 18,
                    "sample_frames": 6,
                    "caption_channels": WIDTH,
                },
            ),
        )
        parts = {"tokenizer": t5_tokenizer(), "text_encoder": t5(), "vae": vae, "transformer": transformer}
        write_parts(folder, "AllegroPipeline", {**parts, "scheduler": EulerAncestralDiscreteScheduler()})

    def test_its_answer_is_what_its_pipeline_is_given(self, backbone: Backbone, folder: Path) -> None:
        """Rotary positions and masks as the pipeline makes them; its sampler is a random one."""
        pipeline = AllegroPipeline.from_pretrained(folder)
        embeds, mask, *_ = pipeline.encode_prompt("a red star", do_classifier_free_guidance=False, clean_caption=False)
        rope = pipeline._prepare_rotary_positional_embeddings(1, SIDE, SIDE, 6, torch.device("cpu"))
        noise = latents(backbone)
        expected = pipeline.transformer(
            noise, embeds, torch.tensor([500]), encoder_attention_mask=mask, image_rotary_emb=rope, return_dict=False
        )[0]
        found = backbone.predict(noise, 500, backbone.embed(["a red star"]))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "near"),
    [
        ((16, 560, 720), "frames=24"),
        ((24, 512, 720), "width=560"),
        ((24, 560, 512), "height=720"),
        ((88, 1280, 720), ""),
    ],
)
def test_sizes_that_tiles_don_t_cover_are_refused(size: tuple[int, int, int], near: str) -> None:
    if not near:
        Allegro().check(*size)
        return
    with pytest.raises(InputError, match=f"set model.{near}"):
        Allegro().check(*size)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((25, 320, 320), "model.frames=25: .* nearest are 24 and 40; set model.frames=40"),
        ((24, 100, 320), "model.width=100: .* set model.width=320"),
    ],
)
def test_what_is_proposed_is_accepted(size: tuple[int, int, int], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Allegro().check(*size)
    Allegro().check(40, 320, 320)


def test_tiles_must_be_larger_than_their_overlap() -> None:
    with pytest.raises(InputError, match=r"model.family.tile=80: tiles overlap by 120"):
        Allegro(tile=80).check(24, 80, 80)
