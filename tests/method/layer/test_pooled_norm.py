"""Group norms over whole clips: which of a network's they are, and what they compute."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from trial import randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.layer.pooled_norm import PooledGroupNorm, pooled


@settings(max_examples=10, deadline=None)
@given(frames=st.integers(1, 5), groups=st.sampled_from([1, 2, 6]))
def test_it_is_a_group_norm_of_the_frames_side_by_side(frames: int, groups: int):
    norm = nn.GroupNorm(groups, 6).requires_grad_(False)
    norm.weight.copy_(randn(1, 6))
    pictures = 2 + randn(2, 2 * frames, 6, 3, 5)
    strips = torch.stack([torch.cat([*clip], dim=-1) for clip in pictures.split(frames)])
    expected = [picture for strip in norm(strips) for picture in strip.split(5, dim=-1)]
    torch.testing.assert_close(PooledGroupNorm(norm, frames)(pictures), torch.stack(expected))


@pytest.mark.parametrize(("part", "output"), [("unet", True), ("controlnet", False)])
def test_those_of_residual_layers_and_output_see_clips(image_model: Backbone, part: str, output: bool):
    network = image_model.part(part)
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.GroupNorm)}
    expected = {name for name in norms if ".attentions." not in name}
    with untouched(image_model), pooled(network, 4):
        changed = {name for name, module in network.named_modules() if isinstance(module, PooledGroupNorm)}
    assert changed == expected and ("conv_norm_out" in changed) is output
    assert not any(isinstance(module, PooledGroupNorm) for module in network.modules())
