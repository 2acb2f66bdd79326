"""Self-attention of an image UNet across the frames of a clip: which frames each frame looks at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.method.layer.attention import Attention
from motion_inversion.method.layer.replacement import processed

Sources = tuple[tuple[int, ...], ...]
"""For each frame, the frames whose tokens are its keys and values; as many for one frame as for another."""


def sparse_causal(frames: int) -> Sources:
    """The first frame and the one before: Tune-A-Video (arXiv 2212.11565, eq. 4)."""
    return tuple((0, max(frame - 1, 0)) for frame in range(frames))


def full(frames: int) -> Sources:
    """All frames for every frame: Control-A-Video (arXiv 2305.13840)."""
    return (tuple(range(frames)),) * frames


@dataclass(frozen=True)
class FrameAttention:
    """An attention processor for batches of frames, clip by clip.

    Queries come from a frame, keys and values from its `sources`, side by side along the tokens. A frame that is
    its own only source, however often, gets plain self-attention. Frames that all have the same sources are one long
    sequence of queries: of keys and values there is one copy then, not one per frame.
    """

    sources: Sources

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "n s c"],
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        **_: Any,
    ) -> Float[Tensor, "n s c"]:
        # One row for each group of frames with the same sources: one group, or as many as frames.
        groups = self.sources[:1] if len(set(self.sources)) == 1 else self.sources
        query, key, value = (tokens.unflatten(0, (-1, len(self.sources))) for tokens in projected(attn, hidden_states))
        index = torch.tensor(groups, device=query.device)
        key, value = (tokens[:, index].flatten(2, 3).flatten(0, 1) for tokens in (key, value))
        grouped = query.unflatten(1, (len(groups), -1)).flatten(2, 3).flatten(0, 1)
        return attended(attn, grouped, key, value).reshape(hidden_states.shape)


@contextmanager
def joined(unet: nn.Module, sources: Sources) -> Iterator[None]:
    """While the context lasts, every self-attention of `unet` has keys and values from these `sources`."""
    with processed({attention: FrameAttention(sources) for attention in self_attentions(unet)}):
        yield


def self_attentions(unet: nn.Module) -> list[Attention]:
    """The self-attentions of a UNet's transformer blocks, in the order of its modules."""
    from diffusers.models.attention import BasicTransformerBlock

    return [cast(Attention, block.attn1) for block in unet.modules() if isinstance(block, BasicTransformerBlock)]


def projected(attn: Attention, tokens: Float[Tensor, "*n s c"]) -> tuple[Tensor, Tensor, Tensor]:
    """A self-attention's queries, keys and values, shaped as the tokens that they come from."""
    return attn.to_q(tokens), attn.to_k(tokens), attn.to_v(tokens)


def attended(
    attn: Attention, query: Float[Tensor, "n s c"], key: Float[Tensor, "n t c"], value: Float[Tensor, "n t c"]
) -> Float[Tensor, "n s c"]:
    """What an attention makes of projected queries, keys and values, its output layer included."""
    q, k, v = (tokens.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for tokens in (query, key, value))
    found = F.scaled_dot_product_attention(q, k, v, scale=attn.scale)
    projection, dropout = attn.to_out
    return dropout(projection(found.transpose(1, 2).flatten(2))) / attn.rescale_output_factor
