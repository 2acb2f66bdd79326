"""Gradient checkpointing: diffusers' own, and for video UNets, which it leaves out, one of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_LISTS = ("resnets", "temp_convs", "attentions", "temp_attentions")


@contextmanager
def checkpoint_blocks(unet: nn.Module) -> Iterator[None]:
    """While the context lasts, every resnet, temporal convolution and attention block keeps its inputs only.

    The backward pass computes the rest anew, so it must run inside this context's `inject` too. A block that
    gets no input with a gradient runs as before: ahead of the first embedding there is nothing to keep, and
    without gradients nothing to save. The state dict stays as it is.
    """
    blocks = [
        block
        for name, children in unet.named_modules()
        if name.rpartition(".")[2] in _LISTS and isinstance(children, nn.ModuleList)
        for block in children
    ]
    try:
        for block in blocks:
            # On the instance, not around it: a wrapping module would rename the parameters.
            block.forward = _checkpointed(block.forward)
        yield
    finally:
        for block in blocks:
            block.__dict__.pop("forward", None)


@contextmanager
def checkpoint_by_diffusers(*networks: nn.Module) -> Iterator[None]:
    """While the context lasts, every block of these networks of diffusers keeps its inputs only.

    The backward pass must run inside this context's `inject` too.
    """
    transformers: tuple[Any, ...] = networks
    for transformer in transformers:
        transformer.enable_gradient_checkpointing()
    try:
        yield
    finally:
        for transformer in transformers:
            transformer.disable_gradient_checkpointing()


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*inputs: Any, **options: Any) -> Any:
        tensors = (value for value in (*inputs, *options.values()) if isinstance(value, Tensor))
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False, **options)
        return forward(*inputs, **options)

    return run
