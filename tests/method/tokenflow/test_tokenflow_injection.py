"""What is taken over from the source, where and how long."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from trial import randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.method.tokenflow.injection import PlugAndPlay, given_by_source


def names(unet: nn.Module, layers: Sequence[Any]) -> list[str]:
    known: dict[Any, str] = {module: name for name, module in unet.named_modules()}
    return [known[layer] for layer in layers]


def test_the_published_layers(image_model: Backbone):
    unet = image_model.network
    assert names(unet, PlugAndPlay().convolutions(unet, 0, 50)) == ["up_blocks.1.resnets.1.conv2"]
    found = names(unet, PlugAndPlay().self_attentions(unet, 0, 50))
    expected = {1: [1, 2], 2: [0, 1, 2], 3: [0, 1, 2]}
    assert found == [
        f"up_blocks.{block}.attentions.{number}.transformer_blocks.0.attn1"
        for block, numbers in expected.items()
        for number in numbers
    ]


def test_the_published_schedule(image_model: Backbone):
    steps = [
        (
            bool(PlugAndPlay().convolutions(image_model.network, i, 50)),
            bool(PlugAndPlay().self_attentions(image_model.network, i, 50)),
        )
        for i in range(50)
    ]
    assert steps == [(True, True)] * 25 + [(True, False)] * 15 + [(False, False)] * 10


def test_paths_that_overlap_count_once_and_none_is_none(image_model: Backbone):
    paths = ["mid_block", "mid_block.resnets.0", "up_blocks.1.resnets.1"]
    found = PlugAndPlay(residuals=paths).convolutions(image_model.network, 0, 2)
    assert names(image_model.network, found) == [
        "mid_block.resnets.0.conv2",
        "mid_block.resnets.1.conv2",
        "up_blocks.1.resnets.1.conv2",
    ]
    assert PlugAndPlay(residuals=[]).convolutions(image_model.network, 0, 2) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"residuals": ["up_blocks.1.resnets"]}, ""),
        ({"residuals": ["up_blocks.1.res"]}, r"no ResnetBlock2D in up_blocks\.1\.res; accepted are down_blocks\.0"),
        ({"attentions": ["up_blocks"]}, ""),
        (
            {"attentions": ["up_blocks.3", "up_blocks.0"]},
            r"method\.injection\.attentions=\['up_blocks\.3', 'up_blocks\.0'\]: this UNet has no BasicTransformerBlock "
            r"in up_blocks\.0; .* to mid_block\..*; set method\.injection\.attentions=\[mid_block",
        ),
    ],
)
def test_paths_without_such_layers_are_refused(image_model: Backbone, changes: dict[str, list[str]], message: str):
    injection = replace(PlugAndPlay(), **changes)  # pyright: ignore[reportArgumentType]
    if not message:
        return injection.check(image_model.network)
    with pytest.raises(InputError, match=message):
        injection.check(image_model.network)


@pytest.mark.parametrize(("key", "usual"), [("residual_share", "0\\.8"), ("attention_share", "0\\.5")])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_outside_their_range_are_refused(key: str, usual: str, value: float):
    with pytest.raises(InputError, match=rf"method\.injection\.{key}={value}.*set method\.injection\.{key}={usual}"):
        replace(PlugAndPlay(), **{key: value})


def test_a_layers_output_is_the_sources_for_the_context_alone():
    layer = nn.Linear(2, 2)
    streams = randn(1, 6, 2)
    plain = layer(streams)
    with given_by_source([layer]):
        inside = layer(streams)
    assert torch.equal(inside, plain[:2].repeat(3, 1))
    assert torch.equal(layer(streams), plain)
    assert not layer._forward_hooks
