"""Attention as plain products, which CPUs with instructions for bfloat16 compute sooner than the fused kernel."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from motion_inversion.backbone.device import has_bfloat16

LONGEST = 1024
"""Tokens of a sequence: the matrix of longer ones takes more memory than it spares time."""


class ExplicitAttention(TorchFunctionMode):
    """While the context lasts, attention keeps its matrix: softmax(q kᵀ / √d), times v.

    Long sequences, masks, dropout and groups stay the fused kernel's.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def attention(device: str, dtype: torch.dtype, checkpointing: bool) -> AbstractContextManager[Any]:
    """Plain products where they are sooner done, on a kind of device; gradient checkpointing asks for the memory."""
    explicit = device == "cpu" and dtype is torch.bfloat16 and not checkpointing and has_bfloat16(device)
    return ExplicitAttention() if explicit else nullcontext()


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    long = max(query.shape[-2], key.shape[-2]) > LONGEST
    if long or attn_mask is not None or dropout_p or is_causal or enable_gqa:
        return scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    return torch.softmax((query * factor) @ key.transpose(-1, -2), dim=-1) @ value
