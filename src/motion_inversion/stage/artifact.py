"""One result on disk: a folder that is complete or absent, with what it was made from and its checksums."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.reflection.description import Json, digest
from motion_inversion.stage.cache import Cache
from motion_inversion.stage.environment import preparation
from motion_inversion.storage.checksum import known_sha256
from motion_inversion.storage.file import disk_space, remove, replacing, sha256_of
from motion_inversion.storage.names import COST, LOCK, MANIFEST, UNFINISHED

log = logging.getLogger(__name__)

_TOGETHER = "together.txt"  # in a workplace: the names of what is made with it


@dataclass(frozen=True)
class Artifact:
    """A folder `<parent>/<label>-<digest>`, addressed by what it depends on and nothing else.

    Its files are read for their checksums once in a process, and again if they change.

    parent: the folder of its stage.
    label: short and readable; not part of the identity.
    identity: what it depends on, as plain data; inputs that are artifacts are there by their digests.
    cache: where experiments of other names find it; None if it is this one's alone.
    """

    parent: Path
    label: str
    identity: Json
    cache: Cache | None = None

    @cached_property
    def digest(self) -> str:
        """Ten hexadecimal digits that stand for the identity."""
        return digest(self.identity)

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.label}-{self.digest}"

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return self.parent / self.name

    @property
    def workplace(self) -> Path:
        """Where it is made: what an interrupted run leaves here, the next one goes on with."""
        return self.parent / f"{self.name}{UNFINISHED}"

    @property
    def cached(self) -> bool:
        """Whether the cache has it; its checksums are looked at when it is taken."""
        return self.cache is not None and os.path.isfile(self.cache.folder / self._shared_name / MANIFEST)

    @property
    def there(self) -> bool:
        """Whether it seems to be complete, at a glance: nothing is read, and what may not be looked at is not there."""
        return os.path.isfile(self.folder / MANIFEST)

    @property
    def _shared_name(self) -> str:
        return f"{preparation()}/{self.parent.name}/{self.name}"

    def exists(self) -> bool:
        """Whether it is complete.

        Raises:
            InputError: if it is there but isn't what was made: altered files, or another configuration's.
        """
        try:
            if not (self.folder / MANIFEST).exists():
                return False
        except PermissionError as error:
            raise _unreadable(self.folder, self.folder, error) from error
        self._verify(self.folder)
        return True

    def checksum(self, name: str) -> str:
        """SHA-256 of one of its files, in hexadecimal; that of nothing if it is missing."""
        return _sum_of(self.folder / name)

    @contextmanager
    def making(self, *files: str, beside: Sequence[str] = ()) -> Iterator[Path | None]:
        """The workplace to write files to, which becomes the artifact when the block succeeds; None if it exists.

        One process makes it at a time: others that want it wait, and find it made. After a failure the
        workplace stays as it is: nothing half-written takes the artifact's place, and the next begins without `files`
        and with what lies beside.

        Args:
            files: The names of what the artifact consists of. Whatever else lies in the workplace is removed.
            beside: Patterns of names that stay as well, but may differ between two makings.

        Raises:
            InputError: if the folder can't be written, the disk is full, or it is there but isn't what was made
                (see `exists`).
        """
        if self.exists() and not self._left_over():
            yield None
            return
        with self._held():
            if self._made_meanwhile():
                yield None
                return
            if self._sealed():
                yield None
            else:
                self._clear(files)
                with disk_space(self.workplace), self._shared() as taken:
                    yield None if taken else self.workplace
                    if not taken:
                        self.seal(*files)
            self.place(*files, beside=beside)

    def settled(self, *files: str) -> bool:
        """Whether it is complete; one that a death left whole in its workplace takes its place now.

        Raises InputError as `making`.
        """
        made = self.exists()
        if not self._left_over() if made else not os.path.isfile(self.workplace / MANIFEST):
            return made
        with self._held():
            if not self._made_meanwhile() and self._whole_with_others() and self._sealed():
                self.place(*files)
            return self.exists()

    def _whole_with_others(self) -> bool:
        """Whether all that are made together with it are whole, in their places or not; true of one made alone."""
        try:
            names = (self.workplace / _TOGETHER).read_text().splitlines()
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False
        places = [(self.parent / name, self.parent / f"{name}{UNFINISHED}") for name in names]
        return all(any(os.path.isfile(folder / MANIFEST) for folder in place) for place in places)

    @contextmanager
    def _shared(self) -> Iterator[bool]:
        """Whether the workplace holds what the cache had; else the cache gets what the block seals there."""
        if self.cache is None:
            yield False
            return
        with self.cache.held(self._shared_name):
            taken = self.cache.take(self._shared_name, self.workplace, self._verify)
            yield taken
            if not taken:
                sealed = json.loads((self.workplace / MANIFEST).read_text())["files"]
                self.cache.give(self._shared_name, self.workplace, [*sealed])

    def _verify(self, folder: Path) -> list[str]:
        """The names of the files of the artifact in a folder. Raises InputError if they aren't what was made."""
        path = folder / MANIFEST
        try:
            manifest = json.loads(path.read_text())
            identity, files = manifest["identity"], dict(manifest["files"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(path, folder, error) from error
        if digest(identity) != self.digest:
            raise InputError(
                f"{folder} holds what another configuration made: {_difference(identity, self.identity)}; "
                "delete the folder, or set name= to keep both"
            )
        for name, expected in files.items():
            try:
                found = _sum_of(folder / name)
            except OSError as error:
                raise _unreadable(folder / name, folder, error) from error
            if found != expected:
                raise InputError(
                    f"{folder / name} was changed after it was made (sha256 {found[:10]}, made with "
                    f"{expected[:10]}); delete {folder} to make it anew"
                )
        return [*files]

    def _sealed(self) -> bool:
        """Whether a process died between the last file and the renaming; a manifest of anything else is removed."""
        if not (self.workplace / MANIFEST).exists():
            return False
        try:
            self._verify(self.workplace)
        except InputError:
            remove(self.workplace / MANIFEST)
            return False
        return True

    def _clear(self, files: Sequence[str]) -> None:
        """Leaves in the workplace what can be gone on with: no file that is to be made, nor what isn't as it was left.

        A death, a failing disk or a stranger may have put anything in a file's place; what is written must neither
        go through a link nor be refused by a folder of that name.
        """
        for path in self.workplace.iterdir():
            strange = path.is_symlink() or not (path.is_file() or path.is_dir())
            if path.name in files or strange or (path.name == COST and path.is_dir()):
                remove(path)

    def seal(self, *files: str) -> None:
        """Vouches for the files in the workplace by a manifest: from now on they are the artifact's."""
        sums = {name: _sum_of(self.workplace / name) for name in sorted(files) if (self.workplace / name).is_file()}
        with replacing(self.workplace / MANIFEST) as part:
            part.write_text(json.dumps({"identity": self.identity, "files": sums}, indent=2) + "\n")

    def place(self, *files: str, beside: Sequence[str] = ()) -> None:
        """Makes a workplace that is sealed the artifact.

        Each step leaves what the next process can go on from: a manifest is in the workplace until all is done."""
        kept = (MANIFEST, LOCK, COST, *files, *beside)
        for path in self.workplace.iterdir():
            if not any(fnmatchcase(path.name, pattern) for pattern in kept):
                remove(path)
        remove(self.folder)
        self.workplace.rename(self.folder)
        # Last: whoever waits for this file finds the artifact made.
        remove(self.folder / LOCK)

    def _made_meanwhile(self) -> bool:
        """Whether it is complete by now, so that nobody need wait for it any more."""
        if made := self.exists():
            remove(self.folder / LOCK)
        return made

    def _left_over(self) -> bool:
        """Whether a process died when all but tidying up was done, or is at it."""
        return self.workplace.exists() or (self.folder / LOCK).exists()

    @contextmanager
    def held(self, *files: str) -> Iterator[Path | None]:
        """The workplace, ready to be written to, for this process alone; None if the artifact is complete."""
        if self.settled(*files):
            yield None
            return
        with self._held():
            if self._made_meanwhile():
                yield None
                return
            self._clear((*files, MANIFEST))
            yield self.workplace

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The workplace, made if need be, for this process alone; removed if it is empty or of no use."""
        lock = FileLock(self.workplace / LOCK)
        try:
            self._acquire(lock)
        except OSError as error:
            there = os.path.lexists(self.workplace)
            anew = f"delete {self.workplace} to make it anew, if no process is at it, or " if there else ""
            raise InputError(
                f"can't write {self.workplace}: {error.strerror}; {anew}set output=… to a folder you can write"
            ) from error
        own = self._locked()
        try:
            yield
        finally:
            # Once it is renamed, a workplace that is there again is another process's.
            # At this very moment, too, another may remove it, or begin in it: then it isn't ours to remove.
            with suppress(OSError):
                if self._locked() == own and ((self.folder / MANIFEST).exists() or self._is_empty()):
                    remove(self.workplace)
            lock.release()

    def _locked(self) -> int:
        """Which file the lock of the workplace is; 0 for none."""
        try:
            return (self.workplace / LOCK).stat().st_ino
        except FileNotFoundError:
            return 0

    def _is_empty(self) -> bool:
        return all(path.name == LOCK for path in self.workplace.iterdir())

    def _acquire(self, lock: FileLock) -> None:
        # The process before may move or remove the workplace, and the locked file with it, at any moment: then anew.
        while not (lock.is_locked and (self.workplace / LOCK).exists()):
            lock.release()
            try:
                self.workplace.mkdir(parents=True, exist_ok=True)
            except FileExistsError:  # what was a folder is gone by now, unless it is none
                if not self.workplace.is_dir():
                    self.workplace.unlink(missing_ok=True)
                continue
            if (held := self.workplace / LOCK).is_dir() or held.is_symlink():
                remove(held)
            with suppress(FileNotFoundError, FileExistsError):  # the lock makes its folder in the same way
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    log.info("waiting for another process that is making %s", self.folder)
                    lock.acquire()

    def relative_to(self, folder: Path) -> str:
        """Its folder as seen from another: results can be moved together."""
        return os.path.relpath(self.folder, folder)


@contextmanager
def making_together(artifacts: Sequence[Artifact], *files: str) -> Iterator[list[Path | None]]:
    """The workplaces of artifacts as of `Artifact.making`, of such as come out otherwise if they are made alone.

    All are whole before the first takes its place: a death leaves none of them, or all that is missing to be placed
    by `Artifact.settled`. None goes through a cache.

    Raises:
        InputError: as `Artifact.making`.
    """
    with ExitStack() as held:
        folders: list[Path | None] = []
        for artifact in artifacts:
            folders.append(held.enter_context(artifact.held(*files)))
        with disk_space(artifacts[0].parent):
            yield folders
            begun = [artifact for artifact, folder in zip(artifacts, folders, strict=True) if folder]
            for artifact in begun:
                (artifact.workplace / _TOGETHER).write_text("\n".join(each.name for each in begun))
            for artifact in begun:
                artifact.seal(*files)
        for artifact in begun:
            artifact.place(*files)


def _unreadable(path: Path, folder: Path, error: Exception) -> InputError:
    return InputError(f"{path} can't be read ({error}); delete {folder} to make it anew")


def _sum_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; of nothing if it is missing."""
    return known_sha256(path) if path.is_file() else sha256_of()


def _difference(theirs: Json, ours: Json, path: str = "") -> str:
    """The first place where two identities differ, with both sides."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            if theirs.get(key) != ours.get(key):
                return _difference(theirs.get(key), ours.get(key), f"{path}.{key}".lstrip("."))
    return f"{path or 'it'} is {json.dumps(theirs)} there and {json.dumps(ours)} here"
