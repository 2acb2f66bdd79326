"""A file of weights by its content: the same name for it on every machine."""

import functools
from pathlib import Path

from motion_inversion.core.error import InputError
from motion_inversion.core.file import sha256_of


def checksum(path: str | Path, override: str) -> str:
    """`sha256:` and the first 48 bits of a file's SHA-256, read once as long as the file stays as it is.

    Args:
        path: The file.
        override: What the message asks to set.

    Raises:
        InputError: if it can't be read.
    """
    try:
        state = Path(path).stat()
        return _checksum(Path(path).absolute(), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InputError(f"can't read {path} ({error.strerror}); set {override}") from error


@functools.lru_cache(maxsize=32)
def _checksum(path: Path, size: int, modified: int) -> str:
    return f"sha256:{sha256_of(path)[:12]}"
