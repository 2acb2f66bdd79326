"""The image model asked for clips: frame by frame, with a ControlNet, and with parts from other folders."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.core.condition import CONTROL_MAPS, PROMPT_EMBEDS, Condition
from motion_inversion.error import InputError


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def config(tiny_image_model: Path) -> Model:
    return Model("tiny", str(tiny_image_model), UNet2D(), 4, 64, 64, device="cpu")


@pytest.fixture(scope="module")
def image_model(config: Model) -> Backbone:
    return config.load()


LATENTS, STATES = randn(0, 2, 4, 4, 8, 8), randn(1, 2, 32, 16)
HINT = torch.rand(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(2))
TOLD = Condition({PROMPT_EMBEDS: STATES})
LED = TOLD.having(**{CONTROL_MAPS: HINT})


@torch.no_grad()
def test_a_frame_is_denoised_as_a_picture_with_the_text_of_its_clip(image_model: Backbone):
    prediction = image_model.predict(LATENTS, 500, TOLD)
    assert prediction.shape == LATENTS.shape
    alone = image_model.network(LATENTS[1:, :, 2], 500, STATES[1:]).sample
    torch.testing.assert_close(prediction[1:, :, 2], alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_every_clip_has_its_own_timestep(image_model: Backbone):
    first, second = TOLD.split()
    both = image_model.predict(LATENTS, torch.tensor([100, 900]), TOLD)
    late = image_model.predict(LATENTS[1:], 900, second)
    torch.testing.assert_close(both[1:], late, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(both[:1], image_model.predict(LATENTS[:1], 900, first), atol=1e-3)


@torch.no_grad()
def test_a_controlnet_adds_its_residuals_for_the_hint_of_each_frame(image_model: Backbone):
    controlled = image_model.predict(LATENTS, 500, LED)
    assert not torch.allclose(controlled, image_model.predict(LATENTS, 500, TOLD), atol=1e-3)
    picture, states = LATENTS[:1, :, 3], STATES[:1]
    controlnet = image_model.part("controlnet")
    down, mid = controlnet(picture, 500, states, controlnet_cond=HINT[:1, :, 3], return_dict=False)
    residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
    alone = image_model.network(picture, 500, states, **residuals).sample
    torch.testing.assert_close(controlled[:1, :, 3], alone, atol=1e-5, rtol=1e-4)


def test_a_controlnet_may_be_missing_until_it_is_asked_for(config: Model, tmp_path: Path):
    folder = Path(shutil.copytree(config.path, tmp_path / "model"))
    shutil.rmtree(folder / "controlnet")
    bare = replace(config, path=str(folder))
    model = bare.load()
    assert not model.has("controlnet") and config.load().has("controlnet")
    assert model.predict(LATENTS, 500, TOLD).shape == LATENTS.shape
    with pytest.raises(InputError, match="controlnet can't be loaded as ControlNetModel"):
        model.part("controlnet")
    assert bare.fingerprint != config.fingerprint


@pytest.mark.parametrize("below", ["", "controlnet"])
@torch.no_grad()
def test_parts_may_lie_elsewhere_alone_or_in_a_folder_of_their_name(
    config: Model, image_model: Backbone, tmp_path: Path, below: str
):
    folder = Path(shutil.copytree(config.path, tmp_path / "model"))
    (tmp_path / "other").mkdir()
    shutil.move(folder / "controlnet", tmp_path / "other/controlnet")
    parts = {"controlnet": str(tmp_path / "other" / ("" if below else "controlnet"))}
    split = replace(config, path=str(folder), parts=parts)
    model = split.load()
    assert torch.equal(model.predict(LATENTS, 500, LED), image_model.predict(LATENTS, 500, LED))
    assert split.fingerprint == config.fingerprint


def test_an_unknown_part_is_refused_with_those_there_are(config: Model):
    with pytest.raises(InputError, match=r"model\.parts\.control_net: .* unet, scheduler, controlnet"):
        replace(config, parts={"control_net": "someone/some_net"}).load()


def test_a_part_that_is_nowhere_is_refused_by_its_option(config: Model, tmp_path: Path):
    with pytest.raises(InputError, match=r"model\.parts\.vae=.*nothing is no folder; set model\.parts\.vae"):
        replace(config, parts={"vae": str(tmp_path / "nothing")}).load()


def test_a_video_model_is_refused_as_an_image_model(config: Model, tiny_model: Path):
    with pytest.raises(InputError, match=r"unet is of class UNet3DConditionModel; .* accepts UNet2DConditionModel"):
        replace(config, path=str(tiny_model)).load()
