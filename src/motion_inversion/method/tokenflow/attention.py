"""TokenFlow's self-attentions (arXiv 2307.10373): keyframes seen together, and their outputs given to other frames.

A batch holds the frames of three streams: the source, and the edit without and with its prompt.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from motion_inversion.method.layer.attention import Attention
from motion_inversion.method.layer.frame_attention import attended, projected
from motion_inversion.method.tokenflow.match import nearest

STREAMS = 3

Tokens: TypeAlias = Float[Tensor, "n s c"]
"""Normalised tokens of all streams' frames, stream by stream: frame, place, channel."""


@dataclass(frozen=True, eq=False)
class Keyframes:
    """What one self-attention was given and made of keyframes: the source's tokens, and all streams' outputs."""

    tokens: Float[Tensor, "k s c"]
    outputs: Float[Tensor, "3 k s c"]


@dataclass(frozen=True, eq=False)
class ExtendedAttention:
    """An attention processor for keyframes (eq. 3): those of the edit attend to one another, the source's don't.

    injected: whether the edit takes its queries and keys from the source.
    found: where it leaves what `Propagation` needs.
    """

    injected: bool
    found: dict[Attention, Keyframes]

    def __call__(self, attn: Attention, hidden_states: Tokens, encoder_hidden_states: None = None, **_: Any) -> Tokens:
        streams = hidden_states.unflatten(0, (STREAMS, -1))
        query, key, value = projected(attn, streams)
        if self.injected:
            query, key = query[:1].expand_as(query), key[:1].expand_as(key)
        source = attended(attn, query[0], key[0], value[0])
        # One long sequence per stream: each keyframe's tokens attend to those of all keyframes.
        edit = attended(attn, *(tokens[1:].flatten(1, 2) for tokens in (query, key, value)))
        outputs = torch.cat([source[None], edit.unflatten(1, source.shape[:2])])
        self.found[attn] = Keyframes(streams[0], outputs)
        return outputs.flatten(0, 1)


@dataclass(frozen=True, eq=False)
class Propagation:
    """An attention processor for a batch of frames (section 4.2): nothing is attended to, outputs come from keyframes.

    Each token takes the output at its nearest neighbour in a keyframe, in each stream; neighbours are found in the
    source. `weights` mix the keyframes.
    """

    keyframes: Keyframes
    weights: Float[Tensor, "f k"]

    def __call__(self, attn: Attention, hidden_states: Tokens, encoder_hidden_states: None = None, **_: Any) -> Tokens:
        streams = hidden_states.unflatten(0, (STREAMS, -1))
        outputs = torch.zeros_like(streams)
        for number, weights in enumerate(self.weights.T):
            frames = weights.nonzero()[:, 0].to(streams.device)
            if len(frames):
                tokens = streams[0, frames]
                index = nearest(tokens.flatten(0, 1), self.keyframes.tokens[number])
                found = self.keyframes.outputs[:, number, index].unflatten(1, tokens.shape[:2])
                outputs[:, frames] += weights.to(found)[frames, None, None] * found
        return outputs.flatten(0, 1)
