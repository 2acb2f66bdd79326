"""The folder that a result is made in, by one process at a time, until it takes its place whole."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.reflection.description import Json
from motion_inversion.storage.checksum import known_sha256
from motion_inversion.storage.file import remove, replacing, sha256_of
from motion_inversion.storage.names import COST, LOCK, MANIFEST, TOGETHER, UNFINISHED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workplace:
    """Where what will be at `place` is made: what an interrupted run leaves here, the next one goes on with."""

    place: Path

    @property
    def folder(self) -> Path:
        """Beside the place."""
        return self.place.with_name(f"{self.place.name}{UNFINISHED}")

    @property
    def has_manifest(self) -> bool:
        """Whether a process seems to have died between the last file and the renaming."""
        return os.path.isfile(self.folder / MANIFEST)

    @property
    def left_over(self) -> bool:
        """Whether a process died when all but tidying up was done, or is at it; of what is in its place."""
        return self.folder.exists() or (self.place / LOCK).exists()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder, made if need be, for this process alone; removed if it is empty or of no use.

        Raises:
            InputError: if it can't be written.
        """
        lock = FileLock(self.folder / LOCK)
        try:
            self._acquire(lock)
        except OSError as error:
            there = os.path.lexists(self.folder)
            anew = f"delete {self.folder} to make it anew, if no process is at it, or " if there else ""
            raise InputError(
                f"can't write {self.folder}: {error.strerror}; {anew}set output=… to a folder you can write"
            ) from error
        own = self._locked()
        try:
            yield
        finally:
            # Once it is renamed, a workplace that is there again is another process's.
            # At this very moment, too, another may remove it, or begin in it: then it isn't ours to remove.
            with suppress(OSError):
                if self._locked() == own and ((self.place / MANIFEST).exists() or self._is_empty()):
                    remove(self.folder)
            lock.release()

    def clear(self, files: Sequence[str]) -> None:
        """Leaves what can be gone on with: no file that is to be made, nor what isn't as it was left.

        A death, a failing disk or a stranger may have put anything in a file's place; what is written must neither
        go through a link nor be refused by a folder of that name.
        """
        for path in self.folder.iterdir():
            strange = path.is_symlink() or not (path.is_file() or path.is_dir())
            if path.name in files or strange or (path.name == COST and path.is_dir()):
                remove(path)

    def seal(self, identity: Json, files: Sequence[str]) -> None:
        """Vouches for the files by a manifest: from now on they are those of the identity."""
        sums = {name: sum_of(self.folder / name) for name in sorted(files) if (self.folder / name).is_file()}
        with replacing(self.folder / MANIFEST) as part:
            part.write_text(json.dumps({"identity": identity, "files": sums}, indent=2) + "\n")

    def settle(self, files: Sequence[str], beside: Sequence[str] = ()) -> None:
        """Puts what is sealed in its place, without anything but `files` and what matches the patterns `beside`.

        Each step leaves what the next process can go on from: a manifest is in the workplace until all is done.
        """
        kept = (MANIFEST, LOCK, COST, TOGETHER, *files, *beside)
        for path in self.folder.iterdir():
            if not any(fnmatchcase(path.name, pattern) for pattern in kept):
                remove(path)
        remove(self.place)
        self.folder.rename(self.place)
        # Last: whoever waits for this file finds the artifact made.
        self.unlock()

    def unlock(self) -> None:
        """Removes the lock of what is in its place, so that nobody need wait for it any more."""
        remove(self.place / LOCK)

    def make_with(self, names: Sequence[str]) -> None:
        """Notes the names of what is made together, its own among them: it is of no use without the others."""
        (self.folder / TOGETHER).write_text("\n".join(names))

    @property
    def made_with(self) -> list[str]:
        """The names of what was made together with what is in its place, its own among them; none of one made alone."""
        return _names(self.place) or []

    @property
    def is_whole_with_others(self) -> bool:
        """Whether all that are made together with it are whole, in their places or not; true of one made alone."""
        names = _names(self.folder)
        if names is None:
            return False
        others = [Workplace(self.place.with_name(name)) for name in names]
        return all(other.has_manifest or os.path.isfile(other.place / MANIFEST) for other in others)

    def _locked(self) -> int:
        """Which file the lock is; 0 for none."""
        try:
            return (self.folder / LOCK).stat().st_ino
        except FileNotFoundError:
            return 0

    def _is_empty(self) -> bool:
        return all(path.name == LOCK for path in self.folder.iterdir())

    def _acquire(self, lock: FileLock) -> None:
        # The process before may move or remove the workplace, and the locked file with it, at any moment: then anew.
        while not (lock.is_locked and (self.folder / LOCK).exists()):
            lock.release()
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except FileExistsError:  # what was a folder is gone by now, unless it is none
                if not self.folder.is_dir():
                    self.folder.unlink(missing_ok=True)
                continue
            if (held := self.folder / LOCK).is_dir() or held.is_symlink():
                remove(held)
            with suppress(FileNotFoundError, FileExistsError):  # the lock makes its folder in the same way
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    log.info("waiting for another process that is making %s", self.place)
                    lock.acquire()


def _names(folder: Path) -> list[str] | None:
    """What is noted in a folder of what is made together; none of one made alone, None if it can't be read."""
    try:
        return (folder / TOGETHER).read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return None


def sum_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; of nothing if it is missing."""
    return known_sha256(path) if path.is_file() else sha256_of()
