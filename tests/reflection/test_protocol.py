"""What an object lacks of a protocol."""

import functools
from collections.abc import Mapping
from typing import Any, Protocol

import pytest
from torch import nn

from motion_inversion.reflection.protocol import shortfall


class Measure(Protocol):
    @property
    def name(self) -> str: ...
    def load(self, device: str) -> None: ...


class Difference(Protocol):
    def __call__(self, one: float, other: float) -> float: ...


class Both:
    name = "both"

    def load(self, device: str) -> None: ...


class Bare:
    def load(self) -> None: ...


class Unnamed:
    name = "x"

    def load(self) -> None: ...


class Single:
    def __call__(self, one: float) -> float:
        return one


class Network(nn.Module):
    def forward(self, one: float, other: float) -> float:
        return one - other


def apart(one: float, other: float, scale: float = 1.0) -> float:
    return scale * (one - other)


@pytest.mark.parametrize(
    ("value", "annotation", "fault"),
    [
        (Both(), Measure, ""),
        (Bare(), Measure, "Bare has no name, which a Measure offers"),
        (Unnamed(), Measure, "Unnamed.load() -> None can't be called as a Measure is: (device)"),
        (Single(), Difference, "Single(one: float) -> float can't be called as a Difference is: (one, other)"),
        (functools.partial(apart, scale=2.0), Difference, ""),
        (Network(), Difference, ""),
        (None, Difference | None, ""),
        (Single(), Difference | None, "Single(one: float) -> float can't be called as a Difference is: (one, other)"),
        (Both(), Difference | Measure, ""),
        ({"a": Both(), "b": Bare()}, Mapping[str, Measure], "Bare has no name, which a Measure offers"),
        ((Both(), Bare()), tuple[Measure, ...], "Bare has no name, which a Measure offers"),
        (1, int, ""),
        ("x", Difference | str, ""),
    ],
)
def test_what_is_lacking_is_said(value: object, annotation: Any, fault: str) -> None:
    assert shortfall(value, annotation) == fault
