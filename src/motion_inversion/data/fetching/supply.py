"""What the user gave: the files in folders and zip archives, found by the names on the way to them."""

import os
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from zlib import error as ZlibError

from motion_inversion.data.folder import IMAGE_SUFFIXES
from motion_inversion.error import InputError

# DAVIS names a clip's masks like its frames; they are wanted where a manifest says so, never in place of frames.
_MASKS = "Annotations"
_SMALL, _DENSEST = 1 << 26, 100  # bytes that any member may have; times its packed size that a larger one may
_DAMAGE = (zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError)

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """A file on disk, or a member of the zip archive that is there; `parts` are the names on the way to it.

    Those in an archive start with the archive's own name, which counts as a folder's.
    """

    disk: Path
    parts: Parts
    member: str | None = None

    def copy(self, target: Path) -> None:
        """Its content as a new file.

        Raises:
            InputError: the archive is damaged or encrypted.
            OSError: nothing can be read or written.
        """
        try:
            with self._opened() as content, target.open("xb") as stream:
                shutil.copyfileobj(content, stream, 1 << 20)
        except _DAMAGE as error:
            raise InputError(f"{self.parts[-1]} in {self.disk} is damaged ({error}); download it again") from error

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if self.member is None:
            with self.disk.open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(self.disk) as archive:
                _refuse_bomb(self.disk, archive.getinfo(self.member))
                with archive.open(self.member) as stream:
                    yield stream


def _refuse_bomb(archive: Path, member: zipfile.ZipInfo) -> None:
    """Raises InputError for a member that unpacks to far more than pictures and videos do."""
    if member.file_size > max(_SMALL, _DENSEST * member.compress_size):
        raise InputError(
            f"{member.filename} in {archive} would unpack {member.compress_size} bytes to {member.file_size}: no video "
            "does that; download it again, or unpack it yourself"
        )


@dataclass(frozen=True)
class Offer:
    """A video, or the images of a folder: one file or several, and the names on the way to the video or folder."""

    parts: Parts
    files: tuple[Stored, ...]
    folder: bool

    def __str__(self) -> str:
        if self.files[0].member is None:
            return str(Path(*self.parts))
        return f"{PurePosixPath(*self.parts[1:])} in {self.files[0].disk}"


class Supply:
    """The files that `given` holds: each a file, a folder, or a zip archive, and folders of any of these.

    `faults` says of each archive that can't be opened why.

    Raises:
        InputError: one of them isn't there.
    """

    def __init__(self, given: Iterable[Path]) -> None:
        self.faults: list[str] = []
        self._files: dict[str, list[Stored]] = defaultdict(list)
        self._images: dict[Parts, dict[Path, list[Stored]]] = defaultdict(lambda: defaultdict(list))
        for path in given:
            if not path.exists():
                raise InputError(f"--from {path}: there is no such file or folder")
            for stored in self._stored(path.absolute()):
                self._files[stored.parts[-1]].append(stored)
                if Path(stored.parts[-1]).suffix.lower() in IMAGE_SUFFIXES:
                    self._images[stored.parts[:-1]][stored.disk if stored.member else Path()].append(stored)

    def find(self, file: str) -> list[Offer]:
        """What may be `file`, a path below a manifest's root: of its name, and on the way to it most alike.

        Of a single image the folder must have the right name too: every clip has its 00000.png.
        """
        wanted, name = PurePosixPath(file).parts, PurePosixPath(file).name
        least = 2 if Path(file).suffix.lower() in IMAGE_SUFFIXES and "/" in file else 1
        offers = [Offer(stored.parts, (stored,), False) for stored in self._files[name]]
        for parts, places in self._images.items():
            if parts[-1] == name:
                offers += [Offer(parts, tuple(stored), True) for stored in places.values()]
        if not _of_masks(wanted):
            offers = [offer for offer in offers if not _of_masks(offer.parts)]
        best = max((_shared(offer.parts, wanted) for offer in offers), default=0)
        return [offer for offer in offers if _shared(offer.parts, wanted) == best >= least]

    def _stored(self, path: Path) -> Iterator[Stored]:
        """The files at a path, archives opened; what is hidden is left out."""
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                for name in sorted(name for name in names if not name.startswith(".")):
                    yield from self._stored(Path(folder, name))
        elif path.suffix.lower() == ".zip":
            yield from self._members(path)
        else:
            yield Stored(path, path.parts)

    def _members(self, path: Path) -> Iterator[Stored]:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [info.filename for info in archive.infolist() if not info.is_dir()]
        except (*_DAMAGE, OSError) as error:
            self.faults.append(f"{path} is no zip archive, or is cut off ({error}); download it again")
            return
        for member in sorted(members):
            parts = PurePosixPath(member).parts
            if not any(part.startswith((".", "__MACOSX")) for part in parts):
                yield Stored(path, (path.stem, *parts), member)


def _of_masks(parts: Parts) -> bool:
    return any(part.startswith(_MASKS) for part in parts)


def _shared(parts: Parts, wanted: Parts) -> int:
    """How many names at the ends of two paths are the same, letter case aside."""
    count = 0
    for one, other in zip(reversed(parts), reversed(wanted), strict=False):
        if one.lower() != other.lower():
            break
        count += 1
    return count
