"""Dropout whose draws depend on what is dropped for, not on when: equal after an interruption, or in a second pass."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from motion_inversion.core.seed import generator


class Dropouts:
    """The dropout layers of a frozen network, at work as in training mode though the network is in evaluation mode.

    In a video UNet those of the temporal convolutions, with a share of 0.1. What is dropped follows from the key and
    the layer alone, so that passes that gradient checkpointing repeats drop the same.
    """

    def __init__(self) -> None:
        self.key: int | None = None
        """Of the draws of a step; None while nothing is dropped."""

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[int]:
        """While the context lasts, they drop whenever there is a key; gives how many they are."""
        found = [(name, each) for name, each in network.named_modules() if isinstance(each, nn.Dropout) and each.p]
        with ExitStack() as hooks:
            for name, layer in found:
                hooks.callback(layer.register_forward_hook(self._dropping(name)).remove)
            yield len(found)

    def _dropping(self, name: str) -> Any:
        def hook(layer: nn.Dropout, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            return output if self.key is None else dropped(output, layer.p, self.key, name)

        return hook


def dropped(tensor: Tensor, share: float, key: int, name: str) -> Tensor:
    """Without a share of its elements, drawn for (key, name, its shape); the others times 1 / (1 − share)."""
    seed = generator(key, name, *tensor.shape).initial_seed()
    draw = torch.Generator(tensor.device).manual_seed(seed)
    kept = torch.empty_like(tensor).bernoulli_(1 - share, generator=draw)
    return tensor * kept / (1 - share)
