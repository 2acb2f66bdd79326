"""The code of one's own that a description rests on: classes from outside this package and what is installed."""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from motion_inversion.reflection.description import Json
from motion_inversion.storage.checksum import known_sha256

_INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_PACKAGE = __name__.partition(".")[0]


def own_code(*descriptions: Json) -> dict[str, Json]:
    """By module, the checksum of the file that defines a class of the descriptions; nothing for code that comes with
    an installed package.

    It tells an edited class from what it was. What that file imports is not looked at.
    """
    modules = sorted({name for each in descriptions for target in _targets(each) if (name := _module(target))})
    files = {name: Path(str(sys.modules[name].__file__)) for name in modules}
    return {name: known_sha256(path)[:12] for name, path in files.items() if _is_own(name, path)}


def _targets(description: Json) -> Iterator[str]:
    if isinstance(description, dict):
        if isinstance(target := description.get("_target_"), str):
            yield target
        for value in description.values():
            yield from _targets(value)
    elif isinstance(description, list):
        for value in description:
            yield from _targets(value)


def _module(target: str) -> str:
    """The module of a class or a function by its dotted path; "" if it has no file."""
    name = target
    while name and not getattr(sys.modules.get(name), "__file__", None):
        name = name.rpartition(".")[0]
    return name


def _is_own(name: str, path: Path) -> bool:
    installed = any(path.resolve().is_relative_to(place) for place in _INSTALLED)
    return name.partition(".")[0] != _PACKAGE and not installed and path.is_file()
