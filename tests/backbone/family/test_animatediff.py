"""AnimateDiff on tiny random folders: a whole UNet, and an image UNet with an adapter from elsewhere."""

from pathlib import Path
from typing import Any

import pytest
import torch
from contract import FamilyContract, ask, latents, sampled, told
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    DDIMScheduler,
    MotionAdapter,
    UNet2DConditionModel,
    UNetMotionModel,
)
from tiny import WIDTH, clip, clip_tokenizer, seeded, write_parts

from motion_inversion.backbone.animatediff import AnimateDiff
from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.error import InputError

UNET: dict[str, Any] = {
    "block_out_channels": (8, 8),
    "layers_per_block": 1,
    "sample_size": 4,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 2,
    "norm_num_groups": 2,
}
ADAPTER: dict[str, Any] = {
    "block_out_channels": (8, 8),
    "motion_layers_per_block": 1,
    "motion_norm_num_groups": 2,
    "motion_num_attention_heads": 2,
}
AUTOENCODER: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (8,) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
}


def _write(folder: Path, whole: bool) -> None:
    tokenizer = clip_tokenizer(folder / "tokenizer")
    vae, unet, adapter = seeded((AutoencoderKL, AUTOENCODER), (UNet2DConditionModel, UNET), (MotionAdapter, ADAPTER))
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", clip_sample=False, timestep_spacing="trailing"
    )
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": clip(tokenizer),
        "vae": vae,
        "unet": UNetMotionModel.from_unet2d(unet, adapter) if whole else unet,
        "scheduler": scheduler,
    }
    write_parts(folder, "AnimateDiffPipeline" if whole else "StableDiffusionPipeline", parts)
    adapter.save_pretrained(folder / "motion_adapter")


class TestAnimateDiffWhole(FamilyContract):
    model = "animatediff"
    overrides = ("model.frames=4", "model.width=32", "model.height=32", "model.parts.motion_adapter=unused/anywhere")

    def write(self, folder: Path) -> None:
        _write(folder, whole=True)

    def test_sampling_is_that_of_its_pipeline(self, backbone: Backbone, folder: Path) -> None:
        pipeline: Any = AnimateDiffPipeline.from_pretrained(folder)
        noise = latents(backbone)
        expected = pipeline(
            "a red star",
            num_frames=4,
            height=32,
            width=32,
            num_inference_steps=4,
            guidance_scale=4.0,
            latents=noise,
            output_type="latent",
        ).frames
        found = sampled(backbone, noise, 4.0)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)

    def test_each_block_attends_over_time_twice(self, backbone: Backbone) -> None:
        assert {site.attentions for site in backbone.sites()} == {("attn1", "attn2")}
        assert {site.section for site in backbone.sites()} == {"down", "mid", "up"}


class TestAnimateDiffWithAnAdapter(FamilyContract):
    model = "animatediff"
    overrides = ("model.frames=4", "model.width=32", "model.height=32")

    def write(self, folder: Path) -> None:
        _write(folder, whole=False)

    @pytest.fixture(scope="class")
    def words(self, folder: Path) -> tuple[str, ...]:
        return (
            f"model={self.model}",
            f"model.path={folder}",
            f"model.parts.motion_adapter={folder / 'motion_adapter'}",
            "model.dtype=float32",
            "model.device=cpu",
            *self.overrides,
        )

    def test_both_together_are_the_whole(self, backbone: Backbone, tmp_path: Path) -> None:
        _write(tmp_path, whole=True)
        whole = Model("x", str(tmp_path), AnimateDiff(), 4, 32, 32, device="cpu").load()
        assert torch.equal(ask(backbone), whole.predict(latents(backbone), 500, told(backbone)))


def test_an_image_unet_without_an_adapter_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, whole=False)
    (tmp_path / "motion_adapter").rename(tmp_path / "elsewhere")
    model = Model("x", str(tmp_path), AnimateDiff(), 4, 32, 32, device="cpu").load()
    with pytest.raises(InputError, match="model.parts.motion_adapter="):
        ask(model)


def test_more_frames_than_the_modules_tell_apart_are_refused() -> None:
    with pytest.raises(InputError, match="set model.frames=32"):
        AnimateDiff().check(40, 512, 512)
