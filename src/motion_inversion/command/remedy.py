"""What is added to a fault of a job: the override that mends it, which has been tried."""

import re
from collections.abc import Sequence

from motion_inversion.command import override
from motion_inversion.command.economy import economised
from motion_inversion.command.explanation import compose, without
from motion_inversion.error import InputError

_EMPTY = ("null", "[]", "{}")  # no text was meant by these
_OF_SEVERAL = re.compile(r" is not an? .*\b(Sequence|tuple|list)\[")
_OF_TEXT = re.compile(r" is not an? .*\b(str|Path)\b")


def with_remedy(fault: str, root: str, job: Sequence[str]) -> str:
    """A fault with what mends it, if it is of a value among the overrides of `job`, and says nothing of it yet.

    A value may have been meant as text, or as a list of one; else what holds without the override is told.
    """
    for line in job:
        key, _, value = line.partition("=")
        if not fault.startswith(f"{key.lstrip('+')}="):
            if "${" in value and fault.startswith("the configuration cannot be resolved"):
                return f"{fault}; as one text: {override.as_text(line)}"
            continue
        if not value.strip("\"'") and " is not a" in fault:
            return f"{fault}; give a value, or drop {key}"
        others = [each for each in job if each is not line]
        if _OF_SEVERAL.search(fault) and value[:1] not in "[{" and _is_taken(root, [*others, f"{key}=[{value}]"], key):
            return f"{fault}; as a list: {override.shell(f'{key}=[{value}]')}"
        if "; " in fault:
            return fault
        as_text = f"{key}={override.quoted(value)}"
        if _OF_TEXT.search(fault) and value not in _EMPTY and _is_taken(root, [*others, as_text], key):
            return f"{fault}; as one text: {override.as_text(line)}"
        return f"{fault}; {without(root, others, key.lstrip('+~'))}"
    return fault


def _is_taken(root: str, job: list[str], key: str) -> bool:
    """Whether nothing is wrong with the value of a key any more."""
    try:
        economised(compose(root, job), job)
    except InputError as error:
        return not any(fault.startswith(f"{key.lstrip('+')}=") for fault in str(error).splitlines())
    return True
