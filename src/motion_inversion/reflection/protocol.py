"""Whether an object offers what a protocol asks for, said before it is used."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin


def shortfall(value: object, annotation: Any) -> str:
    """What an object lacks of the protocol that `annotation` asks for; "" if nothing, or if no protocol is asked for.

    Names must be there, and functions must take as many arguments by position as the protocol's. Of a union, one
    member must be offered; of a mapping or a sequence, each item is looked at.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        if value is None or not all(_is_protocol(member) for member in arguments if member is not NoneType):
            return ""
        faults = [shortfall(value, member) for member in arguments if member is not NoneType]
        return faults[0] if all(faults) else ""
    if isinstance(value, Mapping) and len(arguments) == 2:
        return next(filter(None, (shortfall(item, arguments[1]) for item in value.values())), "")
    if isinstance(value, list | tuple) and arguments and origin in (list, tuple, Sequence):
        return next(filter(None, (shortfall(item, arguments[0]) for item in value)), "")
    if not _is_protocol(annotation):
        return ""
    name = _name(value)
    for member in _members(annotation):
        if not hasattr(value, member):
            return f"{name} has no {member}, which a {annotation.__name__} offers"
        asked = inspect.getattr_static(annotation, member, None)
        if isinstance(asked, FunctionType) and (fault := _uncallable(getattr(value, member), asked)):
            call = name if member == "__call__" else f"{name}.{member}"
            return f"{call}{fault} can't be called as a {annotation.__name__} is: {_parameters(asked)}"
    return ""


def _is_protocol(annotation: Any) -> bool:
    return bool(getattr(annotation, "_is_protocol", False))


def _members(protocol: Any) -> Iterator[str]:
    for each in protocol.__mro__:
        if _is_protocol(each) and each.__module__ != "typing":
            names = [*vars(each), *inspect.get_annotations(each)]
            yield from dict.fromkeys(name for name in names if name == "__call__" or not name.startswith("_"))


def _uncallable(given: Any, asked: FunctionType) -> str:
    """The parameters of what is given, if the arguments of what is asked don't fit them."""
    parameters = list(inspect.signature(asked).parameters.values())[1:]
    least = sum(parameter.default is parameter.empty for parameter in parameters)
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):  # told by no annotation: taken on trust
        return ""
    for arguments in (least, len(parameters)):
        try:
            signature.bind(*[None] * arguments)
        except TypeError:
            return str(signature)
    return ""


def _parameters(asked: FunctionType) -> str:
    return f"({', '.join(list(inspect.signature(asked).parameters)[1:])})"


def _name(value: object) -> str:
    return getattr(getattr(value, "func", value), "__name__", type(value).__name__)
