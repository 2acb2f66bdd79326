"""The file that keeps what was learnt: tensors by name, and what they are for."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing
from motion_inversion.storage.kind import check_weights

_KEY = "motion_inversion"  # of the file's metadata, one alone: safetensors writes several in random order


def save_named(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file, atomically; `metadata` says its "format" and what else there is to know.

    Raises:
        InputError: if a value is not finite, or the file can't be written.
    """
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(
                f"{name} holds NaN or infinity: if training diverged, lower method.optimizer.lr, "
                "or else use model.dtype=float32"
            )
    with replacing(path) as temporary:
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(plain, temporary, {_KEY: json.dumps(dict(metadata), sort_keys=True)})


def load_named(path: Path, form: str, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, on the CPU, and the metadata that `save_named` wrote; arguments and errors as of `load_metadata`."""
    metadata = load_metadata(path, form, remedy)
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 (it is no mapping)


def load_metadata(path: Path, form: str, remedy: str) -> dict[str, str]:
    """The metadata alone, its format checked.

    Args:
        path: The file.
        form: The "format" that it must have.
        remedy: What a message ends with.

    Raises:
        InputError: if the file is missing, or of another kind or format.
    """
    if path.is_file():
        check_weights(path, remedy)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(_KEY, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path} is no safetensors file ({error}): {remedy}") from error
    if metadata.get("format") != form:
        raise InputError(f"{path} has format {metadata.get('format')}, accepted is {form}: {remedy}")
    return metadata
