"""The files that keep what was learnt: tensors by name, and what they are for. None is read by running code."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from motion_inversion.error import InputError
from motion_inversion.storage.document import parse_json, require_regular
from motion_inversion.storage.file import replacing
from motion_inversion.storage.kind import check_weights

_WHOLE = (torch.uint8, torch.int32, torch.int64)
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
    write_plain(path, tensors, {_KEY: json.dumps(dict(metadata), sort_keys=True)})


def write_plain(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes a safetensors file, atomically. Raises InputError if it can't be written."""
    with replacing(path) as temporary:
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        temporary.touch()
        mode = temporary.stat().st_mode  # as for any new file: the library's own can be read by nobody else
        try:
            save_file(plain, temporary, metadata)
            temporary.chmod(mode)
        except SafetensorError as error:  # which a full disk is to the library
            raise OSError(str(error)) from error


def load_named(path: Path, form: str, remedy: str, whole: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, on the CPU, and the metadata that `save_named` wrote; arguments and errors as of `load_metadata`.

    Floating-point numbers are accepted; `whole` ones too, if asked.
    """
    metadata = load_metadata(path, form, remedy)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    return require_numbers(path, tensors, remedy, whole), metadata


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
        require_regular(path, remedy)
        with safe_open(path, framework="pt") as file:
            metadata = parse_json((file.metadata() or {}).get(_KEY, "{}"))
    except InputError:
        raise
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path} is no safetensors file ({error}): {remedy}") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InputError(f"{path} says of itself what is no mapping of texts: {remedy}")
    if metadata.get("format") != form:
        raise InputError(f"{path} has format {metadata.get('format')}, accepted is {form}: {remedy}")
    return metadata


def load_pickled(path: Path, remedy: str) -> dict[str, Tensor]:
    """The tensors of a `.pt` file that holds a dict of nothing else, without running code that a pickle may carry.

    Raises:
        InputError: if the file is missing or holds anything else; the message ends with `remedy`.
    """
    try:
        require_regular(path, remedy)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:  # whose message advises to trust the file
        raise InputError(f"{path} is no .pt file, or holds more than tensors: {remedy}") from error
    except Exception as error:  # damaged pickles and archives make torch raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path} cannot be read ({reason}): {remedy}") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no dict of tensors: {remedy}")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{path} has an entry {name!r} that is no tensor with a name: {remedy}")
    return require_numbers(path, content, remedy)


def require_numbers(path: Path, tensors: dict[str, Tensor], remedy: str, whole: bool = False) -> dict[str, Tensor]:
    """The same, if each is an array of finite floating-point numbers, or of `whole` ones if these are asked for.

    Raises:
        InputError: for a tensor of another type, one that is sparse or without content, or NaN or infinity.
    """
    for name, tensor in tensors.items():
        taken = tensor.is_floating_point() or (whole and tensor.dtype in _WHOLE)
        if not taken or tensor.layout is not torch.strided or tensor.is_meta:
            kind = "meta" if tensor.is_meta else str(tensor.dtype if tensor.layout is torch.strided else tensor.layout)
            raise InputError(
                f"{path}: {name} is {kind.removeprefix('torch.')}, accepted are arrays of floating-point numbers: "
                f"{remedy}"
            )
        if not tensor.float().isfinite().all():  # float8 knows no isfinite
            raise InputError(f"{path}: {name} holds NaN or infinity: {remedy}")
    return tensors
