"""Reads the sites of transformers that attend over space and time at once, or list their blocks over time by name."""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from motion_inversion.embedding.site import Site

Sections = Mapping[str, tuple[str, str, int | None]]
"""By section, a pattern of its blocks' qualified names whose one group is the block's index; the attribute name of
their self-attention; and where video tokens begin in the sequence that its projections see."""


def find_sites(network: nn.Module, sections: Sections, tokens: tuple[int, int, int]) -> tuple[Site, ...]:
    """Every block of the sections, in forward order of each, for so many token frames, rows and columns."""
    frames, rows, columns = tokens
    found: list[Site] = []
    for section, (pattern, attention, start) in sections.items():
        for name, block in network.named_modules():
            if place := re.fullmatch(pattern, name):
                module: Any = getattr(block, attention)
                site = Site(
                    name=name,
                    section=section,
                    level=int(place[1]),
                    channels=module.to_q.in_features,
                    grid=(rows, columns),
                    frames=frames,
                    attentions=(attention,),
                    start=start,
                )
                found.append(site)
    return tuple(found)
