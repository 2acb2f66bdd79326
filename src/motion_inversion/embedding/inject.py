"""Motion embeddings put into a network, and taken out again: the one place where they meet the frozen model.

With F the tokens that enter the projections of a self-attention (arXiv 2403.20193, eq. 1),

    q = W_q (F + m^QK),  k = W_k (F + m^QK),  v = W_v (F + m^V),

and all else stays the model's own: query-key norms, rotary positions, text tokens, attention backends. F are the frames
of one position where attention over time is a layer of its own, and the video tokens of all frames, in their place in
the sequence, where attention is over space and time at once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

Tokens: TypeAlias = Float[Tensor, "s l c"]
"""What enters a projection: sequences of tokens."""

_Hook: TypeAlias = Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]


@contextmanager
def inject(network: nn.Module, embeddings: MotionEmbeddings) -> Iterator[None]:
    """While the context lasts, `network` runs with `embeddings`; afterwards, or after an exception, as before.

    Forward pre-hooks of the projections add the embeddings: parameters, state dict, processors and forward methods stay
    as they are, and all-zero embeddings leave the output unchanged to the bit. Nested contexts add up.

    With gradient checkpointing, call `backward` inside the context: the forward passes that it repeats must meet the
    same hooks.

    Raises InputError if the network lacks a site of the embeddings or its projections are fused, and, from the
    network's forward, if the latents have another number of frames or another grid.
    """
    with ExitStack() as undo:
        for site in embeddings.sites:
            for name in site.attentions:
                attention = _attention(network, site, name)
                for projection, hook in _Shift(site, name, embeddings).hooks().items():
                    undo.callback(getattr(attention, projection).register_forward_pre_hook(hook).remove)
            outer = site.name.rpartition(".transformer_blocks.")[0]
            if site.start is None and outer and embeddings.has_value(site):
                undo.callback(network.get_submodule(outer).register_forward_pre_hook(_grid_guard(site)).remove)
        yield


class _Shift:
    """F + m^QK and F + m^V of one attention, whose query projection is the first to see F.

    Both sums are made there and kept for the other two projections: F + m^QK is made once, so that its gradients meet
    before they are summed over positions, and gradients reach F in one order whichever embeddings there are.
    """

    def __init__(self, site: Site, name: str, embeddings: MotionEmbeddings) -> None:
        self.site, self.name, self.embeddings = site, name, embeddings
        self.tokens: Tensor | None = None
        self.sums: dict[str, Tensor] = {}

    def hooks(self) -> dict[str, _Hook]:
        """Forward pre-hooks by the names of projections."""
        return {
            "to_q": self._hook("query_key", first=True),
            "to_k": self._hook("query_key"),
            "to_v": self._hook("value"),
        }

    def _hook(self, kind: str, first: bool = False) -> _Hook:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            if first or self.tokens is not inputs[0]:
                self.tokens, self.sums = inputs[0], self._added(inputs[0])
            moved = self.sums.get(kind, inputs[0])
            if kind == "value":  # the last to ask
                self.tokens, self.sums = None, {}
            return (moved, *inputs[1:])

        return hook

    def _added(self, tokens: Tokens) -> dict[str, Tensor]:
        both = {"query_key": self.embeddings.query_key(self.site), "value": self.embeddings.value(self.site, self.name)}
        return {kind: shifted(tokens, each, self.site) for kind, each in both.items() if each is not None}


def shifted(tokens: Tokens, embedding: Float[Tensor, "p n c"], site: Site) -> Tokens:
    """Tokens with an embedding added, in their type: one for each position and frame, or (p = 1) for each frame.

    Raises InputError when the tokens do not fit the site.
    """
    if site.start is None:
        return _shifted_over_time(tokens, embedding.to(tokens.dtype), site)
    _require_length(tokens, site)
    end = site.start + site.tokens
    video = tokens[:, site.start : end].unflatten(1, (site.frames, site.positions))
    moved = (video + embedding.to(tokens.dtype).transpose(0, 1)).flatten(1, 2)
    if tokens.shape[1] == site.tokens:
        return moved
    return torch.cat([tokens[:, : site.start], moved, tokens[:, end:]], dim=1)


def _shifted_over_time(tokens: Tokens, embedding: Float[Tensor, "p n c"], site: Site) -> Tokens:
    """tokens: one sequence of frames per position; batch outermost, then rows, then columns."""
    sequences, frames, _ = tokens.shape
    if frames != site.frames:
        raise InputError(
            f"the motion embeddings of {site.name} have {site.frames} frames, the latents have {frames}: "
            f"model.frames={site.frames}"
        )
    if len(embedding) == 1:
        return tokens + embedding
    if sequences % site.positions:
        raise InputError(
            f"the value embedding of {site.name} has {site.positions} positions, which do not divide the "
            f"{sequences} of the latents: use the size of the training (model.height, model.width)"
        )
    # Broadcast over the batch: a repeated embedding would cost a copy per clip.
    return (tokens.unflatten(0, (-1, site.positions)) + embedding).flatten(0, 1)


def _require_length(tokens: Tokens, site: Site) -> None:
    assert site.start is not None
    least = site.start + site.tokens
    if tokens.shape[1] < least or (site.start and tokens.shape[1] > least):  # text that comes first is all there is
        raise InputError(
            f"the motion embeddings of {site.name} are for {site.frames} frames of {site.grid[0]}x{site.grid[1]} "
            f"tokens from token {site.start} on, the sequence has {tokens.shape[1]}: use the size of the training "
            "(model.frames, model.height, model.width)"
        )


def _attention(network: nn.Module, site: Site, name: str) -> Any:
    """The attention `name` of a site, checked to exist, to have the site's width and projections of its own."""
    attention: Any = None
    with suppress(AttributeError):
        attention = network.get_submodule(f"{site.name}.{name}")
    projection: Any = getattr(attention, "to_q", None)
    if getattr(attention, "fused_projections", False) or (attention is not None and projection is None):
        raise InputError(
            f"the projections of {site.name}.{name} are fused, so that motion embeddings can't enter "
            "query and key but not value: load the model anew, and don't call fuse_qkv_projections()"
        )
    if attention is None or projection.in_features != site.channels:
        raise InputError(
            f"the motion embeddings are for {site.name}.{name} of {site.channels} channels, which this model "
            "lacks: model=<the one they were trained on>"
        )
    return attention


def _grid_guard(site: Site) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A forward pre-hook that compares the grid of a temporal transformer's input with the site's.

    The projections cannot: they see batch, rows and columns as one number, and a wrong grid that divides it
    would silently move the value embeddings to other positions.
    """

    def check(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        rows, columns = inputs[0].shape[-2:]
        if (rows, columns) != site.grid:
            raise InputError(
                f"the value embeddings of {site.name} are for a grid of {site.grid[0]}x{site.grid[1]}, the "
                f"latents give {rows}x{columns}: use the size of the training (model.height, model.width)"
            )

    return check
