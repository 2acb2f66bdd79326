"""Modules and attention processors of a model exchanged for the length of a context."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from motion_inversion.method.layer.attention import Attention


@contextmanager
def replaced(model: nn.Module, modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """While the context lasts, `model` has other `modules` under these names; afterwards those it had.

    Contexts nest. With gradient checkpointing, `backward` belongs inside: the forward passes that it repeats
    must meet the same modules. Raises AttributeError for a name that the model lacks.
    """
    before = {name: model.get_submodule(name) for name in modules}
    try:
        for name, module in modules.items():
            _put(model, name, module)
        yield
    finally:
        for name, module in before.items():
            _put(model, name, module)


@contextmanager
def processed(processors: Mapping[Attention, Callable[..., Tensor]]) -> Iterator[None]:
    """While the context lasts, attentions have these processors; afterwards those they had."""
    with ExitStack() as undo:
        for attention, processor in processors.items():
            undo.callback(attention.set_processor, attention.processor)
            attention.set_processor(processor)
        yield


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
