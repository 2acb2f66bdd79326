"""What made an object, as plain data, and a short digest of it: the identity of every artifact."""

import dataclasses
import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, TypeAlias

from motion_inversion.error import InputError
from motion_inversion.storage.checksum import noted_sha256

Json: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"

_REMEDY = "results are known by what made them: make it a frozen dataclass, or keep each argument under its own name"
_EXACT = 2.0**53  # up to here every whole float is the int that it prints as


def describe(value: object, whole: bool = False) -> Json:
    """The class and constructor arguments of `value`, recursively, in the form of the node that builds it.

    Dataclasses, partials, classes that keep each constructor argument in an attribute of the same name,
    containers, paths and plain values. Unless `whole`, fields marked `metadata={"digest": False}` are left out, and
    paths in fields marked `{"digest": "content"}` stand as the checksums of the files there. Equal values give equal
    descriptions: 1.0 is written 1, a tuple as a list, a set in sorted order. It survives JSON.
    Raises InputError for what can't be told from its attributes: nothing slips out of a digest unseen.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return _number(value)
        case PurePath():
            return value.as_posix()
        case Mapping():
            return {_key(key): describe(item, whole) for key, item in value.items()}
        case list() | tuple():
            return [describe(item, whole) for item in value]
        case set() | frozenset():
            return sorted((describe(item, whole) for item in value), key=_canonical)
        case functools.partial():
            bound = inspect.signature(value.func).bind_partial(*value.args, **value.keywords)
            return {"_target_": _path(value.func), "_partial_": True, **_arguments(bound.arguments, whole)}
        case type():
            return _path(value)
        case _ if inspect.isroutine(value):
            return _path(value)
        case _:
            return {"_target_": _path(type(value)), **_arguments(_kept(value, whole), whole)}


def digest(description: Json) -> str:
    """The first 10 hexadecimal digits of the SHA-256 of the description's canonical JSON."""
    return hashlib.sha256(_canonical(description).encode()).hexdigest()[:10]


def _canonical(description: Json) -> str:
    return json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _number(value: float) -> int | float | str:
    if value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value if value - value == 0 else str(value)  # JSON has no word for inf and nan


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise InputError(f"only mappings with string keys can be described, not {key!r}")
    return key


def _arguments(arguments: Mapping[str, Any], whole: bool) -> dict[str, Json]:
    return {name: describe(value, whole) for name, value in arguments.items()}


def _kept(value: object, whole: bool) -> dict[str, Any]:
    """The constructor arguments that `value` was made from, read from its attributes."""
    if dataclasses.is_dataclass(value):
        marks = {field.name: field.metadata.get("digest", True) for field in dataclasses.fields(value) if field.init}
        kept = {name: getattr(value, name) for name, mark in marks.items() if whole or mark}
        if not whole:
            kept |= {name: noted_sha256(path) for name, path in kept.items() if marks[name] == "content" and path}
        return kept
    try:
        parameters = inspect.signature(type(value)).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(f"{type(value).__name__} has no signature to describe it by; {_REMEDY}") from error
    for parameter in parameters:
        starred = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if starred or not hasattr(value, parameter.name):
            raise InputError(
                f"{type(value).__name__} doesn't keep its argument '{parameter}' in an attribute; {_REMEDY}"
            )
    return {parameter.name: getattr(value, parameter.name) for parameter in parameters}


def _path(target: Callable[..., Any]) -> str:
    if "<lambda>" in target.__qualname__:
        raise InputError(f"a lambda of {target.__module__} has no name to be described by; give it one with def")
    return f"{target.__module__}.{target.__qualname__}"
