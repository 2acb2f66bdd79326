"""Linear layers of a frozen network tuned in full rank: copies that stand in for them while a context lasts."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.method.layer.replacement import replaced


class TunedLinear(nn.Linear):
    """A trainable linear layer in float32 for inputs of any precision."""

    @classmethod
    def like(cls, layer: nn.Linear) -> "TunedLinear":
        """A copy of `layer`."""
        with torch.device("meta"):
            copy = cls(layer.in_features, layer.out_features, bias=layer.bias is not None)
        for name, value in layer.named_parameters():
            setattr(copy, name, nn.Parameter(value.detach().to(torch.float32, copy=True)))
        return copy

    def forward(self, input: Float[Tensor, "*s c"]) -> Float[Tensor, "*s d"]:
        bias = None if self.bias is None else self.bias.to(input.dtype)
        return F.linear(input, self.weight.to(input.dtype), bias)


class Projections(nn.Module):
    """Copies of the linear layers of these qualified names in a UNet, in float32.

    Building them leaves the UNet as it is; `attached` puts them in.
    """

    def __init__(self, unet: nn.Module, names: Iterable[str]) -> None:
        super().__init__()
        layers = {name: cast(nn.Linear, unet.get_submodule(name)) for name in names}
        self._layers = nn.ModuleDict(
            {name.replace(".", "/"): TunedLinear.like(layer) for name, layer in layers.items()}
        )

    def attached(self, unet: nn.Module) -> AbstractContextManager[None]:
        """While the context lasts, `unet` runs with them."""
        return replaced(unet, {name.replace("/", "."): layer for name, layer in self._layers.items()})

    def tensors(self) -> dict[str, Tensor]:
        """Every weight by its name in the UNet."""
        return {name.replace("/", "."): tensor for name, tensor in self._layers.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over values, named as in `tensors()`; others are ignored."""
        self._layers.load_state_dict({name: tensors[name.replace("/", ".")] for name in self._layers.state_dict()})
