"""What `model.dtype=auto` stands for: by what the device can do and how wide the network is, never by a clock."""

from collections.abc import Mapping
from typing import Any, Literal

from motion_inversion.backbone.device import has_bfloat16

WIDE_UNET, WIDE_TRANSFORMER = 256, 192
"""Channels of a UNet's widest level, and of a transformer's tokens, from which products in bfloat16 outweigh the casts
around them (docs/performance.md)."""


def suited(network: Mapping[str, Any], device: Literal["cuda", "cpu"]) -> Literal["float32", "float16", "bfloat16"]:
    """The precision for a network of this configuration, as its folder has it, on this kind of device.

    A GPU has bfloat16, or else float16. A CPU has bfloat16 where it has instructions for it and the network is wide,
    and otherwise float32.
    """
    if device == "cuda":
        return "bfloat16" if has_bfloat16(device) else "float16"
    return "bfloat16" if has_bfloat16(device) and _is_wide(network) else "float32"


def _is_wide(network: Mapping[str, Any]) -> bool:
    """Whether a UNet or a transformer is; what is neither isn't."""
    if levels := network.get("block_out_channels"):
        return max(levels) >= WIDE_UNET
    heads, size = network.get("num_attention_heads"), network.get("attention_head_dim")
    return isinstance(heads, int) and isinstance(size, int) and heads * size >= WIDE_TRANSFORMER
