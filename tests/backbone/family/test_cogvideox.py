"""CogVideoX on tiny random folders: 2B with sines, 5B with rotary positions, 1.5 with patches in time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, ask, latents, sampled, told
from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel
from tiny import WIDTH, seeded, t5, t5_tokenizer, write_parts

from motion_inversion.backbone.cogvideox import CogVideoX
from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.error import InputError

TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "in_channels": 4,
    "out_channels": 4,
    "time_embed_dim": 8,
    "text_embed_dim": WIDTH,
    "num_layers": 2,
    "sample_width": 8,
    "sample_height": 4,
    "sample_frames": 9,
}
AUTOENCODER: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 2,
}


def _write(folder: Path, **changes: object) -> None:
    vae, transformer = seeded(
        (AutoencoderKLCogVideoX, AUTOENCODER), (CogVideoXTransformer3DModel, TRANSFORMER | changes)
    )
    scheduler = CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        clip_sample=False,
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
        timestep_spacing="trailing",
    )
    parts = {"tokenizer": t5_tokenizer(), "text_encoder": t5(), "vae": vae, "transformer": transformer}
    write_parts(folder, "CogVideoXPipeline", {**parts, "scheduler": scheduler})


class TestCogVideoX5B(FamilyContract):
    model = "cogvideox"
    overrides = ("model.frames=9", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        _write(folder, use_rotary_positional_embeddings=True)

    def test_padding_is_seen(self, backbone: Backbone) -> None:
        embeds = told(backbone)["prompt_embeds"]
        assert embeds.shape == (1, 226, WIDTH)
        assert embeds[:, 100:].any()

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        """The same noise, prompt and guidance; width and height differ, so that nothing is transposed unnoticed."""
        config = backbone.config
        wide = Model("x", config.path, config.family, 9, 64, 32, device="cpu").load()
        pipeline: Any = CogVideoXPipeline.from_pretrained(folder)
        noise = latents(wide)
        expected = pipeline(
            "a red star",
            num_frames=9,
            height=32,
            width=64,
            num_inference_steps=4,
            guidance_scale=4.0,
            latents=noise.transpose(1, 2),
            output_type="latent",
        ).frames.transpose(1, 2)
        torch.testing.assert_close(sampled(wide, noise, 4.0), expected, atol=1e-4, rtol=1e-4)


class TestCogVideoX2B(FamilyContract):
    model = "cogvideox"
    overrides = ("model.frames=8", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        _write(folder)


class TestCogVideoX15(FamilyContract):
    model = "cogvideox_1_5"
    overrides = ("model.frames=16", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        _write(folder, use_rotary_positional_embeddings=True, patch_size_t=2, patch_bias=False)

    def test_the_other_files_patches_are_refused_by_name(self, folder: Path) -> None:
        model = Model("x", str(folder), CogVideoX(), 16, 32, 32, device="cpu").load()
        with pytest.raises(InputError, match=r"\+\+model.family.patch_time=2"):
            ask(model)


@pytest.mark.parametrize(
    ("frames", "patch", "near"), [(18, 1, "17 and 24"), (13, 1, "9 and 16"), (9, 2, "8 and 16"), (81, 2, "80 and 88")]
)
def test_lengths_that_don_t_divide_are_refused(frames: int, patch: int, near: str) -> None:
    with pytest.raises(InputError, match=f"model.frames={frames}.*nearest are {near}"):
        CogVideoX(patch_time=patch).check(frames, 512, 320)
