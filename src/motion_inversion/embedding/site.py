"""Where motion embeddings can attach: the temporal transformer blocks of a video UNet."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

from motion_inversion.core.error import InputError

Section = Literal["down", "mid", "up"]


@dataclass(frozen=True)
class Site:
    """One temporal transformer block, seen at one latent size and clip length.

    name: qualified name of the block, e.g. "down_blocks.2.temp_attentions.0.transformer_blocks.0".
    section: the half of the UNet it belongs to, or its middle.
    level: index into the UNet's block_out_channels, 0 = finest resolution; the middle has the coarsest level.
    channels: width of the tokens that enter the attentions.
    grid: (rows, columns) of positions; every position attends over time by itself.
    frames: length of that attention.
    attentions: the block's self-attentions over time, by attribute name, in forward order.
    """

    name: str
    section: Section
    level: int
    channels: int
    grid: tuple[int, int]
    frames: int
    attentions: tuple[str, ...]

    @property
    def positions(self) -> int:
        """Number of grid positions, rows × columns."""
        return self.grid[0] * self.grid[1]


def find_sites(unet: UNet3DConditionModel, frames: int, height: int, width: int) -> tuple[Site, ...]:
    """Every temporal transformer block of `unet`, in forward order, for latents of the given size.

    Grids are read, not derived: a twin of the UNet that holds no memory (on the meta device) runs one forward
    pass, so odd sizes round exactly as the model rounds them. `unet` itself is not touched. The transformer
    ahead of the first level (`transformer_in`) is no site: motion embeddings never enter it.

    frames, height, width: of the latents, each at least 1. Raises InputError otherwise.
    """
    if min(frames, height, width) < 1:
        raise InputError(
            f"latents of {frames} frames of {height}x{width} are empty: accepted are sizes of at least 1, "
            "e.g. model.frames=16"
        )
    return _read(type(unet), unet.to_json_string(), frames, height, width)


def describe(sites: Sequence[Site]) -> str:
    """The sites in a few words for messages, e.g. "down.2@1280 (5x8), up.2@1280 (5x8) of 16 frames".

    Each `section.level@width` is accepted as a selector of `Layout`.
    """
    blocks = dict.fromkeys(
        f"{site.section}.{site.level}@{site.channels} ({site.grid[0]}x{site.grid[1]})" for site in sites
    )
    return f"{', '.join(blocks)} of {sites[0].frames} frames" if sites else "no temporal transformer block"


@lru_cache(maxsize=32)  # a pass takes a second, and every stage asks for the same sizes
def _read(model: type[UNet3DConditionModel], config: str, frames: int, height: int, width: int) -> tuple[Site, ...]:
    sites: list[Site] = []
    with torch.device("meta"), torch.no_grad():
        twin = cast(UNet3DConditionModel, model.from_config(json.loads(config)))
        levels = len(twin.config["block_out_channels"])
        for name, module in twin.named_modules():
            if ".temp_attentions." in name and isinstance(module, TransformerTemporalModel):
                module.register_forward_pre_hook(_Recorder(name, levels, frames, sites))
        latents = torch.empty(1, twin.config["in_channels"], frames, height, width)
        text = torch.empty(1, 1, twin.config["cross_attention_dim"])
        twin(latents, torch.zeros(1), text)
    return tuple(sites)


@dataclass(frozen=True)
class _Recorder:
    """Forward pre-hook of one temporal transformer: appends its blocks to `found` when its input arrives."""

    name: str
    levels: int
    frames: int
    found: list[Site]

    def __call__(self, module: TransformerTemporalModel, inputs: tuple[Any, ...]) -> None:
        rows, columns = inputs[0].shape[-2:]
        section, level = _place(self.name, self.levels)
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


def _place(name: str, levels: int) -> tuple[Section, int]:
    """Section and level of a module by its qualified name; the up blocks count from the coarsest level."""
    match name.split("."):
        case ["down_blocks", index, *_]:
            return "down", int(index)
        case ["mid_block", *_]:
            return "mid", levels - 1
        case ["up_blocks", index, *_]:
            return "up", levels - 1 - int(index)
    raise ValueError(f"{name} lies in no down, middle or up block")
