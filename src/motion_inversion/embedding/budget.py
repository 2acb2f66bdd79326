"""What embeddings cost before they are learnt, and whether all of them were: lines for the log, and a refusal."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import psutil
import torch

from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

log = logging.getLogger(__name__)

BYTES = 16  # of a parameter in float32: itself, its gradient and AdamW's two moments
_GIB = 2**30
_COARSER = (2, 4, 8, 16)
_ELSE = (
    "no smaller layout of these blocks fits: choose fewer with method.layout.blocks=[early], or lower model.frames, "
    "model.width and model.height"
)


def say_parameters(layout: Layout, sites: Sequence[Site]) -> None:
    """Says how many parameters a layout has, and what they take with gradients and an optimizer's two moments."""
    parameters = layout.parameters(sites)
    log.info(
        "%s parameters in %d of %d blocks, %s while they are learnt",
        f"{parameters:,}",
        len(layout.select(sites)),
        len(sites),
        size(parameters * BYTES),
    )


def require_memory(layout: Layout, sites: Sequence[Site], device: torch.device) -> None:
    """Checks that a device has room for what a layout learns.

    Raises:
        InputError: if it has less memory left, with a smaller layout that fits.
    """
    parameters, available = layout.parameters(sites), available_memory(device)
    if parameters * BYTES <= available:
        return
    smaller = [each for each in smaller_layouts(layout) if each.parameters(sites) * BYTES <= available]
    remedy = f"a smaller layout that fits: {_words(layout, smaller[0])}" if smaller else _ELSE
    raise InputError(
        f"the motion embeddings of layout {layout} have {parameters:,} parameters, which take "
        f"{size(parameters * BYTES)} while they are learnt; {device} has {size(available)} left; "
        f"{remedy}"
    )


def available_memory(device: torch.device) -> int:
    """Bytes that a device has left."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def warn_of_idle(embeddings: MotionEmbeddings) -> None:
    """Names the blocks whose embeddings are still zero after a training: none of its steps reached them."""
    learnt = {name for name, tensor in embeddings.tensors().items() if tensor.any()}
    idle = [site.name for site in embeddings.sites if not any(name.startswith(f"{site.name}.") for name in learnt)]
    if idle:
        log.warning(
            "the embeddings of %d of %d blocks took no part in the training, such as %s: they are zero, and change "
            "nothing",
            len(idle),
            len(embeddings.sites),
            idle[0],
        )


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count / _GIB:.1f} GiB" if count >= _GIB / 10 else f"{count / 2**20:.1f} MiB"


def smaller_layouts(layout: Layout) -> Iterator[Layout]:
    """Layouts of fewer parameters, the nearest first: coarser values, then in early blocks alone, then none."""
    for value_blocks in (layout.value_blocks, ("early",)):
        for grid in _COARSER:
            if layout.value and grid > layout.value_grid:
                yield replace(layout, value_grid=grid, value_blocks=value_blocks)
    if layout.value and layout.query_key:
        yield replace(layout, value=False, value_grid=1, value_blocks=None)


def _words(layout: Layout, smaller: Layout) -> str:
    """The overrides that make it of a layout."""
    blocks = f"[{','.join(smaller.value_blocks)}]" if smaller.value_blocks else "null"
    told = {"value": str(smaller.value).lower(), "value_grid": smaller.value_grid, "value_blocks": blocks}
    changed = {key: word for key, word in told.items() if getattr(smaller, key) != getattr(layout, key)}
    return " ".join(f"method.layout.{key}={word}" for key, word in changed.items())
