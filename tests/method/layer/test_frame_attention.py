"""Self-attention across frames: against plain attention where the two must agree, and in what it depends on."""

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from trial import prompts, randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.layer.frame_attention import FrameAttention, Sources, full, joined, sparse_causal

_FRAMES = 4


@pytest.fixture(scope="module")
def attention() -> Attention:
    """Three heads of four channels, drawn alike in every run."""
    layer = Attention(12, heads=3, dim_head=4, bias=False).requires_grad_(False)
    for index, parameter in enumerate(layer.parameters()):
        parameter.copy_(randn(index, *parameter.shape))
    return layer


@pytest.fixture(scope="module")
def tokens() -> Tensor:
    """Five tokens of each frame of two clips."""
    return randn(9, 2 * _FRAMES, 5, 12)


def attended(layer: Attention, tokens: Tensor, sources: Sources) -> Tensor:
    return FrameAttention(sources)(layer, tokens)


def test_sparse_causal_frames_look_at_the_first_and_the_one_before():
    assert sparse_causal(4) == ((0, 0), (0, 0), (0, 1), (0, 2))
    assert full(3) == ((0, 1, 2), (0, 1, 2), (0, 1, 2))


def test_each_frame_alone_is_plain_self_attention(attention: Attention, tokens: Tensor):
    own = tuple((frame,) for frame in range(_FRAMES))
    torch.testing.assert_close(attended(attention, tokens, own), attention(tokens))


def test_the_first_frame_has_plain_self_attention(attention: Attention, tokens: Tensor):
    """It attends to itself twice, and keys given twice weigh as given once."""
    joined_, plain = attended(attention, tokens, sparse_causal(_FRAMES)), attention(tokens)
    torch.testing.assert_close(joined_[::_FRAMES], plain[::_FRAMES])
    assert not torch.allclose(joined_[1], plain[1], atol=1e-2)


def test_a_static_clip_has_plain_self_attention(attention: Attention, tokens: Tensor):
    static = tokens[::_FRAMES].repeat_interleave(_FRAMES, dim=0)
    for sources in (sparse_causal(_FRAMES), full(_FRAMES)):
        torch.testing.assert_close(attended(attention, static, sources), attention(static))


@pytest.mark.parametrize("changed", range(_FRAMES))
def test_a_frame_depends_on_itself_its_predecessor_and_the_first_alone(
    attention: Attention, tokens: Tensor, changed: int
):
    other = tokens.clone()
    other[changed] += 1
    before, after = (attended(attention, x, sparse_causal(_FRAMES)) for x in (tokens, other))
    moved = {frame for frame in range(2 * _FRAMES) if not torch.equal(before[frame], after[frame])}
    assert moved == ({0, 1, 2, 3} if changed == 0 else {changed, changed + 1} & {0, 1, 2, 3})


def test_full_attention_is_plain_attention_over_all_frames_side_by_side(attention: Attention, tokens: Tensor):
    whole = attention(tokens.unflatten(0, (2, _FRAMES)).flatten(1, 2))
    torch.testing.assert_close(
        attended(attention, tokens, full(_FRAMES)), whole.unflatten(1, (_FRAMES, -1)).flatten(0, 1)
    )


def test_any_sources_are_cross_attention_to_their_tokens(attention: Attention, tokens: Tensor):
    """One frame by hand: diffusers' own cross-attention from frame 2 to frames 3 and 1."""
    sources = ((0, 1), (1, 1), (3, 1), (0, 3))
    by_hand = attention(tokens[2:3], encoder_hidden_states=torch.cat([tokens[3:4], tokens[1:2]], dim=1))
    torch.testing.assert_close(attended(attention, tokens, sources)[2:3], by_hand)


@torch.no_grad()
def test_while_joined_the_frames_of_a_model_see_their_sources(image_model: Backbone):
    latents, told = randn(1, 1, 4, _FRAMES, 8, 8), prompts(2, 1)
    other = latents.clone()
    other[:, :, 1] += 1

    def moved() -> set[int]:
        before, after = (image_model.predict(x, 500, told) for x in (latents, other))
        return {frame for frame in range(_FRAMES) if not torch.equal(before[:, :, frame], after[:, :, frame])}

    processors = [module.processor for module in _attentions(image_model)]
    with untouched(image_model):
        assert moved() == {1}
        with joined(image_model.network, sparse_causal(_FRAMES)):
            assert moved() == {1, 2, 3}  # in the second layer, frame 3 sees what frame 2 took from frame 1
        with pytest.raises(KeyError), joined(image_model.network, full(_FRAMES)):
            assert moved() == {0, 1, 2, 3}
            raise KeyError
    assert all(a.processor is b for a, b in zip(_attentions(image_model), processors, strict=True))


def _attentions(model: Backbone) -> list[Any]:
    return [module for module in model.network.modules() if isinstance(module, Attention)]
