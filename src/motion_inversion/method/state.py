"""The file that keeps what a method learnt as tensors by name, and what method and model they are for."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.storage.checksum import known_sha256
from motion_inversion.storage.tensor_file import load_named, save_named

STATE = "state"  # by which a model has what was read of one, beside its parts

_FORMAT = "motion-inversion-state/1"
_REMEDY = "give the state that `train` wrote with the same settings"


def write_state(path: Path, method: str, model: Backbone, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file, atomically.

    Raises:
        InputError: if a value is not finite.
    """
    save_named(path, tensors, {"format": _FORMAT, "method": method, **identity(model)})


def read_state(path: Path, method: str, model: Backbone, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that `write_state` wrote, on the CPU; `expected` are those that they are to replace.

    Raises:
        InputError: naming both sides, if the file is missing or of another kind, if another method wrote it or
            another model was learnt on, or if names or shapes are others than expected.
    """
    tensors, metadata = load_named(path, _FORMAT, _REMEDY, whole=True)
    if missing := [key for key in ("method", "model", "fingerprint") if key not in metadata]:
        raise InputError(f"{path} doesn't say for what {' and '.join(missing)} it was learnt; {_REMEDY}")
    if metadata["method"] != method:
        raise InputError(f"{path} was learnt by {metadata['method']}, not by {method}: set method={metadata['method']}")
    own = identity(model)
    if metadata["fingerprint"] != own["fingerprint"]:
        raise InputError(
            f"{path} was learnt on {_said(metadata)}, the model is {_said(own)}: set model={metadata['model']}"
        )
    _require_layout(path, tensors, expected)
    return tensors


def kept(model: Backbone, path: Path, read: Callable[[Path], nn.Module]) -> nn.Module:
    """What `read` makes of a state, once for all batches: it stays with the model until another is read, or `STATE`
    is released. It is not to be changed."""

    def make() -> nn.Module:
        model.release(STATE)
        return read(path)

    return model.made(f"{STATE} {known_sha256(path)}", make)


def identity(model: Backbone) -> dict[str, str]:
    """What a file says of the model that it was learnt on."""
    return {"model": model.config.name, "fingerprint": model.config.fingerprint}


def _said(identity: Mapping[str, str]) -> str:
    return f"{identity['model']} (weights {identity['fingerprint'][:8]})"


def _require_layout(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    found, wanted = ({name: _sized(tensor) for name, tensor in side.items()} for side in (tensors, expected))
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise InputError(
                f"{path} has {len(found)} tensors, the method asks for {len(wanted)}: {name} is "
                f"{found.get(name, 'missing')} there and {wanted.get(name, 'missing')} here; {_REMEDY}"
            )


def _sized(tensor: Tensor) -> str:
    """Its shape, and that it holds whole numbers if it does."""
    return "×".join(map(str, tensor.shape)) + ("" if tensor.is_floating_point() else " whole numbers")
