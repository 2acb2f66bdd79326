"""What a value written in YAML may be under a type annotation: test it, convert it, say it in words.

A range stands in the annotation, in the words of annotated-types: `Annotated[float, Interval(ge=0, le=1)]`.
"""

import math
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from inspect import isclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MinLen

_SIMPLE: dict[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    NoneType: (NoneType,),
    Path: (str, Path),
}
_LARGEST: dict[Any, float] = {int: 2**63 - 1, float: 3.4e38}  # what tensors hold: int64, and float32
_COMPARED: dict[Any, tuple[str, Callable[[Any, Any], bool], str]] = {
    Ge: ("ge", operator.ge, "from"),
    Gt: ("gt", operator.gt, "above"),
    Le: ("le", operator.le, "up to"),
    Lt: ("lt", operator.lt, "below"),
}
_LONGEST = 255  # bytes of a file's name
_SHOWN = 100  # characters of a value that a message repeats
_WRITTEN = (bool, int, float, str, NoneType, list, dict)
_SEQUENCES = (list, set, frozenset, Sequence, Collection, Iterable)
_MAPPINGS = (dict, Mapping)


def fits(value: object, annotation: Any) -> bool:
    """True unless `annotation` certainly excludes `value`.

    Numbers, strings, paths, literals, and unions and containers of these are judged; so is that nothing
    written directly (a number, a string, a list, a plain mapping) is a dataclass, a protocol or a callable.
    Any other annotation is taken on trust, and so is any other value: an object, or the node that builds it.
    An int fits a float; a bool is not an int. Numbers are finite, within their ranges and no larger than tensors
    hold; a text holds no zero byte, and an empty one is no path.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if origin is Annotated:
        return fits(value, arguments[0]) and all(_within(value, limit) for limit in _limits(arguments))
    if origin in (Union, UnionType):
        judged = [member for member in arguments if _is_judged(member)]  # of float | Tensor, a text is neither
        taken = arguments if Any in arguments or not judged or type(value) not in _WRITTEN else judged
        return any(fits(value, member) for member in taken)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if annotation is None or annotation in _SIMPLE:
        if isinstance(value, bool):
            return annotation is bool
        if isinstance(value, str) and ("\0" in value or (annotation is Path and not _is_path(value))):
            return False
        return isinstance(value, _SIMPLE[annotation or NoneType]) and _is_holdable(value)
    if type(value) not in _WRITTEN:
        return True
    if kind is tuple:
        return isinstance(value, list) and _each_fits(value, arguments)
    if kind in _SEQUENCES:
        return isinstance(value, list) and all(fits(item, member) for member in arguments for item in value)
    if kind in _MAPPINGS:
        if not isinstance(value, dict) or not arguments:
            return isinstance(value, dict)
        return all(fits(key, arguments[0]) and fits(item, arguments[1]) for key, item in value.items())
    return not is_built(kind)


def is_built(annotation: Any) -> bool:
    """True if an object is meant: a dataclass, a protocol, a callable, or a union with one of these."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return is_built(get_args(annotation)[0])
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
    if origin is Annotated:
        return conform(value, arguments[0])
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
    """The annotation in short words: `int | null`, `tuple[float, float]`, `'all' | 'deep'`, `float from 0 to 1`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([spell(arguments[0]), *map(_spell_limit, _limits(arguments))])
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


def misfit(value: Any, annotation: Any) -> str:
    """What is wrong with a value that doesn't fit: `7.0 is not a float from 0 to 1`."""
    words = spell(annotation)
    if not _is_holdable(value):
        is_finite = isinstance(value, int) or math.isfinite(value)
        words = f"{words} that a tensor holds" if is_finite else f"finite {words}"
    article = "an" if words[0] in "aeiouAEIOU" else "a"
    given = "null" if value is None else shortened(repr(value))
    remedy = ", and has no _target_ to build one" if is_built(annotation) else ""
    return f"{given} is not {article} {words}{remedy}"


def shortened(text: str) -> str:
    """The text, its end left out if it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_holdable(value: Any) -> bool:
    """Whether a tensor could hold the value, if it is a number."""
    return type(value) not in _LARGEST or abs(value) <= _LARGEST[type(value)]


def _is_judged(annotation: Any) -> bool:
    """Whether values written in YAML are tested against it, not taken on trust."""
    kind = get_origin(annotation) or annotation
    simple = (*_SIMPLE, None, Literal, Annotated, tuple, *_SEQUENCES, *_MAPPINGS)
    return kind in simple or is_built(annotation)


def _is_path(text: str) -> bool:
    """Whether a file can have that name."""
    return bool(text.strip()) and all(len(part.encode()) <= _LONGEST for part in text.split("/"))


def _limits(arguments: tuple[Any, ...]) -> Iterator[Any]:
    """The single limits of an annotation; what else it says is left out."""
    for metadata in arguments[1:]:
        each = metadata if isinstance(metadata, GroupedMetadata) else [metadata]
        yield from (limit for limit in each if type(limit) in (MinLen, *_COMPARED))


def _within(value: Any, limit: Any) -> bool:
    if isinstance(limit, MinLen):
        return not isinstance(value, str | list | dict) or len(value) >= limit.min_length
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    key, compare, _ = _COMPARED[type(limit)]
    return compare(value, getattr(limit, key))


def _spell_limit(limit: Any) -> str:
    if isinstance(limit, MinLen):
        return f"with {limit.min_length} or more"
    key, _, words = _COMPARED[type(limit)]
    return f"{words} {getattr(limit, key)}"


def _each_fits(values: list[Any], members: tuple[Any, ...]) -> bool:
    if not members:
        return True
    if Ellipsis in members:
        return all(fits(value, members[0]) for value in values)
    return len(values) == len(members) and all(map(fits, values, members))
