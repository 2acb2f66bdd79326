"""A file of weights by its content: the same name for it on every machine."""

from pathlib import Path

from motion_inversion.error import InputError
from motion_inversion.storage.checksum import noted_sha256


def short_sha256(path: str | Path, override: str) -> str:
    """`sha256:` and the first 48 bits of a file's SHA-256 (see `noted_sha256`).

    Args:
        path: The file.
        override: What the message asks to set.

    Raises:
        InputError: if it can't be read.
    """
    try:
        return f"sha256:{noted_sha256(Path(path))[:12]}"
    except OSError as error:
        raise InputError(f"can't read {path} ({error.strerror}); set {override}") from error
