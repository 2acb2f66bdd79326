"""Reads the sites of transformers that attend over space and time at once, or list their blocks over time by name."""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from motion_inversion.embedding.site import Site

Sections = Mapping[str, tuple[str, str, int | None]]
"""By section, a pattern of its blocks' qualified names whose one group is the block's index; the attribute name of
their self-attention; and where video tokens begin in the sequence that its projections see."""


def find_sites(
    network: nn.Module,
    sections: Sections,
    tokens: tuple[int, int, int],
    times: Mapping[str, tuple[int, int]] | None = None,
) -> tuple[Site, ...]:
    """Every block of the sections, in forward order of each, for so many token frames, rows and columns.

    times: Of sections that are experts, the first and the last timestep at which they are asked.
    """
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
                    times=(times or {}).get(section),
                )
                found.append(site)
    return tuple(found)
