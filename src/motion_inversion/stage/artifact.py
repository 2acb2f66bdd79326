"""One result on disk: a folder that is complete or absent, with what it was made from and its checksums."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from motion_inversion.error import InputError
from motion_inversion.reflection.description import Json, digest
from motion_inversion.stage.cache import Cache
from motion_inversion.stage.environment import preparation
from motion_inversion.stage.workplace import Workplace, sum_of
from motion_inversion.storage.file import disk_space, remove
from motion_inversion.storage.names import MANIFEST


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
    def workplace(self) -> Workplace:
        """Where it is made."""
        return Workplace(self.folder)

    @property
    def made_with(self) -> list[str]:
        """The names of those that were made together with it, its own among them; none if it was made alone."""
        return self.workplace.made_with

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
        return sum_of(self.folder / name)

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
        workplace = self.workplace
        if self.exists() and not workplace.left_over:
            yield None
            return
        with workplace.held():
            if self._made_meanwhile():
                yield None
                return
            if self._sealed():
                yield None
            else:
                workplace.clear(files)
                with disk_space(workplace.folder), self._shared() as taken:
                    yield None if taken else workplace.folder
                    if not taken:
                        workplace.seal(self.identity, files)
            workplace.settle(files, beside)

    def settled(self, *files: str) -> bool:
        """Whether it is complete; one that a death left whole in its workplace takes its place now.

        Raises InputError as `making`.
        """
        workplace, made = self.workplace, self.exists()
        if not (workplace.left_over if made else workplace.has_manifest):
            return made
        with workplace.held():
            if not self._made_meanwhile() and workplace.is_whole_with_others and self._sealed():
                workplace.settle(files)
            return self.exists()

    @contextmanager
    def _shared(self) -> Iterator[bool]:
        """Whether the workplace holds what the cache had; else the cache gets what the block seals there."""
        if self.cache is None:
            yield False
            return
        with self.cache.held(self._shared_name):
            taken = self.cache.take(self._shared_name, self.workplace.folder, self._verify)
            yield taken
            if not taken:
                sealed = json.loads((self.workplace.folder / MANIFEST).read_text())["files"]
                self.cache.give(self._shared_name, self.workplace.folder, [*sealed])

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
                found = sum_of(folder / name)
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
        folder = self.workplace.folder
        if not (folder / MANIFEST).exists():
            return False
        try:
            self._verify(folder)
        except InputError:
            remove(folder / MANIFEST)
            return False
        return True

    def _made_meanwhile(self) -> bool:
        """Whether it is complete by now, so that nobody need wait for it any more."""
        if made := self.exists():
            self.workplace.unlock()
        return made

    @contextmanager
    def held(self, *files: str) -> Iterator[Path | None]:
        """The workplace, ready to be written to, for this process alone; None if the artifact is complete."""
        if self.settled(*files):
            yield None
            return
        with self.workplace.held():
            if self._made_meanwhile():
                yield None
                return
            self.workplace.clear((*files, MANIFEST))
            yield self.workplace.folder

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
            for artifact in begun if len(artifacts) > 1 else ():
                artifact.workplace.make_with([each.name for each in artifacts])
            for artifact in begun:
                artifact.workplace.seal(artifact.identity, files)
        for artifact in begun:
            artifact.workplace.settle(files)


def _unreadable(path: Path, folder: Path, error: Exception) -> InputError:
    return InputError(f"{path} can't be read ({error}); delete {folder} to make it anew")


def _difference(theirs: Json, ours: Json, path: str = "") -> str:
    """The first place where two identities differ, with both sides."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            if theirs.get(key) != ours.get(key):
                return _difference(theirs.get(key), ours.get(key), f"{path}.{key}".lstrip("."))
    return f"{path or 'it'} is {json.dumps(theirs)} there and {json.dumps(ours)} here"
