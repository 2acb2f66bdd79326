"""One result on disk: a folder that is complete or absent, with what it was made from and its checksums."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.reflection.description import Json, digest
from motion_inversion.storage.file import replacing, sha256_of
from motion_inversion.storage.names import COST, MANIFEST, UNFINISHED

log = logging.getLogger(__name__)

LOCK = ".lock"
_UNSEALED = (LOCK, COST)  # what may differ between two makings of one artifact


@dataclass(frozen=True)
class Artifact:
    """A folder `<parent>/<label>-<digest>`, addressed by what it depends on and nothing else.

    parent: the folder of its stage.
    label: short and readable; not part of the identity.
    identity: what it depends on, as plain data; inputs that are artifacts are there by their digests.
    """

    parent: Path
    label: str
    identity: Json

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits that stand for the identity."""
        return digest(self.identity)

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return self.parent / f"{self.label}-{self.digest}"

    @property
    def workplace(self) -> Path:
        """Where it is made: what an interrupted run leaves here, the next one goes on with."""
        return self.parent / f"{self.label}-{self.digest}{UNFINISHED}"

    def exists(self) -> bool:
        """Whether it is complete.

        Raises:
            InputError: if it is there but isn't what was made: altered files, or another configuration's.
        """
        path = self.folder / MANIFEST
        if not path.exists():
            return False
        try:
            manifest = json.loads(path.read_text())
            identity, files = manifest["identity"], dict(manifest["files"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} can't be read ({error}); delete {self.folder} to make it anew") from error
        if digest(identity) != self.digest:
            raise InputError(
                f"{self.folder} holds what another configuration made: {_difference(identity, self.identity)}; "
                "delete the folder, or set name= to keep both"
            )
        for name, expected in files.items():
            found = sha256_or_empty(self.folder / name)
            if found != expected:
                raise InputError(
                    f"{self.folder / name} was changed after it was made (sha256 {found[:10]}, made with "
                    f"{expected[:10]}); delete {self.folder} to make it anew"
                )
        return True

    @contextmanager
    def making(self) -> Iterator[Path | None]:
        """The workplace to write files to, which becomes the artifact when the block succeeds; None if it exists.

        One process makes it at a time: others that want it wait, and find it made. After a failure the
        workplace stays as it is: nothing half-written takes the artifact's place, nothing is lost.

        Raises:
            InputError: if the folder can't be written, or is there but isn't what was made (see `exists`).
        """
        if self.exists():
            yield None
            return
        with self._held():
            if self.exists():
                yield None
                return
            yield self.workplace
            self._finish()

    def _finish(self) -> None:
        work = self.workplace
        for half in work.glob(f".*{UNFINISHED}"):  # a killed process was writing it
            half.unlink()
        kept = [path for path in sorted(work.iterdir()) if path.is_file() and path.name not in _UNSEALED]
        files = {path.name: sha256_or_empty(path) for path in kept}
        with replacing(work / MANIFEST) as part:
            part.write_text(json.dumps({"identity": self.identity, "files": files}, indent=2) + "\n")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        work.rename(self.folder)
        # Last: whoever waits for this file finds the artifact made.
        (self.folder / LOCK).unlink(missing_ok=True)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The workplace, made if need be, for this process alone; removed if nothing was left in it."""
        lock = FileLock(self.workplace / LOCK)
        try:
            self._acquire(lock)
        except OSError as error:
            raise InputError(
                f"can't write {self.workplace}: {error.strerror}; set output=… to a folder you can write"
            ) from error
        try:
            yield
        finally:
            if self.workplace.exists() and all(path.name == LOCK for path in self.workplace.iterdir()):
                shutil.rmtree(self.workplace)
            lock.release()

    def _acquire(self, lock: FileLock) -> None:
        # The process before may move or remove the workplace, and the locked file with it, at any moment: then anew.
        while not (lock.is_locked and (self.workplace / LOCK).exists()):
            lock.release()
            self.workplace.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    log.info("waiting for another process that is making %s", self.folder)
                    lock.acquire()

    def relative_to(self, folder: Path) -> str:
        """Its folder as seen from another: results can be moved together."""
        return os.path.relpath(self.folder, folder)


def sha256_or_empty(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; of nothing if it is missing."""
    return sha256_of(*([path] if path.is_file() else []))


def _difference(theirs: Json, ours: Json, path: str = "") -> str:
    """The first place where two identities differ, with both sides."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            if theirs.get(key) != ours.get(key):
                return _difference(theirs.get(key), ours.get(key), f"{path}.{key}".lstrip("."))
    return f"{path or 'it'} is {json.dumps(theirs)} there and {json.dumps(ours)} here"
