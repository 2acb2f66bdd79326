"""A clip's denoising on a random image model: what must be alike in it, and what it draws."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from trial import prompts, randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim
from motion_inversion.method.tokenflow import attention as tokenflow_attention
from motion_inversion.method.tokenflow.blend import AdjacentKeyframes, Blending, PreviousKeyframe
from motion_inversion.method.tokenflow.edit import Edit
from motion_inversion.method.tokenflow.injection import PlugAndPlay

TIMESTEPS = (501, 1)


def edit(model: Backbone, source: Tensor, **changes: Any) -> Edit:
    """An edit with keyframes of two frames, where the source's latents are the same at both timesteps."""
    given: dict[Stop, Tensor] = dict.fromkeys(TIMESTEPS, source)
    made = Edit(model, given, prompts(2, 3), 2.0, 0, 2, PreviousKeyframe(), PlugAndPlay())
    return replace(made, **changes)


@pytest.fixture(scope="module")
def source() -> Tensor:
    return randn(1, 1, 4, 4, 8, 8)


@pytest.fixture(scope="module")
def latents() -> Tensor:
    return randn(3, 1, 4, 4, 8, 8)


@torch.no_grad()
@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_a_frame_edited_with_its_own_prompts_is_reconstructed(image_model: Backbone, guidance: float):
    told, noise, sampler = prompts(2, 1), randn(3, 1, 4, 1, 8, 8), Ddim(3)
    passed: dict[Stop, Tensor] = {}

    def plain(latents: Tensor, t: Stop) -> Tensor:
        passed[t] = latents
        return image_model.predict(latents, t, told)

    expected = sampler.sample(image_model.process, plain, noise)
    own = replace(edit(image_model, noise), source=passed, prompts=told.expand(3), scale=guidance, batch=1)
    torch.testing.assert_close(sampler.sample(image_model.process, own, noise), expected, atol=2e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("blend", [PreviousKeyframe(), AdjacentKeyframes()])
@pytest.mark.parametrize("injection", [PlugAndPlay(), None])
def test_frames_that_are_alike_stay_alike(
    image_model: Backbone, source: Tensor, latents: Tensor, blend: Blending, injection: PlugAndPlay | None
):
    source, latents = (clip[:, :, :1].expand(-1, -1, 4, -1, -1) for clip in (source, latents))
    prediction = edit(image_model, source, blend=blend, injection=injection)(latents, 501)
    assert prediction.std() > 0.01
    torch.testing.assert_close(prediction, prediction[:, :, :1].expand_as(prediction), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_source_is_not_affected_by_the_edit(image_model: Backbone, source: Tensor, latents: Tensor):
    one = edit(image_model, source)
    others = Condition.cat([one.prompts.split()[0], prompts(9, 2)])
    streams = one.streams(latents, 501), replace(one, prompts=others).streams(latents.flip(2), 501)
    torch.testing.assert_close(streams[0][0], streams[1][0])
    assert not torch.allclose(streams[0][1:], streams[1][1:], atol=1e-3)


@torch.no_grad()
def test_clips_that_are_keyframes_throughout_are_denoised_as_usual_in_the_source(
    image_model: Backbone, source: Tensor, latents: Tensor
):
    # Each frame its own keyframe and followed alone: what it takes over is its own.
    own = edit(image_model, source, batch=1, blend=AdjacentKeyframes())
    plain = image_model.predict(source, 501, own.prompts.split()[0])
    torch.testing.assert_close(own.streams(latents, 501)[:1], plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_is_injected_shows_and_ends_with_its_share(image_model: Backbone, source: Tensor, latents: Tensor):
    plain, full = (edit(image_model, source, injection=given) for given in (None, PlugAndPlay()))
    # Of two steps, the shares 0.8 and 0.5 are the first.
    assert not torch.allclose(plain(latents, 501), full(latents, 501), atol=1e-3)
    assert torch.equal(plain(latents, 1), full(latents, 1))
    for changes in ({"residual_share": 0.0}, {"attention_share": 0.0}):
        half = edit(image_model, source, injection=replace(PlugAndPlay(), **changes))(latents, 501)
        assert not torch.equal(half, full(latents, 501)) and not torch.equal(half, plain(latents, 501))


def test_keyframes_are_drawn_from_the_seed_one_of_each_batch(image_model: Backbone, source: Tensor):
    own, state = edit(image_model, source, batch=8), torch.get_rng_state()
    drawn = [own.keyframes(t, 32) for t in range(0, 1000, 20)]
    assert drawn == [own.keyframes(t, 32) for t in range(0, 1000, 20)]
    assert all([frame // 8 for frame in keyframes] == [0, 1, 2, 3] for keyframes in drawn)
    assert {frame % 8 for keyframes in drawn for frame in keyframes} == set(range(8))
    assert drawn != [replace(own, seed=1).keyframes(t, 32) for t in range(0, 1000, 20)]
    assert torch.equal(torch.get_rng_state(), state)


@torch.no_grad()
def test_nothing_stays_in_the_model_after_a_failure_either(
    image_model: Backbone, source: Tensor, latents: Tensor, monkeypatch: pytest.MonkeyPatch
):
    attended: list[Any] = [module for module in image_model.network.modules() if hasattr(module, "processor")]
    before = [module.processor for module in attended]

    def failing(*_: object) -> Tensor:
        raise RuntimeError("the machine is gone")

    monkeypatch.setattr(tokenflow_attention, "nearest", failing)
    with untouched(image_model), pytest.raises(RuntimeError, match="gone"):
        edit(image_model, source)(latents, 501)
    assert [module.processor for module in attended] == before
    assert not any(module._forward_hooks for module in image_model.network.modules())
