"""Where a clip lies: paths as people write them, and what may lie there."""

import stat
from pathlib import Path

from motion_inversion.error import InputError

ACCEPTED = "an mp4, mov, webm, mkv, avi, gif, apng, webp or avif file, or a folder of numbered images"

_IRREGULAR = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


def expanded(path: str | Path) -> Path:
    """The path with a leading `~` or `~user` as a shell puts it.

    Raises:
        InputError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: there is no such user's folder; write the path out in full") from error


def located(path: str | Path) -> Path:
    """The path, expanded, of a file or folder that is there.

    Raises:
        InputError: nothing there; what is there can't be looked at, or is a pipe or a device, which may never end.
    """
    path = expanded(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise InputError(f"no such file or folder: {path}; give {ACCEPTED} with dataset.path=…") from error
    except OSError as error:
        raise InputError(f"can't open {path}: {error.strerror}; give {ACCEPTED} with dataset.path=…") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = next((name for test, name in _IRREGULAR.items() if test(mode)), "something else")
        raise InputError(f"{path} is no regular file but {kind}; give {ACCEPTED} with dataset.path=…")
    return path
