"""From a mapping that somebody wrote to the dataclass that it describes, every key and value checked."""

from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from motion_inversion.error import InputError
from motion_inversion.reflection.annotation import conform, fits, misfit, shortened

T = TypeVar("T")


def structure(cls: type[T], record: object, where: str = "", *, others: bool = False) -> T:
    """The dataclass that `record` gives the fields of, with those inside it, alone or in lists, built alike.

    Keys that the class has no field for are refused, unless `others` says that there are some: they are left out.

    Raises:
        InputError: no mapping, an unknown or missing key, a value of another type, or what the class refuses. The
            message names the key, `where` being what leads to it.
    """
    start = f"{where}." if where else ""
    if not isinstance(record, dict):
        raise InputError(
            f"{where or 'the entry'} is {shortened(repr(record))}, not a mapping with {', '.join(_names(cls))}"
        )
    accepted = _names(cls)
    if others:
        record = {key: value for key, value in record.items() if key in accepted}
    for key in record:
        if key not in accepted:
            near = get_close_matches(str(key), accepted, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(f"{start}{key} is no key{hint}; accepted are {', '.join(accepted)}")
    if missing := [name for name, required in accepted.items() if required and name not in record]:
        raise InputError(f"{', '.join(start + name for name in missing)} must be given; add it")
    hints = get_type_hints(cls, include_extras=True)
    return cls(**{key: _value(hints[key], value, f"{start}{key}", others) for key, value in record.items()})


def _names(cls: type) -> dict[str, bool]:
    """The keys of a dataclass, and whether each must be given."""
    assert is_dataclass(cls)
    return {field.name: field.default is MISSING and field.default_factory is MISSING for field in fields(cls)}


def _value(annotation: Any, value: Any, where: str, others: bool) -> Any:
    members = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        inner = [member for member in members if member is not NoneType]
        if len(inner) == 1 and is_dataclass(inner[0]):
            return None if value is None else _value(inner[0], value, where, others)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return structure(annotation, value, where, others=others)
    if members and is_dataclass(members[0]) and isinstance(value, list):
        return tuple(_value(members[0], item, f"{where}[{index}]", others) for index, item in enumerate(value))
    if not fits(value, annotation):
        raise InputError(f"{where}={misfit(value, annotation)}")
    return tuple(value) if isinstance(value, list) else conform(value, annotation)
