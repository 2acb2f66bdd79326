"""Exchange with the authors' code: reading and writing its `motion_embed.pt`."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.site import Site, summary
from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing
from motion_inversion.storage.tensor_file import load_pickled

log = logging.getLogger(__name__)

SLOTS = 32
"""Frames that a tensor of the authors' code has room for, whatever the clip's length."""


def import_official(path: Path, sites: Sequence[Site]) -> MotionEmbeddings:
    """Embeddings from the authors' `motion_embed.pt`, for a model's `sites` at the wanted size and length.

    The file is a flat dict of one query-key embedding per block, "<block>.pos_embed" (1, 32, channels), and
    its value embeddings, "<block>.attn1.vSpatial" and "<block>.attn2.vSpatial" (positions, 32, channels).
    As in the authors' code, the first frames of the 32 slots are used. Files of their first version hold
    query-key embeddings only, which that version also added to the value input; this is not imitated, a
    warning says so.

    Raises InputError if the file is missing or of another kind, if its blocks, widths or positions are not
    the model's, or if more than 32 frames are asked for.
    """
    found = _read(path)
    ours = {theirs: (name, site) for site in sites for theirs, name in _names(site).items()}
    if unknown := sorted(found.keys() - ours.keys()):
        raise InputError(
            f"{path} has {unknown[0]}, which the model lacks; it has {summary(sites)}: "
            "model=<the one the file was trained on>"
        )
    tensors: dict[str, Tensor] = {}
    for theirs, tensor in found.items():
        name, site = ours[theirs]
        _require_fit(path, theirs, tensor, site)
        tensors[name] = tensor[:, : site.frames]
    if not any(theirs.endswith(".vSpatial") for theirs in found):
        log.warning("%s holds query-key embeddings only: values stay those of the frozen model", path)
    return MotionEmbeddings([site for site in sites if _names(site).keys() & found.keys()], tensors)


def export_official(embeddings: MotionEmbeddings, path: Path) -> None:
    """Write `embeddings` as a `motion_embed.pt` that the authors' code reads; unused frame slots are zero.

    Coarse and static value embeddings are written in full. Raises InputError for more than 32 frames.
    """
    named: dict[str, nn.Parameter] = {}
    for site in embeddings.sites:
        _require_slots(path, site)
        values = {f"{site.name}.{name}.vSpatial": embeddings.value(site, name) for name in site.attentions}
        for theirs, tensor in {f"{site.name}.pos_embed": embeddings.query_key(site), **values}.items():
            if tensor is not None:
                named[theirs] = nn.Parameter(pad(tensor.detach().cpu(), (0, 0, 0, SLOTS - site.frames)))
    with replacing(path) as temporary:
        torch.save(named, temporary)


def _names(site: Site) -> dict[str, str]:
    """The authors' tensor names of a site → ours."""
    values = {f"{site.name}.{name}.vSpatial": f"{site.name}.{name}.value" for name in site.attentions}
    return {f"{site.name}.pos_embed": f"{site.name}.query_key", **values}


def _read(path: Path) -> dict[str, Tensor]:
    remedy = "give the motion_embed.pt of a training with the authors' code"
    content = load_pickled(path, remedy)
    for name in content:
        if not name.endswith((".pos_embed", ".vSpatial")):
            raise InputError(f"{path} has an entry '{name}', accepted are tensors *.pos_embed and *.vSpatial: {remedy}")
    return content


def _require_fit(path: Path, name: str, tensor: Tensor, site: Site) -> None:
    """Compare shapes: where the number of positions is wrong, the authors' code tiles them in silence."""
    _require_slots(path, site)
    accepted = (1 if name.endswith(".pos_embed") else site.positions, SLOTS, site.channels)
    if tuple(tensor.shape) != accepted:
        raise InputError(
            f"{path}: {name} has shape {tuple(tensor.shape)}, accepted is {accepted} for a grid of "
            f"{site.grid[0]}x{site.grid[1]}: use model, model.height and model.width of its training"
        )


def _require_slots(path: Path, site: Site) -> None:
    if site.frames > SLOTS:
        raise InputError(f"{path} has room for {SLOTS} frames, given are {site.frames}: model.frames={SLOTS} or fewer")
