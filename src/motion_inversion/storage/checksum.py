"""Checksums of files that were read before: once in a process, and of large files of weights once on a machine."""

import functools
import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from motion_inversion.error import InputError
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.file import replacing, sha256_of

_LARGE = 16 << 20  # bytes; smaller files are read in no time
_SETTLED = 2_000_000_000  # nanoseconds: a file that was written later could be written again without another time
_SUM = re.compile(r"[0-9a-f]{64}")


class _State(NamedTuple):
    """What a file system says of a file: another content has another state, once the file is left alone."""

    path: str
    size: int
    inode: int
    modified: int  # nanoseconds since 1970, as `changed`, which no copying or touching sets back
    changed: int

    @classmethod
    def of(cls, path: Path) -> "_State":
        told = path.stat()
        return cls(str(path.absolute()), told.st_size, told.st_ino, told.st_mtime_ns, told.st_ctime_ns)

    @property
    def is_settled(self) -> bool:
        return time.time_ns() - max(self.modified, self.changed) > _SETTLED


def known_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read once in this process as long as the file stays as it is.

    Raises OSError if it can't be read.
    """
    state = _State.of(path)
    return _read(state) if state.is_settled else sha256_of(path)


def noted_sha256(path: Path) -> str:
    """The same of a file of weights: a large one is read once on this machine.

    Its checksum is noted in the user's cache folder (XDG_CACHE_HOME, or ~/.cache), with the file's path, size, inode
    and times; where one of them differs, or the note can't be read, the file is read again. Each file has a note of its
    own, which is replaced as a whole, so that processes can write at once. A folder that can't be written costs time
    alone.
    """
    state = _State.of(path)
    if state.size < _LARGE or not state.is_settled:
        return known_sha256(path)
    note = _note(state)
    if note and (found := _noted(note, state)):
        return found
    found = known_sha256(path)
    if note and _State.of(path) == state:
        with suppress(InputError), replacing(note) as part:
            part.write_text(json.dumps({**state._asdict(), "sha256": found}) + "\n")
    return found


@functools.lru_cache(maxsize=1024)
def _read(state: _State) -> str:
    return sha256_of(Path(state.path))


def _note(state: _State) -> Path | None:
    """Where a file's checksum is noted; None for a user without a home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        cache = given if given.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    name = hashlib.sha256(os.fsencode(state.path)).hexdigest()[:32]
    return cache / "motion-inversion" / "sha256" / f"{name}.json"


def _noted(note: Path, state: _State) -> str | None:
    """The checksum that a note tells of this state of the file."""
    try:
        told = parse_json(read_text(note, "delete it"))
    except (InputError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    found = told.pop("sha256", None)
    return found if told == state._asdict() and isinstance(found, str) and _SUM.fullmatch(found) else None
