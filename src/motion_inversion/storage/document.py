"""JSON and YAML that somebody else may have written: of bounded size and depth, and read without running code."""

import json
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from motion_inversion.error import InputError

_BYTES = 64 << 20
_DEPTH = 64  # lists and mappings in each other
_VALUES = 1_000_000  # at one depth; what a YAML alias stands for counts each time
_PLAIN = (str, int, float, bool, type(None), list, dict)  # unlike YAML's dates, sets and bytes
_TOO_MUCH = f"it is nested too deeply or holds too much; accepted are {_DEPTH} levels of up to {_VALUES} values"


def read_text(path: Path, remedy: str) -> str:
    """A file as text in UTF-8.

    Raises:
        InputError: if it is missing, no regular file, too large or no text; the message ends with `remedy`.
    """
    try:
        require_regular(path, remedy, _BYTES)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}; {remedy}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} isn't text in UTF-8 ({error.reason}); {remedy}") from error


def require_regular(path: Path, remedy: str, most: int | None = None) -> None:
    """Checks that it is a file that ends, unlike a pipe or a device, and of no more bytes than `most`.

    Raises:
        InputError: if it isn't; the message ends with `remedy`.
        OSError: if nothing is there.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise InputError(f"{path} is no regular file; {remedy}")
    if most is not None and state.st_size > most:
        raise InputError(f"{path} has {state.st_size >> 20} MiB, accepted are {most >> 20}; {remedy}")


def parse_json(text: str) -> Any:
    """What JSON says. Raises ValueError for what isn't JSON, too deep or too much."""
    try:
        return _bounded(json.loads(text))
    except RecursionError as error:
        raise ValueError(_TOO_MUCH) from error


def parse_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """What YAML says. Raises yaml.YAMLError for what isn't YAML, and ValueError as `parse_json`."""
    try:
        return _bounded(yaml.load(text, loader))
    except RecursionError as error:
        raise ValueError(_TOO_MUCH) from error


def _bounded(content: Any) -> Any:
    level = [content]
    for _ in range(_DEPTH):
        if strange := [value for value in level if type(value) not in _PLAIN]:
            raise ValueError(f"it holds {strange[0]!r}, which is no text, number, list or mapping; put it in quotes")
        level = list(islice((item for value in level for item in _items(value)), _VALUES + 1))
        if len(level) > _VALUES:
            break
        if not level:
            return content
    raise ValueError(_TOO_MUCH)


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
