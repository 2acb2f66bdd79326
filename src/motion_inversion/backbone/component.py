"""Loads the parts of a model folder in the diffusers layout one by one, frozen and in evaluation mode."""

import functools
import hashlib
import importlib
import logging
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import HfApi
from huggingface_hub.constants import is_offline_mode
from safetensors import SafetensorError
from torch import nn

from motion_inversion.core.error import InputError

log = logging.getLogger(__name__)

# The parts of a text-to-video model and the classes that read them.
CLASSES = {
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "unet": ("diffusers", "UNet3DConditionModel"),
    "scheduler": ("diffusers", "DDIMScheduler"),
}
WEIGHTLESS = ("tokenizer", "scheduler")
# Of these patterns, a file must match one. A tokenizer without a vocabulary would load, and know no word.
_WEIGHTS = ("*.safetensors", "*.bin")
_CONTENT = {
    "tokenizer": ("vocab.json", "tokenizer.json"),
    "scheduler": ("scheduler_config.json", "config.json"),
}
_SAMPLE = 1 << 20  # bytes read from either end of a weights file to tell it from another


def check_folder(path: str) -> None:
    """Checks that a local folder holds every part; anything else may be a hub id and passes.

    Raises:
        InputError: naming the first part that is missing, or the folder if there is none.
    """
    folder = Path(path)
    if not folder.is_dir():
        if folder.is_absolute() or path.startswith(".") or folder.exists():
            raise InputError(f"model.path={path} is no folder; set model.path to a model in the diffusers layout")
        return
    for part in CLASSES:
        if not (folder / part).is_dir():
            raise InputError(
                f"model.path={path} has no {part}/; accepted is a folder with {', '.join(CLASSES)}, "
                "as diffusers' save_pretrained writes it"
            )
        patterns = _CONTENT.get(part, _WEIGHTS)
        if not any(any((folder / part).glob(pattern)) for pattern in patterns):
            raise InputError(f"model.path={path} has neither {' nor '.join(patterns)} in {part}/; copy it there")


def load(path: str, part: str, dtype: torch.dtype, device: torch.device) -> Any:
    """One part of the model, ready to run; networks come frozen, in evaluation mode, in `dtype` on `device`.

    Raises:
        InputError: if it is missing, broken or another kind of model than CLASSES says.
    """
    if not Path(path).is_dir():
        _reach(path)
    module, name = CLASSES[part]
    transformers.utils.logging.disable_progress_bar()  # a second's bar per part hides the lines that matter
    kind = getattr(importlib.import_module(module), name)
    try:
        if part in WEIGHTLESS:
            return kind.from_pretrained(path, subfolder=part)
        # Without `accelerate`, diffusers warns unless told to load the plain way.
        plain = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
        options = {"dtype": dtype} if module == "transformers" else plain
        loaded, account = kind.from_pretrained(path, subfolder=part, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"model.path={path}: {part} can't be loaded as {name} ({reason}); give a complete local folder: "
            "model.path=/path/to/model"
        ) from error
    if absent := sorted(account["missing_keys"]):  # both libraries would draw them at random
        raise InputError(
            f"model.path={path}: {part} lacks {len(absent)} of its weights, such as {absent[0]}; give a "
            "complete local folder: model.path=/path/to/model"
        )
    network: nn.Module = loaded
    return network.requires_grad_(False).eval().to(device)


@functools.cache
def _reach(path: str) -> None:
    """Asks the hub for a model, once: loading would ask again and again for minutes before it gives up."""
    if is_offline_mode():
        return
    try:
        HfApi().model_info(path, timeout=10)
    except Exception as error:  # that of an HTTP library, which depends on the hub client's version
        raise InputError(
            f"model.path={path} is no folder here, and the hub has no such model to give ({error}); give a local "
            "folder: model.path=/path/to/model, or set HF_HUB_OFFLINE=1 to use what was downloaded earlier"
        ) from error


def fingerprint(path: str) -> str:
    """Tells models apart by content: small files whole, weights by size and ends. A hub id is its name."""
    folder = Path(path)
    digest = hashlib.sha256()
    if not folder.is_dir():
        return hashlib.sha256(path.encode()).hexdigest()[:16]
    for part in CLASSES:
        for file in sorted(p for p in (folder / part).rglob("*") if p.is_file()):
            size = file.stat().st_size
            digest.update(f"{part}/{file.name} {size}\n".encode())
            with file.open("rb") as stream:
                digest.update(stream.read(_SAMPLE))
                if size > _SAMPLE:
                    stream.seek(max(_SAMPLE, size - _SAMPLE))
                    digest.update(stream.read())
    return digest.hexdigest()[:16]
