"""Owns writing a file whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from motion_inversion.core.error import InputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block succeeds and removed when it fails.

    Missing parent folders are made.

    Raises:
        InputError: the folder can't be written, or the disk is full.
    """
    path = Path(path).absolute()
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(
            f"can't write {path}: {error.strerror or error}; set output=…, or target=… of a report, to a folder "
            "you can write to"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
