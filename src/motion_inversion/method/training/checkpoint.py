"""Checkpoints of a training: what it goes on from after an interruption, and a longer one after its end."""

import logging
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from motion_inversion.error import InputError
from motion_inversion.storage.file import remove, scratch, sha256_of

log = logging.getLogger(__name__)

CHECKPOINTS = "step*.ckpt"
_NAME = re.compile(r"step(\d+)-([0-9a-f]{16})\.ckpt")
THREADS = "threads"  # under which a checkpoint has their number


def write(trainer: Any, folder: Path, step: int) -> None:
    """Writes what Lightning's trainer needs to go on from a step, in the place of what is there."""
    with scratch(folder / "checkpoint") as part:
        trainer.save_checkpoint(part)
        path = folder / f"step{step:06d}-{_sum(part)}.ckpt"
        part.replace(path)
    for other in folder.glob(CHECKPOINTS):
        if other != path:
            other.unlink()


def latest(folder: Path) -> Path | None:
    """The checkpoint of most steps; None if there is none. Damaged ones are removed, and the log says so."""
    for path in sorted(folder.glob(CHECKPOINTS), reverse=True):
        named = _NAME.fullmatch(path.name)
        with suppress(OSError):  # a folder in its place, or what may not be read
            if named and named[2] == _sum(path):
                return path
        log.warning("%s was damaged: going on without it", path)
        remove(path)
    return None


def steps_of(checkpoint: Path) -> int:
    """How many steps a checkpoint is behind."""
    named = _NAME.fullmatch(checkpoint.name)
    assert named
    return int(named[1])


@contextmanager
def same_threads(checkpoint: Path | None) -> Iterator[None]:
    """A resumed training runs with the threads that it began with; the run gets its own back.

    Raises:
        InputError: if the file is no checkpoint, whatever its name says; nothing in it is run.
    """
    given = torch.get_num_threads()
    if checkpoint:
        try:
            threads = int(torch.load(checkpoint, weights_only=True, map_location="cpu")[THREADS])
        except (pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError) as error:
            reason = str(error).partition(".")[0].partition("\n")[0]
            raise InputError(f"{checkpoint} is no checkpoint of a training ({reason}); delete it to go on") from error
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(given)


def _sum(path: Path) -> str:
    return sha256_of(path)[:16]
