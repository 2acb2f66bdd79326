"""The learnt motion embeddings: their parameters, and the file that keeps them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.embedding.site import Site, summary
from motion_inversion.error import InputError
from motion_inversion.reflection.structure import structure
from motion_inversion.storage.document import parse_json
from motion_inversion.storage.tensor_file import load_metadata, load_named, save_named

_FORMAT = "motion-inversion-embeddings/2"
_REMEDY = "give one that `train` wrote with method.embeddings=…"

Grid = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True)
class _Held:
    """A site as a file describes it, and the grid of its value embeddings."""

    site: Site
    value_grid: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]]


class MotionEmbeddings(nn.Module):
    """The query-key and value embeddings of a set of sites (arXiv 2403.20193): all that is trained.

    Per site one m^QK of shape (1, frames, channels), shared by the site's attentions, and per attention one
    m^V of shape (positions, frames, channels), positions row by row. Either kind may be absent. A value embedding may
    be coarse: held on a smaller grid, and interpolated to the site's where it is used. It may be static: held for
    one frame, and the same in all. Parameters are float32 whatever the model runs in: they start at zero and change in
    small steps.

    sites: where the embeddings attach; grid and frames are those they were made for.
    tensors: initial values by name (see `query_key_name`, `value_name`), copied.
    grids: by the names of sites, the grids of coarse value embeddings.

    Raises ValueError if a name or a shape is not one of the sites'.
    """

    def __init__(
        self, sites: Sequence[Site], tensors: Mapping[str, Tensor], grids: Mapping[str, Grid] | None = None
    ) -> None:
        super().__init__()
        self.sites = tuple(sites)
        self.grids = {site.name: (grids or {}).get(site.name, site.grid) for site in self.sites}
        accepted = {name: shapes for site in self.sites for name, shapes in self._shapes(site).items()}
        for name, tensor in tensors.items():
            if tuple(tensor.shape) not in accepted.get(name, ()):
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, the sites ask for {accepted.get(name)}")
        copies = {name: tensor.detach().to(torch.float32, copy=True) for name, tensor in tensors.items()}
        self._tensors = nn.ParameterDict({_key(name): nn.Parameter(copy) for name, copy in copies.items()})

    @classmethod
    def zeros(cls, sites: Sequence[Site], *, query_key: bool, value: bool) -> "MotionEmbeddings":
        """Embeddings that change nothing yet, the start of training: both kinds, or one of them."""
        tensors: dict[str, Tensor] = {}
        for site in sites:
            if query_key:
                tensors[query_key_name(site)] = torch.zeros(1, site.frames, site.channels)
            for attention in site.attentions if value else ():
                tensors[value_name(site, attention)] = torch.zeros(site.positions, site.frames, site.channels)
        return cls(sites, tensors)

    def query_key(self, site: Site) -> Float[Tensor, "1 n c"] | None:
        """m^QK of a site, or None if the site has none."""
        return self._tensors.get(_key(query_key_name(site)))

    def value(self, site: Site, attention: str) -> Float[Tensor, "p n c"] | None:
        """m^V of one attention ("attn1", "attn2") of a site at its grid and in all its frames, or None if it has none.

        Gradients flow to what is held, whatever its grid.
        """
        held = self._tensors.get(_key(value_name(site, attention)))
        if held is None:
            return None
        return _in_all_frames(_upsampled(held, self.grids[site.name], site.grid), site.frames)

    def has_value(self, site: Site) -> bool:
        """Whether any attention of the site has a value embedding, which ties it to its grid."""
        return any(_key(value_name(site, attention)) in self._tensors for attention in site.attentions)

    def tensors(self) -> dict[str, Tensor]:
        """Every embedding by name, detached; not copies."""
        return {name.replace("/", "."): parameter.detach() for name, parameter in self._tensors.items()}

    def map_value(self, f: Callable[[Float[Tensor, "p n c"]], Float[Tensor, "p n c"]]) -> "MotionEmbeddings":
        """New embeddings with `f` applied to each value embedding; the query-key embeddings are copied.

        The paper's ways to keep the reference's appearance out of a result are such maps; frames are axis 1. Of a
        coarse embedding it sees the coarse grid, of a static one all its frames.
        """
        tensors = self.tensors()
        for site in self.sites:
            for name in (value_name(site, attention) for attention in site.attentions):
                if name in tensors:
                    tensors[name] = f(_in_all_frames(tensors[name], site.frames))
        return MotionEmbeddings(self.sites, tensors, self.grids)

    def scaled(self, query_key: float, value: float) -> "MotionEmbeddings":
        """New embeddings, each kind times a factor."""
        values = {value_name(site, attention) for site in self.sites for attention in site.attentions}
        tensors = {name: t * (value if name in values else query_key) for name, t in self.tensors().items()}
        return MotionEmbeddings(self.sites, tensors, self.grids)

    def require(self, sites: Sequence[Site]) -> None:
        """Check that the embeddings fit a model at some latent size and clip length, given by its `sites`.

        The grid matters to value embeddings only. Raises InputError naming both sides.
        """
        for own, other in self._matched(sites):
            if own.frames != other.frames:
                raise InputError(
                    f"{self._beside(sites)}: set model.frames to that of the training, or stretch them with "
                    "method.embeddings=<their file> method.resample=true"
                )
            if own.grid != other.grid and self.has_value(own):
                raise InputError(
                    f"{self._beside(sites)}: set model.height and model.width to those of the training, or resize them "
                    "with method.embeddings=<their file> method.resample=true"
                )

    def fitted(self, sites: Sequence[Site]) -> "MotionEmbeddings":
        """These embeddings for a model's own `sites`, which `require` accepts: of query and key, at another grid."""
        self.require(sites)
        return MotionEmbeddings([other for _, other in self._matched(sites)], self.tensors(), self._kept_grids(sites))

    def resampled(self, sites: Sequence[Site]) -> "MotionEmbeddings":
        """New embeddings for the clip length and grid of `sites`: linear in time, bilinear in space.

        First and last frame stay first and last: more frames show the same motion more slowly. Positions are
        areas, as in resizing an image. Raises InputError if a site is missing or has another width.
        """
        mine, grids = self.tensors(), self._kept_grids(sites)
        pairs = self._matched(sites)
        resampled: dict[str, Tensor] = {}
        for own, other in pairs:
            change = self.grids[own.name], grids[own.name]
            names = {value_name(own, attention): change for attention in own.attentions}
            for name, (grid, to_grid) in {query_key_name(own): ((1, 1), (1, 1)), **names}.items():
                if name in mine:
                    frames = other.frames if mine[name].shape[1] == own.frames else 1
                    resampled[name] = _resample(mine[name], grid, to_grid, frames)
        return MotionEmbeddings([other for _, other in pairs], resampled, grids)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write a safetensors file, atomically: the tensors by name, the sites and the caller's `metadata`.

        Raises InputError if a value is not finite, ValueError if `metadata` has a key "format" or "sites".
        """
        records = [_known(site) | {"value_grid": self.grids[site.name]} for site in self.sites]
        own = {"format": _FORMAT, "sites": json.dumps(records)}
        if taken := own.keys() & metadata.keys():
            raise ValueError(f"metadata keys {sorted(taken)} belong to the file format")
        save_named(path, self.tensors(), {**own, **metadata})

    @classmethod
    def load(cls, path: Path) -> "MotionEmbeddings":
        """Read what `save` wrote. Raises InputError if the file is missing, or of another kind or version."""
        tensors, metadata = load_named(path, _FORMAT, _REMEDY)
        try:
            records = parse_json(metadata["sites"])
            held = [structure(_Held, {"value_grid": record.pop("value_grid"), "site": record}) for record in records]
            if not tensors or not held:
                raise ValueError("it holds no embeddings")
            return cls([each.site for each in held], tensors, {each.site.name: each.value_grid for each in held})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path} contradicts itself ({error}): give a file as `train` wrote it") from error

    def _shapes(self, site: Site) -> dict[str, tuple[tuple[int, int, int], ...]]:
        """Names and accepted shapes of the embeddings that a site can hold; static value embeddings have one frame."""
        rows, columns = self.grids[site.name]
        shapes = {
            value_name(site, name): tuple((rows * columns, frames, site.channels) for frames in (site.frames, 1))
            for name in site.attentions
        }
        return {query_key_name(site): ((1, site.frames, site.channels),), **shapes}

    def _kept_grids(self, sites: Sequence[Site]) -> dict[str, Grid]:
        """The grids of value embeddings at other sites: a coarse one stays as it is, a full one is the site's."""
        kept = {own.name: self.grids[own.name] for own in self.sites if self.grids[own.name] != own.grid}
        return {site.name: kept.get(site.name, site.grid) for site in sites}

    def _matched(self, sites: Sequence[Site]) -> list[tuple[Site, Site]]:
        """Each own site beside the same block of another model. Raises InputError if it has no such block."""
        others = {site.name: site for site in sites}
        pairs: list[tuple[Site, Site]] = []
        for own in self.sites:
            other = others.get(own.name)
            if other is None or (own.channels, own.attentions) != (other.channels, other.attentions):
                raise InputError(
                    f"{self._beside(sites)}, where {own.name} is missing or differs: "
                    "model=<the one the embeddings were trained on>"
                )
            pairs.append((own, other))
        return pairs

    def _beside(self, sites: Sequence[Site]) -> str:
        return f"the embeddings are for {summary(self.sites)}, the model at this size has {summary(sites)}"


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata that `MotionEmbeddings.save` was given. Raises InputError as `load` does."""
    metadata = load_metadata(path, _FORMAT, _REMEDY)
    return {name: text for name, text in metadata.items() if name not in ("format", "sites")}


def _known(site: Site) -> dict[str, object]:
    """What a file says of a site: of experts alone, when they are asked."""
    return {key: value for key, value in asdict(site).items() if key != "times" or value is not None}


def query_key_name(site: Site) -> str:
    """The name of a site's m^QK."""
    return f"{site.name}.query_key"


