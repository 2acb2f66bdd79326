"""What making something took: seconds and memory, noted beside it and no part of what it is."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import torch

from motion_inversion.stage.environment import device_name
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import COST

try:
    import resource
except ModuleNotFoundError:  # Windows has none
    resource = None

_MIB = 2**20


class Fitted(TypedDict, total=False):
    """What a fit made: how many parameters it trained, and the size of its state file in bytes."""

    parameters: int
    size: int


class Cost(Fitted):
    """Seconds of wall time; the peak of memory in MiB, null where the system doesn't tell; on which device.

    Of a finished fit, what it made as well.
    """

    seconds: float
    memory: float | None
    device: str


class Meter:
    """Runs from when it is made.

    Memory is the peak of what PyTorch held on a GPU since then, else the most that the process ever held.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = torch.device(device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self.start = time.monotonic()

    def read(self, among: int = 1) -> Cost:
        """The cost so far; the time is divided `among` as many as were made at once."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            memory = torch.cuda.max_memory_allocated(self.device) / _MIB
        else:
            memory = _resident()
        seconds = (time.monotonic() - self.start) / among
        rounded = None if memory is None else round(memory, 1)
        return Cost(seconds=round(seconds, 3), memory=rounded, device=device_name(self.device))


@contextmanager
def metered(folder: Path, device: torch.device | str) -> Iterator[Fitted]:
    """Notes in `folder` what the block costs, even if it fails: the next run's cost is added to it.

    What the block puts into the `Fitted` that it gets is noted, too. Of a process that is killed nothing is noted.
    """
    meter, fitted = Meter(device), Fitted()
    try:
        yield fitted
    finally:
        write_cost(folder, _sum(read_cost(folder), {**meter.read(), **fitted}))


def write_cost(folder: Path, cost: Cost) -> None:
    """Into the cost file of a folder. Raises InputError if it can't be written."""
    with replacing(folder / COST) as part:
        part.write_text(json.dumps(cost) + "\n")


def read_cost(folder: Path) -> Cost | None:
    """What the cost file of a folder says; None where there is none to be read."""
    try:
        found: dict[str, Any] = json.loads((folder / COST).read_text())
        fitted = Fitted(**{key: found[key] for key in Fitted.__annotations__ if key in found})
        return Cost(seconds=found["seconds"], memory=found["memory"], device=found["device"], **fitted)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sum(before: Cost | None, now: Cost) -> Cost:
    if before is None:
        return now
    peaks = [peak for peak in (before["memory"], now["memory"]) if peak is not None]
    seconds = round(before["seconds"] + now["seconds"], 3)
    return {**now, "seconds": seconds, "memory": max(peaks, default=None)}


def _resident() -> float | None:
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (_MIB if sys.platform == "darwin" else 1024)  # bytes there, KiB elsewhere
