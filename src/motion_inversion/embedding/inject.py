"""Motion embeddings put into a UNet, and taken out again."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from motion_inversion.core.error import InputError
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.processor import MotionAttnProcessor
from motion_inversion.embedding.site import Site


@contextmanager
def inject(unet: nn.Module, embeddings: MotionEmbeddings) -> Iterator[None]:
    """While the context lasts, `unet` runs with `embeddings`; afterwards, or after an exception, as before.

    Only attention processors are exchanged: parameters, state dict and forward methods of the UNet stay as
    they are, and all-zero embeddings leave its output unchanged. Contexts nest; the innermost counts.

    With gradient checkpointing, call `backward` inside the context: the forward passes that it repeats must
    meet the same processors.

    Raises InputError if the UNet lacks a site of the embeddings, and, from the UNet's forward, if the latents
    have another number of frames or another grid.
    """
    with ExitStack() as undo:
        for site in embeddings.sites:
            query_key = embeddings.query_key(site)
            processors = {
                _attention(unet, site, name): MotionAttnProcessor(site, query_key, embeddings.value(site, name))
                for name in site.attentions
            }
            undo.enter_context(processed(processors))
            if embeddings.has_value(site):
                transformer = unet.get_submodule(site.name.rpartition(".transformer_blocks.")[0])
                undo.callback(transformer.register_forward_pre_hook(_grid_guard(site)).remove)
        yield


@contextmanager
def processed(processors: Mapping[Attention, Callable[..., Tensor]]) -> Iterator[None]:
    """While the context lasts, attentions have these processors; afterwards those they had."""
    with ExitStack() as undo:
        for attention, processor in processors.items():
            undo.callback(attention.set_processor, attention.processor)
            # Any callable is a processor to diffusers; its annotation names one class only.
            attention.set_processor(processor)  # pyright: ignore[reportArgumentType]
        yield


def _attention(unet: nn.Module, site: Site, name: str) -> Attention:
    """The attention `name` of a site, checked to exist and to have the site's width."""
    try:
        attention = unet.get_submodule(f"{site.name}.{name}")
    except AttributeError:
        attention = None
    if not isinstance(attention, Attention) or attention.query_dim != site.channels:
        raise InputError(
            f"the motion embeddings are for {site.name}.{name} of {site.channels} channels, which this UNet "
            "lacks: model=<the one they were trained on>"
        )
    return attention


def _grid_guard(site: Site) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A forward pre-hook that compares the grid of a temporal transformer's input with the site's.

    The processor cannot: it sees batch, rows and columns as one number, and a wrong grid that divides it
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
