"""The UNet without its temporal layers."""

from collections.abc import Iterator

import pytest
import torch
from diffusers.models.resnet import TemporalConvLayer
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch import Tensor
from trial import prompts, randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.layer.single_frame import single_frame


@pytest.fixture
def scrambled(model: Backbone) -> Iterator[Backbone]:
    """The model with other weights in every temporal layer, put back afterwards."""
    layers = [m for m in model.network.modules() if isinstance(m, TemporalConvLayer | TransformerTemporalModel)]
    assert len(layers) == 17 + 22  # 15 in down and up, middle, transformer_in; one convolution per residual layer
    before = [{name: t.clone() for name, t in layer.state_dict().items()} for layer in layers]
    for layer in layers:
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    yield model
    for layer, state in zip(layers, before, strict=True):
        layer.load_state_dict(state)


@torch.no_grad()
def predicted(model: Backbone, frames: int) -> Tensor:
    return model.predict(randn(7, 1, 4, frames, 8, 8), 500, prompts(8, 1))


@pytest.fixture
def plain(model: Backbone) -> Tensor:
    with single_frame(model.network):
        return predicted(model, 1)


def test_a_frame_sees_nothing_of_the_temporal_layers(model: Backbone, plain: Tensor, scrambled: Backbone):
    assert not torch.equal(predicted(scrambled, 1), plain)
    with single_frame(scrambled.network):
        assert torch.equal(predicted(scrambled, 1), plain)


@torch.no_grad()
def test_frames_of_a_clip_do_not_see_each_other(model: Backbone):
    clip, told = randn(7, 1, 4, 3, 8, 8), prompts(8, 1)
    with single_frame(model.network):
        together = model.predict(clip, 500, told)
        singly = torch.cat([model.predict(frame, 500, told) for frame in clip.split(1, dim=2)], dim=2)
    torch.testing.assert_close(together, singly, atol=1e-5, rtol=1e-5)


def test_the_temporal_layers_are_back_afterwards(model: Backbone):
    before, names = predicted(model, 4), [*model.network.state_dict()]
    with single_frame(model.network):
        assert not torch.equal(predicted(model, 4), before)
    assert torch.equal(predicted(model, 4), before)
    assert [*model.network.state_dict()] == names
