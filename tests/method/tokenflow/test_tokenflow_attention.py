"""The two processors on a single self-attention: what they have in common with the ordinary one."""

from typing import Any, cast

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from trial import randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.layer.frame_attention import self_attentions
from motion_inversion.method.layer.replacement import processed
from motion_inversion.method.tokenflow.attention import ExtendedAttention, Keyframes, Propagation

PLACES = 6


@pytest.fixture(scope="module")
def attention(image_model: Backbone) -> Attention:
    return cast(Attention, self_attentions(image_model.network)[0])


def hidden(attention: Attention, frames: int, seed: int = 1) -> Tensor:
    """Tokens of three streams."""
    return randn(seed, 3 * frames, PLACES, attention.query_dim)


def extended(attention: Attention, tokens: Tensor, injected: bool = False) -> tuple[Tensor, Keyframes]:
    """The output of an attention that sees keyframes together, and what it leaves."""
    found: Any = {}
    with torch.no_grad(), processed({attention: ExtendedAttention(injected, found)}):
        output = attention(tokens)
    return output, found[attention]


def propagated(attention: Attention, tokens: Tensor, keyframes: Keyframes, weights: Tensor) -> Tensor:
    with torch.no_grad(), processed({attention: Propagation(keyframes, weights)}):
        return attention(tokens)


@torch.no_grad()
def test_with_one_keyframe_it_is_self_attention_and_so_is_its_own_propagation(attention: Attention):
    tokens = hidden(attention, 1)
    plain = attention(tokens)
    output, keyframes = extended(attention, tokens)
    torch.testing.assert_close(output, plain, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(propagated(attention, tokens, keyframes, torch.ones(1, 1)), output)


@torch.no_grad()
def test_keyframes_of_the_edit_are_one_long_picture_and_those_of_the_source_are_apart(attention: Attention):
    tokens = hidden(attention, 2)
    source, without, with_prompt = tokens.chunk(3)
    expected = [
        attention(source),
        *(attention(stream.reshape(1, 2 * PLACES, -1)).reshape(2, PLACES, -1) for stream in (without, with_prompt)),
    ]
    torch.testing.assert_close(extended(attention, tokens)[0], torch.cat(expected), atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_injected_queries_and_keys_are_the_sources(attention: Attention):
    tokens = hidden(attention, 1)
    source, _, edit = tokens
    weights = attention.state_dict()
    query, key, value = (
        (x @ weights[f"{name}.weight"].T).unflatten(-1, (attention.heads, -1)).transpose(0, 1)
        for name, x in (("to_q", source), ("to_k", source), ("to_v", edit))
    )
    mixed = torch.softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5, dim=-1) @ value
    output, _ = extended(attention, tokens, injected=True)
    expected = mixed.transpose(0, 1).flatten(1) @ weights["to_out.0.weight"].T + weights["to_out.0.bias"]
    torch.testing.assert_close(output[2], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(output[0], extended(attention, tokens)[0][0])


def test_a_permuted_frame_gets_the_keyframes_outputs_permuted_in_every_stream(attention: Attention):
    tokens = hidden(attention, 1)
    output, keyframes = extended(attention, tokens)
    permutation = torch.tensor([3, 0, 5, 1, 4, 2])
    other = hidden(attention, 1, seed=2)  # the edit's own tokens have no say
    other[0] = tokens[0, permutation]
    assert torch.equal(propagated(attention, other, keyframes, torch.ones(1, 1)), output[:, permutation])


def test_keyframes_are_mixed_by_their_weights(attention: Attention):
    tokens = hidden(attention, 2)
    output, keyframes = extended(attention, tokens)
    first, second = output.unflatten(0, (3, 2)).unbind(dim=1)
    # Both keyframes' tokens of the source are alike, so that each place finds itself in both.
    alike = Keyframes(keyframes.tokens[:1].expand(2, -1, -1), keyframes.outputs)
    frames = tokens[:1].expand(9, -1, -1)
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0]])
    mixed = propagated(attention, frames, alike, weights).unflatten(0, (3, 3)).unbind(dim=1)
    for found, expected in zip(mixed, (first, first / 4 + second * 3 / 4, second), strict=True):
        torch.testing.assert_close(found, expected)
