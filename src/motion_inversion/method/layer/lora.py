"""Low-rank additions to linear layers, by peft, owned by the training and not by the model."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn

from motion_inversion.core.seed import generator
from motion_inversion.error import InputError
from motion_inversion.method.layer.dropout import dropped
from motion_inversion.method.layer.replacement import replaced

_ADAPTER = "lora"  # how peft names the one adapter of a layer


class LowRank(nn.Module):
    """y = W x + b + s dropout(U D x) in some linear layers of a frozen model (LoRA, arXiv 2106.09685).

    As in the code that MotionDirector builds on: U starts at zero, D at N(0, 1 / r²); nothing divides by the rank;
    a layer's rank r is at most the smaller of its two widths; dropout falls on the addition, where peft's own falls
    on the layer's input. Parameters are float32 whatever the model runs in.

    Building it leaves the model as it is; `attached` puts it in.

    Args:
        model: Whose layers they are.
        names: Qualified names of linear layers.
        rank: r ≥ 1.
        dropout: Share of the addition's elements that training leaves out, below 1.
        seed: Of D.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], rank: int, dropout: float, seed: int) -> None:
        super().__init__()
        self.dropout = dropout
        self._key: int | None = None
        self._layers = _layers(model, names, rank)
        self._parts = nn.ModuleDict()
        for name, layer in self._layers.items():
            down, up = (cast(nn.Linear, side[_ADAPTER]).float() for side in (layer.lora_A, layer.lora_B))
            draw = torch.randn(down.weight.shape, generator=generator(seed, "lora", name))
            nn.init.zeros_(up.weight)
            with torch.no_grad():
                down.weight.copy_(draw / layer.r[_ADAPTER])
            up.register_forward_hook(self._dropping(name))
            self._parts[_key(name)] = nn.ModuleDict({"lora_A": down, "lora_B": up})

    def attached(self, model: nn.Module) -> AbstractContextManager[None]:
        """While the context lasts, `model` runs with the additions."""
        return replaced(model, self._layers)

    def use(self, scale: float, draw: torch.Generator | None = None) -> None:
        """From now on s is `scale`; with dropout drawn from `draw`, or without.

        What is dropped is drawn once per call, not per forward pass: with gradient checkpointing, passes are
        repeated.
        """
        self._key = None if draw is None else int(torch.randint(2**62, (), generator=draw))
        for layer in self._layers.values():
            layer.set_scale(_ADAPTER, scale)

    def tensors(self) -> dict[str, Tensor]:
        """D and U of every layer, "<layer>.lora_A.weight" and "<layer>.lora_B.weight" as peft names them."""
        return {name.replace("/", "."): tensor for name, tensor in self._parts.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the values of `tensors`, named as in `tensors()`; others are ignored."""
        self._parts.load_state_dict({name: tensors[name.replace("/", ".")] for name in self._parts.state_dict()})

    def _dropping(self, name: str) -> Any:
        """A forward hook of U that drops elements of its output, equally in every pass between two `use`s."""

        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            if self._key is None or not self.dropout:
                return output
            return dropped(output, self.dropout, self._key, name)

        return hook


def check_rank(option: str, rank: int) -> None:
    """Raises InputError, naming the option, below 1."""
    if rank < 1:
        raise InputError(f"{option}={rank}: at least 1 is needed; set {option}=32")


def check_dropout(option: str, dropout: float, usual: str) -> None:
    """Raises InputError, naming the option and a usual value, outside [0, 1)."""
    if not 0 <= dropout < 1:
        raise InputError(f"{option}={dropout}: accepted are shares from 0, below 1; set {option}={usual}")


def linear_names(model: nn.Module, kind: type[nn.Module], within: Collection[str]) -> tuple[str, ...]:
    """Qualified names of the linear layers inside modules of a `kind`, below children of one of the names `within`."""
    return tuple(
        f"{outer}.{inner}"
        for outer, block in model.named_modules()
        if isinstance(block, kind)
        for inner, layer in block.named_modules()
        if isinstance(layer, nn.Linear) and not {*inner.split(".")}.isdisjoint(within)
    )


def _layers(model: nn.Module, names: Sequence[str], rank: int) -> dict[str, Any]:
    """peft's layers around the model's linear ones; the model itself isn't touched."""
    from peft import LoraConfig, inject_adapter_in_model

    plain = {name: cast(nn.Linear, model.get_submodule(name)) for name in names}
    ranks = {_key(name): min(rank, layer.in_features, layer.out_features) for name, layer in plain.items()}
    held = nn.ModuleDict({_key(name): layer for name, layer in plain.items()})
    config = LoraConfig(r=rank, lora_alpha=rank, rank_pattern=ranks, alpha_pattern=dict(ranks), target_modules=[*held])
    with torch.random.fork_rng(devices=[]):  # peft draws first values, which aren't used, from the process's generator
        inject_adapter_in_model(config, held, _ADAPTER)
    return {name: held[_key(name)] for name in names}


def _key(name: str) -> str:
    """A name as a child's name, which PyTorch allows no dots in."""
    return name.replace(".", "/")