def value_name(site: Site, attention: str) -> str:
    """The name of the m^V of one of a site's attentions."""
    return f"{site.name}.{attention}.value"


def _key(name: str) -> str:
    """A name as a parameter's name, which PyTorch allows no dots in."""
    return name.replace(".", "/")


def _in_all_frames(value: Float[Tensor, "p m c"], frames: int) -> Float[Tensor, "p n c"]:
    return value if value.shape[1] == frames else value.expand(-1, frames, -1)


def _upsampled(value: Float[Tensor, "q m c"], grid: Grid, to_grid: Grid) -> Float[Tensor, "p m c"]:
    """Bilinear, positions being areas."""
    if grid == to_grid:
        return value
    images = value.unflatten(0, grid).permute(2, 3, 0, 1)  # frames, channels, rows, columns
    return F.interpolate(images, size=to_grid, mode="bilinear", align_corners=False).flatten(2).permute(2, 0, 1)


def _resample(tensor: Float[Tensor, "p n c"], grid: Grid, to_grid: Grid, to_frames: int) -> Float[Tensor, "q m c"]:
    """Linear in time with fixed end points, bilinear in space, averaging where the grid gets coarser."""
    in_time = F.interpolate(tensor.movedim(1, 2), size=to_frames, mode="linear", align_corners=True)
    images = in_time.unflatten(0, grid).permute(3, 2, 0, 1)  # frames, channels, rows, columns
    resized = F.interpolate(images, size=to_grid, mode="bilinear", align_corners=False, antialias=True)
    return resized.flatten(2).permute(2, 0, 1)
