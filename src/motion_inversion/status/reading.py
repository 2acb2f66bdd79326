"""What a file of a run says, where others may have written it: what can't be used is a fault, told in a line."""

from pathlib import Path
from typing import TypeVar

from motion_inversion.error import InputError
from motion_inversion.reflection.structure import structure
from motion_inversion.storage.document import parse_json, read_text

T = TypeVar("T")

REPEAT = "if you can't mend it, delete it and run again"


def read(path: Path, cls: type[T], faults: list[str]) -> T | None:
    """What a JSON file says of the fields of a dataclass; None if it can't be used, which is a fault."""
    text = text_of(path, faults)
    if text is None:
        return None
    try:
        return structure(cls, parse_json(text), others=True)
    except ValueError as error:
        faults.append(f"{path}: {error}; {REPEAT}")
    return None


def text_of(path: Path, faults: list[str]) -> str | None:
    """The text of a file; None if it is gone, as one that is finished meanwhile may be, or can't be read: a fault."""
    try:
        return read_text(path, REPEAT)
    except InputError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            faults.append(str(error))
    return None


def duration(seconds: float) -> str:
    """In the unit that says it in few digits."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
