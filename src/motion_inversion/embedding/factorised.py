"""Reads the sites of models whose attention over time is a layer of its own: video UNets, AnimateDiff, Latte."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

Place = Callable[[str, Any], tuple[str, int] | None]
"""From a module's qualified name and the network's configuration to section and level; None for what is no site."""

Run = Callable[[Any, int, int, int], object]
"""One forward pass of a network on the meta device, for latents of so many frames, rows and columns."""


def find_sites(
    network: nn.Module, kind: type[nn.Module], place: Place, run: Run, size: tuple[int, int, int]
) -> tuple[Site, ...]:
    """Every block of the temporal transformers of a network, in forward order, for latents of a size.

    Grids are read, not derived: a twin of the network that holds no memory (on the meta device) runs one forward pass,
    so that odd sizes round exactly as the model rounds them. `network` itself is not touched.

    kind: the class of the temporal transformers, whose input's last two dimensions are the grid.
    size: frames, rows and columns of the latents, each at least 1. Raises InputError otherwise.
    """
    frames, height, width = size
    if min(size) < 1:
        raise InputError(
            f"latents of {frames} frames of {height}x{width} are empty: accepted are sizes of at least 1, "
            "e.g. model.frames=16"
        )
    configured: Any = network
    return _read(type(network), configured.to_json_string(), kind, place, run, size)


@lru_cache(maxsize=32)  # a pass takes a second, and every stage asks for the same sizes
def _read(
    model: Any, config: str, kind: type[nn.Module], place: Place, run: Run, size: tuple[int, int, int]
) -> tuple[Site, ...]:
    sites: list[Site] = []
    with torch.device("meta"), torch.no_grad():
        twin = model.from_config(json.loads(config))
        for name, module in twin.named_modules():
            if isinstance(module, kind) and (found := place(name, twin.config)):
                module.register_forward_pre_hook(_Recorder(name, found, size[0], sites))
        run(twin, *size)
    return tuple(sites)


@dataclass(frozen=True)
class _Recorder:
    """Forward pre-hook of one temporal transformer: appends its blocks to `found` when its input arrives."""

    name: str
    place: tuple[str, int]
    frames: int
    found: list[Site]

    def __call__(self, module: Any, inputs: tuple[Any, ...]) -> None:
        from diffusers.models.attention_processor import Attention

        rows, columns = inputs[0].shape[-2:]
        section, level = self.place
        for index, block in enumerate(module.transformer_blocks):
            over_time = {
                name: child
                for name, child in block.named_children()
                if isinstance(child, Attention) and not child.is_cross_attention
            }
            self.found.append(
                Site(
                    name=f"{self.name}.transformer_blocks.{index}",
                    section=section,
                    level=level,
                    channels=next(iter(over_time.values())).query_dim,
                    grid=(rows, columns),
                    frames=self.frames,
                    attentions=tuple(over_time),
                )
            )
