"""Dataclasses from mappings that people write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from motion_inversion.error import InputError
from motion_inversion.reflection.structure import structure


@dataclass(frozen=True)
class Wheel:
    size: float
    colour: Literal["red", "blue"] = "red"


@dataclass(frozen=True)
class Car:
    name: str
    wheels: Sequence[Wheel] = ()
    spare: Wheel | None = None
    years: Sequence[int] = ()


def test_nested_mappings_become_nested_objects() -> None:
    written = {
        "name": "a",
        "wheels": [{"size": 1}, {"size": 2.5, "colour": "blue"}],
        "spare": {"size": 3},
        "years": [1],
    }
    assert structure(Car, written) == Car("a", (Wheel(1.0), Wheel(2.5, "blue")), Wheel(3.0), (1,))
    assert structure(Car, {"name": "a", "spare": None}) == Car("a")


def test_keys_of_others_are_left_out_if_asked() -> None:
    written = {"name": "a", "doors": 5, "wheels": [{"size": 1, "spokes": 30}], "spare": {"size": 3, "spokes": 40}}
    assert structure(Car, written, others=True) == Car("a", (Wheel(1.0),), Wheel(3.0))
    with pytest.raises(InputError, match=r"^wheels\[0\]\.size must be given"):
        structure(Car, {**written, "wheels": [{"sise": 1}]}, others=True)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({}, "^name must be given; add it$"),
        ({"nam": "a"}, r"^nam is no key \(did you mean name\?\); accepted are name, wheels, spare, years$"),
        ({"name": 1}, "^name=1 is not a str$"),
        ({"name": "a", "years": 1}, r"^years=1 is not a Sequence\[int\]$"),
        ({"name": "a", "wheels": [{"size": 1}, {"sise": 1}]}, r"^wheels\[1\]\.sise is no key \(did you mean size\?\)"),
        ({"name": "a", "wheels": [{}]}, r"^wheels\[0\]\.size must be given"),
        (
            {"name": "a", "spare": {"size": 1, "colour": "green"}},
            "^spare.colour='green' is not a 'red' | 'blue'",
        ),
        ({"name": "a", "spare": "big"}, "^spare is 'big', not a mapping with size, colour$"),
        ({"name": "a", "wheels": "four"}, "^wheels='four' is not a"),
    ],
)
def test_what_is_refused_names_the_key(written: dict, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        structure(Car, written)
