"""How much the references of a configuration stand for, like ${model.frames}: few lines can stand for gigabytes."""

import re
from collections.abc import Mapping
from typing import Any

from motion_inversion.error import InputError

_MOST = 1_000_000  # letters and values
_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_BY_KEY = ("oc.select", "oc.dict.keys", "oc.dict.values", "oc.deprecated")  # resolvers of what a key names
_UNKNOWN = "\0"  # in place of a reference inside a reference
_STEP = re.compile(r"[^.\[\]]+")


def check_references(config: Mapping[Any, Any]) -> None:
    """Adds up what a configuration would hold once its references are resolved, without resolving any.

    config: Plain data, with references as they are written.

    Raises:
        InputError: naming the value that would be too large.
    """
    try:
        _Sizes(config)
    except RecursionError as error:
        raise InputError("the configuration is nested too deeply, or its references go on without end") from error


class _Sizes:
    """The size of each place of a configuration with all that it refers to, each found once."""

    def __init__(self, config: Mapping[Any, Any]) -> None:
        self._config = _by_names(config)
        self._found: dict[tuple[str, ...], int] = {}
        self._sought: set[tuple[str, ...]] = set()
        for key, value in self._config.items():
            self._size((key,), value)

    def _size(self, place: tuple[str, ...], value: Any) -> int:
        """Of what is at a place. A reference to where it is from counts nothing: it ends in an error of its own."""
        if place in self._found or place in self._sought:
            return self._found.get(place, 0)
        self._sought.add(place)
        if isinstance(value, dict):
            size = 1 + sum(self._size((*place, key), child) for key, child in value.items())
        else:
            size = self._of_text(place, value) if isinstance(value, str) else 1
        if size > _MOST:
            raise InputError(
                f"{'.'.join(place)} stands for more than {_MOST:,} letters and values, by references to values that "
                "refer to others; write it out, or leave out the file that sets it"
            )
        self._found[place] = size
        return size

    def _of_text(self, place: tuple[str, ...], text: str) -> int:
        size = 1 + len(text)
        while found := _INNERMOST.search(text):
            resolver, colon, words = found[1].rpartition(":")
            if not colon or resolver.strip() in _BY_KEY:
                size += sum(self._of_target(place, word.strip(" '\"")) for word in words.split(","))
            text = text[: found.start()] + _UNKNOWN + text[found.end() :]
        return size

    def _of_target(self, place: tuple[str, ...], key: str) -> int:
        """Of what a key names, absolute or relative to the place that refers to it; 0 if that is nothing."""
        dots = len(key) - len(key.lstrip("."))
        steps = (*(place[:-dots] if dots else ()), *_STEP.findall(key))
        node: Any = self._config
        for depth, step in enumerate(steps):
            if _UNKNOWN in step:  # one of those below, whose sum is no less
                around = steps[:depth]
                is_sought = not around or around in self._sought - self._found.keys()
                return _MOST + 1 if is_sought else self._size(around, node)
            if not isinstance(node, dict) or step not in node:
                return 0
            node = node[step]
        return self._size(steps, node) if steps else 0


def _by_names(value: Any) -> Any:
    """Mappings and lists as mappings by texts, as keys name what is in them."""
    if isinstance(value, Mapping | list):
        children = value.items() if isinstance(value, Mapping) else enumerate(value)
        return {str(key): _by_names(child) for key, child in children}
    return value
