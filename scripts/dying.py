"""Processes that die at a chosen file operation, as a kill or a power cut would have it."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

_OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
_DEAD = 77


def dies_at(number: int, folder: Path, work: Callable[[], None]) -> bool:
    """Runs `work` in a process that dies ahead of its `number`-th operation on a path below `folder`.

    Gives whether it died; False if there are fewer operations.
    """
    child = multiprocessing.get_context("fork").Process(target=_dying, args=(number, str(folder), work))
    child.start()
    child.join()
    assert child.exitcode in (0, _DEAD)
    return child.exitcode == _DEAD


def _dying(number: int, folder: str, work: Callable[[], None]) -> None:
    left = [number]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _OPERATIONS and str(arguments[0]).startswith(folder):
            left[0] -= 1
            if left[0] < 0:
                os._exit(_DEAD)

    sys.addaudithook(watch)
    work()


def files(folder: Path, *apart: str) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for those whose names match a pattern of `apart`."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if not any(map(path.match, apart))}
