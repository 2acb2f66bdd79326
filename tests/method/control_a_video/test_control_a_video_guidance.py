"""Control-A-Video's guidance: its algebra, and a clip's prediction against that of its frames one by one."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from trial import randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import CONTROL_MAPS, PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Stop
from motion_inversion.method.control_a_video.guidance import GuidedClip, combined
from motion_inversion.method.layer.frame_attention import full, sparse_causal
from motion_inversion.method.method import Request

ALONE, WITHOUT, WITH_TEXT = (randn(seed, 1, 4, 4, 2, 2) for seed in (1, 2, 3))
LATENTS, MAPS = randn(6, 1, 4, 4, 8, 8), randn(7, 1, 3, 4, 64, 64).sigmoid()


@pytest.fixture
def guide(image_model: Backbone, request_: Request) -> GuidedClip:
    """Of one clip, with all frames joined."""
    return GuidedClip(image_model, full(4), MAPS, request_.negative, request_.condition.split()[0], 2.0)


def test_a_video_scale_of_1_is_classifier_free_guidance():
    expected = WITHOUT + 7.5 * (WITH_TEXT - WITHOUT)
    torch.testing.assert_close(combined(ALONE, WITHOUT, WITH_TEXT, 1.0, 7.5), expected)


def test_without_scales_it_is_the_pictures_prediction():
    assert torch.equal(combined(ALONE, WITHOUT, WITH_TEXT, 0.0, 0.0), ALONE)


def test_both_scales_count_from_the_pictures():
    one, two, five = (torch.full((1, 1, 1, 1, 1), float(value)) for value in (1, 2, 5))
    assert combined(one, two, five, 1.5, 4.0).item() == 1 + 1.5 * 1 + 4 * 3


@torch.no_grad()
@pytest.mark.parametrize("sources", [full, sparse_causal])
def test_frames_that_are_alike_are_predicted_as_pictures(guide: GuidedClip, sources: Callable[[int], Any]):
    """Attention to several copies of a frame is attention to that frame."""
    latents, maps = (clip[:, :, :1].repeat(1, 1, 4, 1, 1) for clip in (LATENTS, MAPS))
    without, with_text = (
        guide.model.predict(latents[:, :, :1], 500, told.having(**{CONTROL_MAPS: maps[:, :, :1]}))
        for told in (guide.negative, guide.condition)
    )
    expected = without + 2.0 * (with_text - without)
    predicted = replace(guide, sources=sources(4), control_maps=maps)(latents, 500)
    torch.testing.assert_close(predicted, expected.expand_as(latents), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_pictures_know_nothing_of_other_frames_and_the_video_does(guide: GuidedClip):
    changed = torch.cat([LATENTS[:, :, :3], randn(8, 1, 4, 1, 8, 8)], 2)
    alone = [guide._alone(latents, 500)[:, :, 0] for latents in (LATENTS, changed)]
    torch.testing.assert_close(*alone, atol=1e-6, rtol=0)
    joined = [guide._joined(latents, 500)[:, :, 0] for latents in (LATENTS, changed)]
    assert (joined[0] - joined[1]).abs().max() > 1e-4


@contextmanager
def in_five_dimensions(network: nn.Module) -> Iterator[None]:
    """Residual layers, output norm and self-attentions computed as the public code does, on clips (1, c, f, h, w)."""
    with pytest.MonkeyPatch.context() as patch:
        for module in network.modules():
            if isinstance(module, ResnetBlock2D):
                patch.setattr(module, "forward", functools.partial(residual_layer, module))
            elif isinstance(module, BasicTransformerBlock):
                patch.setattr(module.attn1, "forward", functools.partial(attention_over_all, module.attn1.forward))
        if output := dict(network.named_children()).get("conv_norm_out"):
            patch.setattr(output, "forward", functools.partial(normed, output))
        yield


def normed(norm: Any, frames: Tensor) -> Tensor:
    """A group norm by its formula, over two clips of four frames."""
    clips = frames.unflatten(0, (2, 4)).transpose(1, 2)
    groups = clips.reshape(2, norm.num_groups, -1)
    centred = groups - groups.mean(-1, keepdim=True)
    unit = (centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()).reshape(clips.shape)
    scaled = unit * norm.weight[:, None, None, None] + norm.bias[:, None, None, None]
    return scaled.transpose(1, 2).flatten(0, 1)


def residual_layer(layer: Any, frames: Tensor, temb: Tensor) -> Tensor:
    silu = nn.functional.silu
    hidden = layer.conv1(silu(normed(layer.norm1, frames))) + layer.time_emb_proj(silu(temb))[:, :, None, None]
    hidden = layer.conv2(silu(normed(layer.norm2, hidden)))
    return hidden + (layer.conv_shortcut(frames) if layer.conv_shortcut else frames)


def attention_over_all(forward: Callable[..., Tensor], frames: Tensor, **_: object) -> Tensor:
    clips = frames.unflatten(0, (2, 4)).flatten(1, 2)
    return forward(frames, encoder_hidden_states=clips.repeat_interleave(4, dim=0))


@torch.no_grad()
def test_a_clip_is_predicted_as_by_networks_of_five_dimensions(guide: GuidedClip):
    """In the UNet and in the ControlNet, whose zero convolutions are not zero here."""
    model = guide.model
    told = Condition.cat([guide.negative, guide.condition])
    led = told.having(**{CONTROL_MAPS: MAPS.repeat(2, 1, 1, 1, 1)})
    with in_five_dimensions(model.network), in_five_dimensions(model.part("controlnet")):
        expected = model.predict(LATENTS.repeat(2, 1, 1, 1, 1), 500, led)
    assert expected.std() > 0.1
    torch.testing.assert_close(guide._joined(LATENTS, 500), expected, atol=1e-5, rtol=1e-5)
    each = replace(guide, frame_pooled_groupnorm=False)._joined(LATENTS, 500)
    assert (each - expected).square().mean().sqrt() > 0.01 * expected.std()
    unled = model.predict(LATENTS.repeat(2, 1, 1, 1, 1), 500, told)
    assert not torch.equal(unled, each)


def test_a_failure_leaves_neither_network_joined(guide: GuidedClip, monkeypatch: pytest.MonkeyPatch):
    networks: list[Any] = [guide.model.network, guide.model.part("controlnet")]
    before = [network.attn_processors for network in networks]
    met: list[bool] = []

    def fail(*_: object) -> Tensor:
        met.extend(network.attn_processors == own for network, own in zip(networks, before, strict=True))
        raise KeyError

    monkeypatch.setattr(Backbone, "predict", fail)
    with pytest.raises(KeyError):
        guide(LATENTS, 500)
    assert met == [False, False]
    assert [network.attn_processors for network in networks] == before


@torch.no_grad()
def test_pictures_are_those_of_the_model_frame_by_frame(guide: GuidedClip):
    """The model itself takes frames one by one; it has their order, their maps and their text right."""
    expected = guide.model.predict(LATENTS, 500, guide.negative.having(**{CONTROL_MAPS: MAPS}))
    torch.testing.assert_close(guide._alone(LATENTS, 500), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("interleave", "expected"), [(False, [0, 0, 0, 0]), (True, [0, 1, 0, 1])])
def test_pictures_have_the_prompt_only_in_the_public_codes_odd_frames(
    guide: GuidedClip, interleave: bool, expected: list[int], monkeypatch: pytest.MonkeyPatch
):
    given: list[Tensor] = []

    def predict(model: Backbone, latents: Tensor, t: Stop, condition: Condition) -> Tensor:
        given.append(condition[PROMPT_EMBEDS])
        return latents

    monkeypatch.setattr(Backbone, "predict", predict)
    replace(guide, interleave=interleave)._alone(LATENTS, 500)
    assert torch.equal(given[0], Condition.cat([guide.negative, guide.condition])[PROMPT_EMBEDS][expected])
