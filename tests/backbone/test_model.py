"""The loaded model on random weights: what it refuses, embeds, predicts, guides and inverts."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import OdeInversion
from motion_inversion.error import InputError
from motion_inversion.storage.embedded import locate


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 60}, r"model\.width=60: accepted are multiples of 8; set model\.width=64"),
        ({"height": 0}, r"model\.height=0: accepted are multiples of 8; set model\.height=8"),
        ({"width": 96, "family": UNet3D(space=64)}, r"multiples of 64; set model\.width=128"),
        ({"frames": 1}, r"model\.frames=1: motion takes at least 2 frames"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config: Model, changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        replace(config, **changes)


def test_building_reads_nothing(config: Model, tmp_path: Path):
    missing = replace(config, path=str(tmp_path / "missing"))
    with pytest.raises(InputError, match="is no folder"):
        missing.load()


def test_an_unknown_device_is_refused(config: Model):
    with pytest.raises(InputError, match=r"model\.device=quantum .*set model\.device=auto"):
        replace(config, device="quantum").load()


def test_a_moved_folder_is_the_same_model_and_other_weights_are_another(config: Model, tmp_path: Path):
    moved = Path(shutil.copytree(config.folder.path, tmp_path / "moved"))
    assert replace(config, path=str(moved)).fingerprint == config.fingerprint
    [weights] = (moved / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert replace(config, path=str(moved)).fingerprint != config.fingerprint


def test_prompts_have_states_of_their_own_whatever_they_come_with(model: Backbone):
    prompts = ["a red star", "a blue circle moving around"]
    states = model.embed(prompts)[PROMPT_EMBEDS]
    assert states.shape == (2, 32, 16)
    assert states.dtype == torch.float32
    torch.testing.assert_close(model.embed(prompts[1:])[PROMPT_EMBEDS], states[1:], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(states[0], states[1])


def test_a_prompt_that_is_too_long_is_refused(model: Backbone):
    assert model.embed(["red " * 30])[PROMPT_EMBEDS].shape == (1, 32, 16)  # with start and end, just what fits
    with pytest.raises(InputError, match=r"has 33 tokens, the text encoder of tiny takes 32: shorten it"):
        model.embed(["a red star", "red " * 31])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@torch.no_grad()
def test_predictions_are_single_precision(config: Model, dtype: str):
    half = replace(config, dtype=dtype).load()  # pyright: ignore[reportArgumentType]
    told = Condition({PROMPT_EMBEDS: randn(1, 2, 32, 16)})
    prediction = half.predict(randn(0, 2, 4, 4, 8, 8), torch.tensor([3, 700]), told)
    assert prediction.shape == (2, 4, 4, 8, 8)
    assert prediction.dtype == torch.float32


def test_guidance_extrapolates_from_the_negative_prompt(model: Backbone, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []

    def predict(self: Backbone, latents: Tensor, t: Stop, condition: Condition) -> Tensor:
        calls.append(len(latents))
        return latents * 0 + condition[PROMPT_EMBEDS].mean(dim=(1, 2)).view(-1, 1, 1, 1, 1)

    monkeypatch.setattr(Backbone, "predict", predict)
    latents = randn(0, 2, 4, 4, 8, 8)
    condition = Condition({PROMPT_EMBEDS: torch.tensor([2.0, 5.0]).view(2, 1, 1).expand(2, 3, 16)})
    negative = Condition({PROMPT_EMBEDS: torch.ones(2, 3, 16)})
    guided = model.guided(latents, 9, condition, negative, 3.0)
    # 1 + 3 (2 − 1) = 4 and 1 + 3 (5 − 1) = 13
    assert guided[:, 0, 0, 0, 0].tolist() == [4, 13]
    plain = model.guided(latents, 9, condition, negative, 1.0)
    assert plain[:, 0, 0, 0, 0].tolist() == [2, 5]
    assert calls == [4, 2]


def test_inversion_asks_for_what_the_prompt_tells_without_guidance(model: Backbone):
    latents, told, visited = randn(0, 1, 4, 4, 8, 8), model.embed(["a red star"]), {}
    inverted = model.invert(OdeInversion(2), latents, told, visit=lambda t, x: visited.update({t: x}))
    expected = latents
    with torch.no_grad():
        for t, t_next in ((-499, 1), (1, 501)):
            expected = model.process.unstep(expected, model.predict(expected, t_next, told), t, t_next)
    assert list(visited) == [1, 501]
    torch.testing.assert_close(inverted, expected)


def test_parts_are_read_once_and_again_after_their_release(config: Model):
    model = config.load()
    vae, unet = model.part("vae"), model.network
    assert model.part("vae") is vae
    model.release("vae", "text_encoder")
    assert model.part("vae") is not vae
    assert model.network is unet


def test_what_a_family_makes_of_parts_is_kept_until_its_release(config: Model):
    model = config.load()
    made = model.made("experts", torch.nn.Identity)
    assert model.made("experts", torch.nn.Identity) is made
    model.release("experts")
    assert model.made("experts", torch.nn.Identity) is not made


def test_every_text_encoder_is_released_by_one_name(config: Model):
    model = config.load()
    first, second = model.part("text_encoder"), model.made("text_encoder_2", torch.nn.Identity)
    model.release("text_encoder")
    assert model.part("text_encoder") is not first
    assert model.made("text_encoder_2", torch.nn.Identity) is not second


def test_text_encoders_that_stay_on_the_cpu_have_a_type_it_computes_in(config: Model):
    half = replace(config, dtype="float16", offload=True).load()
    assert half.part("text_encoder").dtype is torch.float32
    assert half.part("vae").dtype is torch.float16
    assert half.embed(["a"])[PROMPT_EMBEDS].dtype is torch.float32
    assert replace(config, dtype="bfloat16", offload=True).load().part("text_encoder").dtype is torch.bfloat16


def test_an_autoencoder_of_another_family_is_refused_when_it_is_met(config: Model):
    model = replace(config, family=UNet3D(space=4)).load()
    frames = np.zeros((4, 64, 64, 3), np.uint8)
    with pytest.raises(InputError, match=r"4 channels, 4 frames, 8×8 .* takes 4 channels, 4 frames, 16×16: .*family"):
        model.encode(frames)


def test_a_whole_model_of_which_parts_would_come_from_the_package_is_refused(config: Model):
    parts = {"tokenizer": "embedded:shapes_shared", "vae": "embedded:shapes_shared"}
    with pytest.raises(
        InputError, match=r"^model\.path=.* is a whole model, but model=\w+ takes tokenizer and vae from"
    ):
        replace(config, parts=parts).load()
    replace(config, parts={}).load()
    Model("shapes", "embedded:shapes", UNet3D(), 16, 64, 64, parts=parts).load()


def test_a_folder_that_lacks_what_the_package_has_takes_it_from_there(config: Model, tmp_path: Path):
    parts = {"tokenizer": "embedded:shapes_shared", "vae": "embedded:shapes_shared"}
    shutil.copytree(locate("embedded:shapes"), tmp_path / "mine")
    Model("shapes", str(tmp_path / "mine"), UNet3D(), 16, 64, 64, parts=parts).load()
