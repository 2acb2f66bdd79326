"""Video UNets with layers for space and layers for time."""

import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.temporal_convolution import TemporalConvolution
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_a_prediction_is_the_unets(model: Backbone):
    latents, states, t = randn(0, 2, 4, 4, 8, 8), randn(1, 2, 32, 16), torch.tensor([3, 700])
    expected = model.network(latents, t, states).sample
    assert torch.equal(model.predict(latents, t, Condition({PROMPT_EMBEDS: states})), expected)


def test_temporal_convolutions_are_the_fast_ones(model: Backbone):
    layers = [layer for layer in model.network.modules() if isinstance(layer, torch.nn.Conv3d)]
    assert layers and all(isinstance(layer, TemporalConvolution) for layer in layers)


def test_sites_are_the_temporal_transformers_of_every_section(model: Backbone):
    places = [(site.section, site.level, site.grid) for site in model.sites()]
    down = [("down", level, (8 >> level,) * 2) for level in (0, 1, 2) for _ in range(2)]
    up = [("up", level, (8 >> level,) * 2) for level in (2, 1, 0) for _ in range(3)]
    assert places == [*down, ("mid", 3, (1, 1)), *up]
    assert {(site.frames, site.attentions, site.start) for site in model.sites()} == {(4, ("attn1", "attn2"), None)}
