"""Owns writing a file whole or not at all, removing one, and reading one for its checksum."""

import errno
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from motion_inversion.error import InputError

_BLOCK = 1 << 20  # bytes hashed at a time, so that a long film is never held in memory
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}  # what is never said of a file that is only read


@contextmanager
def disk_space(place: Path) -> Iterator[None]:
    """Raises InputError in place of the OSError of a block that meets a full or read-only disk.

    It names the file that couldn't be written, or `place` where the system names none.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _unwritable(Path(error.filename or place), error) from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block succeeds and removed when it fails.

    Missing parent folders are made.

    Raises:
        InputError: the folder can't be written, or the disk is full.
    """
    path = Path(path).absolute()
    with scratch(path) as part:
        yield part
        part.replace(path)


@contextmanager
def scratch(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, for a block that writes and renames it; removed if it is still there then.

    The same holds of folders and errors as of `replacing`.
    """
    path = Path(path).absolute()
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def remove(path: Path) -> None:
    """A file, a link or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"can't write {path}: {error.strerror or error}; set output=…, or target=… of a report, to a folder "
        "you can write to"
    )


def sha256_of(*paths: Path) -> str:
    """SHA-256 of the bytes of files, one after the other, in hexadecimal. Raises OSError if one can't be read."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
