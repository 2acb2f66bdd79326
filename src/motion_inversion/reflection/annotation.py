"""What a value written in YAML may be under a type annotation: test it, convert it, say it in words."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from inspect import isclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_SIMPLE: dict[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    NoneType: (NoneType,),
    Path: (str, Path),
}
_WRITTEN = (bool, int, float, str, NoneType, list, dict)
_SEQUENCES = (list, set, frozenset, Sequence, Collection, Iterable)
_MAPPINGS = (dict, Mapping)


def fits(value: object, annotation: Any) -> bool:
    """True unless `annotation` certainly excludes `value`.

    Numbers, strings, paths, literals, and unions and containers of these are judged; so is that nothing
    written directly (a number, a string, a list, a plain mapping) is a dataclass, a protocol or a callable.
    Any other annotation is taken on trust, and so is any other value: an object, or the node that builds it.
    An int fits a float; a bool is not an int.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if origin in (Union, UnionType):
        return any(fits(value, member) for member in arguments)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if annotation is None or annotation in _SIMPLE:
        if isinstance(value, bool):
            return annotation is bool
        return isinstance(value, _SIMPLE[annotation or NoneType])
    if type(value) not in _WRITTEN:
        return True
    if kind is tuple:
        return isinstance(value, list) and _each_fits(value, arguments)
    if kind in _SEQUENCES:
        return isinstance(value, list) and all(fits(item, member) for member in arguments for item in value)
    if kind in _MAPPINGS:
        return isinstance(value, dict) and all(map(fits, value.values(), arguments[1:] * len(value)))
    return not is_built(kind)


def is_built(annotation: Any) -> bool:
    """True if an object is meant: a dataclass, a protocol, a callable, or a union with one of these."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(map(is_built, get_args(annotation)))
    kind = origin or annotation
    return kind is Callable or is_dataclass(kind) or bool(getattr(kind, "_is_protocol", False))


def conform(value: Any, annotation: Any) -> Any:
    """The written `value` as `annotation` asks: an int as a float, a string as a path, a list as a tuple.

    A path's ~ becomes the home folder. A member of a union that the value already is goes before one that it could
    become.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if origin in (Union, UnionType):
        options = [conform(value, member) for member in arguments if fits(value, member)]
        return next((option for option in options if type(option) is type(value)), [*options, value][0])
    if kind is float and type(value) is int:
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if isinstance(value, dict) and kind in _MAPPINGS and arguments:
        return {key: conform(item, arguments[1]) for key, item in value.items()}
    if not isinstance(value, list) or kind not in (tuple, *_SEQUENCES):
        return value
    members = arguments if kind is tuple and Ellipsis not in arguments else arguments[:1] * len(value)
    items = [conform(item, member) for item, member in zip(value, members or [Any] * len(value), strict=True)]
    return kind(items) if isclass(kind) and kind in (tuple, set, frozenset) else items


def spell(annotation: Any) -> str:
    """The annotation in short words: `int | null`, `tuple[float, float]`, `'all' | 'deep'`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " | ".join(spell(member) for member in arguments)
    if origin is Literal:
        return " | ".join(repr(choice) for choice in arguments)
    if annotation in (None, NoneType, Ellipsis):
        return "..." if annotation is Ellipsis else "null"
    name = getattr(origin or annotation, "__name__", str(annotation))
    if not arguments or origin is Callable:
        return name
    return f"{name}[{', '.join(spell(argument) for argument in arguments)}]"


def _each_fits(values: list[Any], members: tuple[Any, ...]) -> bool:
    if not members:
        return True
    if Ellipsis in members:
        return all(fits(value, members[0]) for value in values)
    return len(values) == len(members) and all(map(fits, values, members))
