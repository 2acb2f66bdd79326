"""Which files of a part's folder are its weights: the plain ones, or a variant such as *.fp16.safetensors."""

import logging
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

WEIGHTS = ("*.safetensors", "*.bin")


def naming_of(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """What diffusers and transformers are told of the names of the weights, where those aren't the plain ones.

    There may be variants alone, which is logged; of several, that nearest to the type that is asked for is taken. And
    there may be no safetensors.
    """
    names = [path.name for pattern in WEIGHTS for path in folder.glob(pattern)]
    pickled = {} if any(name.endswith(".safetensors") for name in names) else {"use_safetensors": False}
    found = {_variant(name) for name in names}
    if "" in found or not found:
        return pickled
    wanted = ("bf16", "fp16") if dtype == torch.bfloat16 else ("fp16", "bf16")
    variant = next((name for name in wanted if name in found), min(found))
    if len(found) == 1:
        log.info("%s holds only the variant %s of its weights: that is taken", folder, variant)
    else:
        several = " and ".join(sorted(found))
        log.info("%s holds only the variants %s of its weights: %s is taken", folder, several, variant)
    return {"variant": variant, **pickled}


def taken(folder: Path, variant: str | None) -> list[Path]:
    """The safetensors that are read: those of the variant, or the plain ones."""
    files = sorted(folder.glob("*.safetensors"))
    return [file for file in files if _variant(file.name) == (variant or "")] or files


def _variant(name: str) -> str:
    """Which one a file's name says, as in model.fp16.safetensors; nothing of plain weights."""
    return name.split(".")[1].partition("-")[0] if name.count(".") == 2 else ""
