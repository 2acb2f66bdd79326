"""Which transformer blocks carry motion embeddings, which of the two embeddings they carry, and how finely."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from motion_inversion.embedding.embeddings import Grid, MotionEmbeddings, query_key_name, value_name
from motion_inversion.embedding.site import Site, summary
from motion_inversion.error import InputError

_PLACE = re.compile(
    r"(?P<section>[a-z][a-z.]*?)(\.(?P<first>\d+)(-(?P<last>\d+))?)?(/(?P<every>[1-9]\d*))?(@(?P<width>\d+))?"
)
_THIRDS = ("early", "middle", "late")
_ACCEPTED = (
    "all, early, middle, late, widest, a section (down; block), section.level, section.first-last, section/every, "
    "section@width, combinations as in block.0-29/5, or a block's full name"
)


@dataclass(frozen=True)
class Layout:
    """A choice of blocks and of embeddings (arXiv 2403.20193).

    blocks: selectors, each of one of these forms; a block is chosen if any of them selects it:

    - "all": every block but those in the middle of a UNet, as in the paper;
    - "early", "middle", "late": thirds of these, in forward order; of each, where there are several experts;
    - "widest": those of the largest width;
    - "down", "mid", "up"; "block"; "double", "single": a section of the network;
    - "down.2", "block.7": one level of a UNet's section, 0 = finest resolution, or one block of a transformer;
    - "block.0-9": a range of them, both ends included;
    - "block/5", "block.10-29/5": every fifth of them, from the first on;
    - "down@1280": the blocks of one width; it goes with the others, as in "down.2@1280";
    - the full name of a block, e.g. "mid_block.temp_attentions.0.transformer_blocks.0".

    query_key: learn the query-key embedding m^QK.
    value: learn the value embeddings m^V; "static" ones are the same in all frames.
    value_blocks: selectors of the blocks that carry value embeddings; None is those of `blocks`.
    value_grid: how many times coarser each side of the value embeddings' grid is than the tokens'; they are
        interpolated up.

    Raises InputError if there are no blocks or no embeddings to learn.
    """

    blocks: Sequence[str]
    query_key: bool
    value: bool | Literal["static"]
    value_blocks: Sequence[str] | None = None
    value_grid: int = 1

    def __post_init__(self) -> None:
        for key in ("blocks", "value_blocks"):
            # A configuration gives a list, or a single word, which is a sequence too: of letters.
            given = getattr(self, key)
            selectors = (given,) if isinstance(given, str) else given
            if selectors is not None:
                object.__setattr__(self, key, tuple(str(selector) for selector in selectors))
            if selectors is not None and not selectors:
                raise InputError(
                    f"method.layout.{key} is empty: accepted are selectors of blocks, e.g. method.layout.{key}=[all]"
                )
        if not (self.query_key or self.value):
            raise InputError(
                "method.layout.query_key and method.layout.value are both false, which leaves nothing to learn: "
                "method.layout.query_key=true or method.layout.value=true"
            )
        if self.value not in (True, False, "static"):
            raise InputError(
                f"method.layout.value={self.value}: accepted are true, false and static; set method.layout.value=true"
            )
        if not self.value and (self.value_blocks is not None or self.value_grid != 1):
            key = "value_grid=1" if self.value_grid != 1 else "value_blocks=null"
            raise InputError(
                f"method.layout.{key.partition('=')[0]} is for value embeddings, and method.layout.value=false makes "
                f"none; set method.layout.value=true or method.layout.{key}"
            )
        if self.value_grid < 1:
            raise InputError(
                f"method.layout.value_grid={self.value_grid}: accepted are whole numbers from 1, as fine as the "
                "tokens; set method.layout.value_grid=1"
            )

    def __str__(self) -> str:
        """A word for tables: `all`, `deep`, `static`, `qk_only`, `v_only`, or, as chosen, `down.2+up@640`."""
        known: dict[tuple[str, ...], str] = {("all",): "all", ("widest",): "deep"}
        blocks = known.get(tuple(self.blocks), "+".join(self.blocks))
        extra = {
            "static": "static" if self.value == "static" else "",
            "v": "+".join(self.value_blocks or ()) if self.value else "",
            "grid": f"{self.value_grid}" if self.value and self.value_grid > 1 else "",
        }
        words = "".join(f",{key}={word}" if word != key else f",{word}" for key, word in extra.items() if word)
        if blocks == "all" and self.query_key and extra["static"]:
            blocks, words = "static", words.removeprefix(",static")
        if not (self.query_key and self.value):
            only = "qk_only" if self.query_key else "v_only"
            blocks = only if blocks == "all" else f"{blocks}_{only}"
        return blocks + words

    def select(self, sites: Sequence[Site]) -> tuple[Site, ...]:
        """The chosen ones of a model's `sites`, in the model's order.

        Raises InputError for a selector that selects nothing.
        """
        named = _chosen(sites, self.blocks, "blocks")
        chosen = (named if self.query_key else set()) | (self._with_value(sites) if self.value else set())
        return tuple(site for site in sites if site.name in chosen)

    def zeros(self, sites: Sequence[Site]) -> MotionEmbeddings:
        """Embeddings to start the training from, all zero, at the chosen ones of a model's `sites`."""
        chosen = self.select(sites)
        tensors = {name: torch.zeros(shape) for name, shape in self.shapes(sites).items()}
        return MotionEmbeddings(chosen, tensors, {site.name: self._grid(site) for site in chosen})

    def parameters(self, sites: Sequence[Site]) -> int:
        """How many numbers that is, without making them."""
        return sum(positions * frames * channels for positions, frames, channels in self.shapes(sites).values())

    def shapes(self, sites: Sequence[Site]) -> dict[str, tuple[int, int, int]]:
        """The shapes of the embeddings by name."""
        with_value = self._with_value(sites) if self.value else set()
        with_query_key = _chosen(sites, self.blocks, "blocks") if self.query_key else set()
        shapes: dict[str, tuple[int, int, int]] = {}
        for site in self.select(sites):
            rows, columns = self._grid(site)
            if site.name in with_query_key:
                shapes[query_key_name(site)] = (1, site.frames, site.channels)
            for attention in site.attentions if site.name in with_value else ():
                frames = 1 if self.value == "static" else site.frames
                shapes[value_name(site, attention)] = (rows * columns, frames, site.channels)
        return shapes

    def _with_value(self, sites: Sequence[Site]) -> set[str]:
        if self.value_blocks is None:
            return _chosen(sites, self.blocks, "blocks")
        return _chosen(sites, self.value_blocks, "value_blocks")

    def _grid(self, site: Site) -> Grid:
        rows, columns = (-(-side // self.value_grid) for side in site.grid)
        return rows, columns


def _chosen(sites: Sequence[Site], selectors: Sequence[str], key: str) -> set[str]:
    chosen: set[str] = set()
    for selector in selectors:
        names = _selected(selector, sites)
        beyond = names and _ends_beyond(selector, sites)
        if not names or beyond:
            wrong = "ends beyond the last block" if beyond else "selects no block"
            raise InputError(
                f"method.layout.{key}: '{selector}' {wrong}; the model has {summary(sites)}; "
                f"accepted are {_ACCEPTED}: method.layout.{key}=[all]"
            )
        chosen |= names
    return chosen


def _selected(selector: str, sites: Sequence[Site]) -> set[str]:
    """Names of the sites that one selector selects."""
    outer = [site for site in sites if site.section != "mid"]
    if selector == "all":
        return {site.name for site in outer}
    if selector == "widest":
        widest = max((site.channels for site in outer), default=0)
        return {site.name for site in outer if site.channels == widest}
    if selector in _THIRDS:
        return {name for expert in _experts(outer) for name in _third(expert, _THIRDS.index(selector))}
    if named := {site.name for site in sites if site.name == selector}:
        return named
    place = _PLACE.fullmatch(selector)
    return set() if place is None else _placed(place.groupdict(), sites)


def _experts(sites: Sequence[Site]) -> list[list[Site]]:
    """The sites of each network that has a pass of its own: those that are asked at the same timesteps."""
    return [[site for site in sites if site.times == times] for times in dict.fromkeys(site.times for site in sites)]


def _third(sites: Sequence[Site], third: int) -> list[str]:
    first, last = (round(len(sites) * k / 3) for k in (third, third + 1))
    return [site.name for site in sites[first:last]]


def _ends_beyond(selector: str, sites: Sequence[Site]) -> bool:
    """Whether a range goes on where its section has ended, as block.0-29 of 12 blocks does."""
    place = _PLACE.fullmatch(selector)
    if place is None or place["last"] is None:
        return False
    return int(place["last"]) > max(site.level for site in sites if site.section == place["section"])


def _placed(place: dict[str, str | None], sites: Sequence[Site]) -> set[str]:
    """Names of the sites in a section, between two levels, of a width, every so many from the first on."""
    first = int(place["first"] or 0)
    last = int(place["last"] or place["first"] or max((site.level for site in sites), default=0))
    found = [
        site
        for site in sites
        if site.section == place["section"]
        and first <= site.level <= last
        and place["width"] in (None, str(site.channels))
    ]
    return {site.name for site in found if (site.level - first) % int(place["every"] or 1) == 0}
