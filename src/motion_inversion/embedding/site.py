"""Where motion embeddings can attach: the self-attentions of a model that look over a clip's frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from annotated_types import Ge, MinLen


@dataclass(frozen=True)
class Site:
    """One transformer block with such attentions, seen at one latent size and clip length.

    name: qualified name of the block, e.g. "down_blocks.2.temp_attentions.0.transformer_blocks.0".
    section: the part of the network it belongs to: "down", "mid", "up" of a UNet; "block" of a transformer, or where it
        has blocks of two kinds, "double" and "single"; of two experts, "high" and "low".
    level: in a UNet, index into its block_out_channels, 0 = finest resolution; elsewhere the block's index in its
        section.
    channels: width of the tokens that enter the attentions.
    grid: (rows, columns) of tokens in a frame.
    frames: token frames.
    attentions: the block's attentions, by attribute name, in forward order.
    start: where the video's tokens begin in the sequence that the attentions see, frame by frame, row by row. None for
        factorised attention, where each sequence is the frames of one position.
    times: the first and the last timestep at which the network asks the block, of an expert; None for all of them.
    """

    name: str
    section: str
    level: Annotated[int, Ge(0)]
    channels: Annotated[int, Ge(1)]
    grid: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]]
    frames: Annotated[int, Ge(1)]
    attentions: Annotated[tuple[str, ...], MinLen(1)]
    start: int | None = None
    times: tuple[int, int] | None = None

    @property
    def positions(self) -> int:
        """Number of grid positions, rows × columns."""
        return self.grid[0] * self.grid[1]

    @property
    def tokens(self) -> int:
        """Number of video tokens in all frames."""
        return self.frames * self.positions


def summary(sites: Sequence[Site]) -> str:
    """The sites in a few words for messages, e.g. "down.2@1280 (5x8), block.0-29@1536 (20x32) of 16 frames".

    Each `section.level@width` or range of them is accepted as a selector of `Layout`.
    """
    if not sites:
        return "no block that attends over frames"
    places = list(dict.fromkeys(_place(site) for site in sites))
    # Blocks whose levels follow one another have the same difference to their number in the list.
    alike = groupby(enumerate(places), key=lambda each: (each[1][0], *each[1][2:], each[1][1] - each[0]))
    words = (_words([place for _, place in run]) for _, run in alike)
    return f"{', '.join(words)} of {sites[0].frames} frames"


_Place = tuple[str, int, int, tuple[int, int]]


def _place(site: Site) -> _Place:
    return site.section, site.level, site.channels, site.grid


def _words(places: list[_Place]) -> str:
    (section, first, width, (rows, columns)), last = places[0], places[-1][1]
    levels = f"{first}" if first == last else f"{first}-{last}"
    return f"{section}.{levels}@{width} ({rows}x{columns})"
