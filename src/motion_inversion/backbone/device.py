"""Which device a model runs on."""

import logging
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock, Timeout

from motion_inversion.error import InputError

log = logging.getLogger(__name__)

_TAKEN: dict[int, FileLock] = {}  # the GPU of this process, as long as it lives


def device_of(name: str) -> torch.device:
    """The device of this name; "auto" takes a GPU where there is one, of several the one with fewest takers.

    Raises:
        InputError: there is none of this name.
    """
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    offered = ", ".join(kind for kind, count in there.items() if count)
    accepted = f"auto, {offered}{'' if there['cuda'] else ' (no GPU is visible)'}"
    try:
        device = torch.device((_free_gpu() if there["cuda"] else "cpu") if name == "auto" else name)
    except RuntimeError as error:
        raise InputError(f"model.device={name} is no device; accepted are {accepted}; set model.device=auto") from error
    if (device.index or 0) >= there.get(device.type, 0):
        raise InputError(f"model.device={name} is not there; accepted are {accepted}; set model.device=auto")
    return device


def kind_of(name: str) -> Literal["cuda", "cpu"]:
    """Whether the device of this name is a GPU; none is taken."""
    gpu = name.startswith("cuda") or (name == "auto" and torch.cuda.is_available())
    return "cuda" if gpu else "cpu"


def has_bfloat16(kind: str) -> bool:
    """Whether a kind of device, such as "cpu", computes in bfloat16 by itself: newer GPUs, CPUs with AVX512-BF16."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu" and torch.cpu._is_avx512_bf16_supported()


def _free_gpu() -> str:
    """A GPU for this process alone, as long as there is one; then those are shared that fewest have taken.

    Processes on one machine know of each other by locked files, which end with them.
    """
    gpus = torch.cuda.device_count()
    if gpus == 1:
        return "cuda"
    if not _TAKEN:
        folder = Path(tempfile.gettempdir()) / f"motion-inversion-{os.getuid() if hasattr(os, 'getuid') else 0}"
        folder.mkdir(exist_ok=True)
        for round_ in count():
            if any(_take(folder, number, round_) for number in range(gpus)):
                break
    [number] = _TAKEN
    return f"cuda:{number}"


def _take(folder: Path, number: int, round_: int) -> bool:
    lock = FileLock(folder / f"gpu-{_known_as(number)}-{round_}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    log.info("taking GPU %d of %d", number + 1, torch.cuda.device_count())
    _TAKEN[number] = lock
    return True


def _known_as(number: int) -> str:
    """The GPU's name among all of the machine, also where this process is shown only some of them."""
    shown = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return shown[number] if number < len(shown) else str(number)
