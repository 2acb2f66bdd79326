"""Which temporal transformer blocks carry motion embeddings, and which of the two embeddings they carry."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from motion_inversion.core.error import InputError
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.site import Site, describe

_PLACE = re.compile(r"(?P<section>down|mid|up)(\.(?P<level>\d+))?(@(?P<width>\d+))?")


@dataclass(frozen=True)
class Layout:
    """A choice of blocks and of embeddings (arXiv 2403.20193).

    blocks: selectors, each of one of these forms; a block is chosen if any of them selects it:

    - "down", "mid", "up": a section of the UNet;
    - "down.2": one level of a section, 0 = finest resolution;
    - "down@1280": the blocks of one width of a section; "down.2@1280" also fixes the level;
    - "widest": the down and up blocks of the largest width;
    - the full name of a block, e.g. "mid_block.temp_attentions.0.transformer_blocks.0".

    query_key: learn the query-key embedding m^QK.
    value: learn the value embeddings m^V.

    Raises InputError if there are no blocks or no embeddings to learn.
    """

    blocks: Sequence[str]
    query_key: bool
    value: bool

    def __post_init__(self) -> None:
        # A configuration gives a list, or a single word, which is a sequence too: of letters.
        selectors = (self.blocks,) if isinstance(self.blocks, str) else self.blocks
        object.__setattr__(self, "blocks", tuple(str(selector) for selector in selectors))
        if not self.blocks:
            raise InputError(
                "method.layout.blocks is empty: accepted are selectors of blocks, e.g. method.layout.blocks=[down,up]"
            )
        if not (self.query_key or self.value):
            raise InputError(
                "method.layout.query_key and method.layout.value are both false, which leaves nothing to learn: "
                "method.layout.query_key=true or method.layout.value=true"
            )

    def __str__(self) -> str:
        """A word for tables, told by what is chosen: `all`, `deep`, `qk_only`, `v_only`, or as in `down.2+up@640`."""
        known = {("down", "up"): "all", ("widest",): "deep"}
        blocks = known.get(tuple(sorted(self.blocks)), "+".join(self.blocks))
        if self.query_key and self.value:
            return blocks
        only = "qk_only" if self.query_key else "v_only"
        return only if blocks == "all" else f"{blocks}_{only}"

    def select(self, sites: Sequence[Site]) -> tuple[Site, ...]:
        """The chosen ones of a model's `sites`, in the model's order.

        Raises InputError for a selector that selects nothing.
        """
        chosen: set[str] = set()
        for selector in self.blocks:
            names = _selected(selector, sites)
            if not names:
                raise InputError(
                    f"method.layout.blocks: '{selector}' selects no block; the model has {describe(sites)}; "
                    "accepted are section, section.level, section@width, section.level@width, widest or a "
                    "block's full name: method.layout.blocks=[down,up]"
                )
            chosen |= names
        return tuple(site for site in sites if site.name in chosen)

    def zeros(self, sites: Sequence[Site]) -> MotionEmbeddings:
        """Embeddings to start the training from, all zero, at the chosen ones of a model's `sites`."""
        return MotionEmbeddings.zeros(self.select(sites), query_key=self.query_key, value=self.value)


def _selected(selector: str, sites: Sequence[Site]) -> set[str]:
    """Names of the sites that one selector selects."""
    if selector == "widest":
        outer = [site for site in sites if site.section != "mid"]
        widest = max((site.channels for site in outer), default=0)
        return {site.name for site in outer if site.channels == widest}
    place = _PLACE.fullmatch(selector)
    if place is None:
        return {site.name for site in sites if site.name == selector}
    section, level, width = place.group("section", "level", "width")
    return {
        site.name
        for site in sites
        if site.section == section and level in (None, str(site.level)) and width in (None, str(site.channels))
    }
