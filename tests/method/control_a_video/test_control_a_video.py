"""Control-A-Video on a random image model: its identities, what each option does, and what is refused."""

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from trial import prompts, randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.core.condition import CONTROL_MAPS, Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim
from motion_inversion.error import InputError
from motion_inversion.method.control_a_video.detector import Canny, Depth
from motion_inversion.method.control_a_video.method import ControlAVideo
from motion_inversion.method.method import Fitting, Reference, Request

METHOD = ControlAVideo(Canny(), first_frame_steps=2)


@pytest.fixture(scope="module")
def moving() -> Reference:
    """A white square on black that moves by one latent position a frame."""
    video = np.zeros((4, 64, 64, 3), np.uint8)
    for frame in range(4):
        video[frame, 16:32, 8 * frame : 8 * frame + 16] = 255
    return Reference(randn(1, 1, 4, 4, 8, 8), prompts(2, 1), "object", video)


@pytest.fixture(scope="module")
def fitted(image_model: Backbone, moving: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    assert METHOD.fit(image_model, moving, Fitting(folder, folder / METHOD.state_file, dict, 0)) == 0
    return folder / METHOD.state_file


@pytest.fixture(scope="module")
def sampled(image_model: Backbone, fitted: Path, noise: Tensor, request_: Request) -> Tensor:
    """Two clips made at once."""
    return METHOD.sample(image_model, fitted, noise, request_)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Latents of every prediction that follows."""
    calls: list[Tensor] = []
    predict = Backbone.predict

    def noted(model: Backbone, latents: Tensor, t: Stop, condition: Condition) -> Tensor:
        calls.append(latents)
        return predict(model, latents, t, condition)

    monkeypatch.setattr(Backbone, "predict", noted)
    return calls


def single(request: Request, index: int = 0) -> Request:
    return replace(request, condition=request.condition.split()[index])


def control_maps(path: Path) -> Tensor:
    return load_file(path)["control_maps"].permute(3, 0, 1, 2)[None] / 255


def test_fitting_keeps_maps_and_changes(fitted: Path, moving: Reference):
    found = load_file(fitted)
    assert torch.equal(found["control_maps"], torch.from_numpy(Canny()(moving.video, torch.device("cpu"))))
    # A step uncovers one column of two latent rows behind the square and covers another before it.
    changed = torch.zeros(3, 8, 8)
    for step in range(3):
        changed[step, 2:4, [step, step + 2]] = 1
    assert torch.equal(found["change"], changed)


def test_maps_that_come_with_the_clip_are_taken(
    image_model: Backbone, moving: Reference, fitting: Callable[..., Fitting]
):
    maps = np.arange(4 * 64 * 64 * 3, dtype=np.uint8).reshape(4, 64, 64, 3)
    elsewhere = replace(image_model.config, family=UNet2D(controlnet="hed")).load()  # no detector finds what it follows
    METHOD.fit(elsewhere, replace(moving, control_maps=maps), fitting())
    assert torch.equal(load_file(fitting().state)["control_maps"], torch.from_numpy(maps))


def test_the_first_frame_is_made_beforehand_and_stays_clean_at_every_step(
    image_model: Backbone,
    fitted: Path,
    noise: Tensor,
    request_: Request,
    sampled: Tensor,
    asked: list[Tensor],
):
    one, maps = single(request_), control_maps(fitted)[:, :, :1]

    def denoise(latents: Tensor, t: Stop) -> Tensor:
        led = (told.having(**{CONTROL_MAPS: maps}) for told in (one.negative, one.condition))
        without, with_text = (image_model.predict(latents, t, told) for told in led)
        return without + 2.0 * (with_text - without)

    made = Ddim(2).sample(image_model.process, denoise, noise[:1, :, :1])
    first = image_model.encode(image_model.decode(made))
    torch.testing.assert_close(sampled[:1, :, :1], first, atol=1e-4, rtol=1e-4)

    asked.clear()
    sample = METHOD.sample(image_model, fitted, noise[:1], one)
    assert len(asked) == 2 + 2 * 2  # the picture's steps, then the clip's, joined and frame by frame
    for latents in asked[2::2]:
        assert torch.equal(latents[:, :, 0], sample[:, :, 0].expand(2, -1, -1, -1))
    for latents in asked[3::2]:
        assert torch.equal(latents[0, :, 0], sample[0, :, 0])


def test_as_many_frames_come_back_as_are_asked_for(sampled: Tensor, noise: Tensor):
    assert sampled.shape == noise.shape
    assert sampled.isfinite().all()


def test_a_video_scale_of_1_spares_the_pictures(
    image_model: Backbone, fitted: Path, noise: Tensor, request_: Request, asked: list[Tensor]
):
    replace(METHOD, video_scale=1.0).sample(image_model, fitted, noise[:1], single(request_))
    assert len(asked) == 2 + 2


@pytest.mark.parametrize(
    "option",
    [
        {"video_scale": 1.0},
        {"threshold": None},
        {"full_attention": False},
        {"frame_pooled_groupnorm": False},
        {"faithful_interleave": True},
    ],
)
def test_an_option_of_sampling_changes_the_clip_but_not_its_first_frame(
    image_model: Backbone, fitted: Path, noise: Tensor, request_: Request, sampled: Tensor, option: dict[str, Any]
):
    other = replace(METHOD, **option).sample(image_model, fitted, noise[:1], single(request_))
    assert torch.equal(other[:, :, 0], sampled[:1, :, 0])
    assert (other - sampled[:1]).abs().max() > 1e-4


def test_the_maps_lead(
    image_model: Backbone,
    moving: Reference,
    fitting: Callable[..., Fitting],
    noise: Tensor,
    request_: Request,
    sampled: Tensor,
):
    METHOD.fit(image_model, replace(moving, control_maps=np.zeros_like(moving.video)), fitting())
    unled = METHOD.sample(image_model, fitting().state, noise[:1], single(request_))
    assert (unled - sampled[:1]).abs().max() > 1e-5  # a random ControlNet leads but faintly


def test_a_clip_is_the_same_in_any_batch_and_the_model_as_before(
    image_model: Backbone, fitted: Path, noise: Tensor, request_: Request, sampled: Tensor
):
    networks: tuple[Any, ...] = (image_model.network, image_model.part("controlnet"))
    processors = [network.attn_processors for network in networks]
    with untouched(image_model):
        for index in (1, 0):
            alone = METHOD.sample(image_model, fitted, noise[index : index + 1], single(request_, index))
            assert torch.equal(alone, sampled[index : index + 1])
    assert [network.attn_processors for network in networks] == processors


def test_a_state_is_all_that_a_fresh_model_needs(
    image_model: Backbone,
    moving: Reference,
    fitted: Path,
    fitting: Callable[..., Fitting],
    noise: Tensor,
    request_: Request,
    sampled: Tensor,
):
    fresh = image_model.config.load()
    METHOD.fit(fresh, moving, fitting())
    assert fitting().state.read_bytes() == fitted.read_bytes()
    again = METHOD.sample(image_model.config.load(), fitted, noise[:1], single(request_))
    assert torch.equal(again, sampled[:1])


def test_a_model_for_video_is_refused(model: Backbone, moving: Reference, fitting: Callable[..., Fitting]):
    message = (
        r"method=control_a_video needs a model with frames on their own and control maps; .*; set model=shapes_image"
    )
    with pytest.raises(InputError, match=message):
        METHOD.fit(model, moving, fitting())


def test_a_model_without_a_controlnet_is_refused(
    image_model: Backbone, moving: Reference, fitting: Callable[..., Fitting], tmp_path: Path
):
    folder = Path(shutil.copytree(image_model.config.path, tmp_path / "plain"))
    shutil.rmtree(folder / "controlnet")
    plain = replace(image_model.config, path=str(folder)).load()
    with pytest.raises(InputError, match=r"model=tiny has no ControlNet; give .* \+\+model\.parts\.controlnet="):
        METHOD.fit(plain, moving, fitting())


def test_a_detector_of_other_maps_is_refused(image_model: Backbone, moving: Reference, fitting: Callable[..., Fitting]):
    message = r"follows canny \(model\.family\.controlnet\), the detector finds depth; set detector=canny, or"
    with pytest.raises(InputError, match=message):
        replace(METHOD, detector=Depth()).fit(image_model, moving, fitting())


def test_states_of_another_length_are_refused_with_both_sides(
    image_model: Backbone, fitted: Path, noise: Tensor, request_: Request
):
    longer = replace(image_model.config, frames=6).load()
    with pytest.raises(InputError, match=r"change is 3×8×8 there and 5×8×8 here"):
        METHOD.sample(longer, fitted, noise, request_)


def test_more_steps_than_noise_levels_are_refused_by_name(
    image_model: Backbone, fitted: Path, noise: Tensor, request_: Request
):
    with pytest.raises(InputError, match=r"method\.first_frame_steps=2000 does not fit"):
        replace(METHOD, first_frame_steps=2000).sample(image_model, fitted, noise, request_)


def test_only_the_detector_needs_a_new_fit():
    fields = {field.name for field in dataclasses.fields(ControlAVideo)}
    assert fields - ControlAVideo.at_sampling == {"detector"}
    assert ControlAVideo.at_sampling < fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_frame_steps": 0}, r"set method\.first_frame_steps=20"),
        ({"video_scale": -1.0}, r"set method\.video_scale=1\.5"),
        ({"threshold": float("nan")}, r"set method\.threshold=0\.1"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        replace(METHOD, **changes)
