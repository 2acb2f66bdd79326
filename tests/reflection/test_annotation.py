"""Written values against annotations: which fit, what they become, how annotations are spelt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import pytest
from annotated_types import Ge, Gt, Interval, Lt, MinLen
from torch import Tensor

from motion_inversion.reflection.annotation import conform, fits, is_built, misfit, spell


class Measure(Protocol):
    def __call__(self, clip: str) -> float: ...


@dataclass(frozen=True)
class Length:
    scale: float

    def __call__(self, clip: str) -> float:
        return self.scale * len(clip)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int),
        (1, float),
        (1.5, float),
        ("a", str),
        (True, bool),
        (None, int | None),
        ("a", Path),
        ("deep", Literal["all", "deep"]),
        ([1, 2], tuple[int, int]),
        ([1, 2, 3], tuple[int, ...]),
        ([["down", 320]], tuple[tuple[str, int], ...]),
        (["a"], Sequence[str]),
        ({"a": 1}, Mapping[str, int]),
        ({"a": "b"}, dict),
        ([], list[Measure]),
        ([Length(1.0)], list[Measure]),
        (Length(1.0), Measure),
        (Length(1.0), float | Tensor),
        (0.5, float | Tensor),
        ("anything", Any),
        ("anything", Tensor),
        ("anything", "an annotation left as text"),
        (0, Annotated[float, Interval(ge=0, le=1)]),
        (1.0, Annotated[float, Interval(ge=0, le=1)]),
        (None, Annotated[int | None, Ge(1)]),
        (Length(1.0), Annotated[float | Measure, Ge(1)]),
        (["a"], Annotated[tuple[str, ...], MinLen(1)]),
        ([1, 2], Sequence[Annotated[int, Ge(1)]]),
        (2**63 - 1, int),
        (1e38, float),
    ],
)
def test_fits(value: object, annotation: Any) -> None:
    assert fits(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("fifty", int),
        (1.5, int),
        (True, int),
        (True, float),
        (1, bool),
        (1, str),
        (None, int),
        (1, None),
        (1, Path),
        ("deeep", Literal["all", "deep"]),
        (True, Literal[1]),
        ([1], tuple[int, int]),
        ([1, "a"], tuple[int, ...]),
        ("ab", Sequence[str]),  # a string is a sequence of strings in Python, but not to whoever wrote it
        ("ab", list[str]),
        ({"a": "b"}, dict[str, int]),
        ([1], dict),
        ("mse", Measure),
        (None, Measure),
        ({"scale": 1.0}, Length),
        ("len", Callable[[str], float]),
        ([1], Measure | None),
        (float("nan"), float),
        (float("inf"), float | None),
        (-float("inf"), Annotated[float, Lt(1)]),
        (1e300, float),
        (2**63, int),
        ([0.5, float("nan")], tuple[float, ...]),
        (1.01, Annotated[float, Interval(ge=0, le=1)]),
        (0, Annotated[float, Gt(0)]),
        (True, Annotated[int, Ge(1)]),
        (0, Annotated[int | None, Ge(1)]),
        ([1, 0], Sequence[Annotated[int, Ge(1)]]),
        ([], Annotated[tuple[str, ...], MinLen(1)]),
        ("", Path),
        (" ", Path | None),
        ("a" * 256, Path),
        ("a\0b", str),
        ("text", float | Tensor),
        (float("nan"), float | Tensor),
        ([1], float | Tensor | None),
        ({1: "a"}, Mapping[str, str]),
    ],
)
def test_does_not_fit(value: object, annotation: Any) -> None:
    assert not fits(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, float, 1.0),
        (1, float | None, 1.0),
        (1, float | int, 1),
        (1, int, 1),
        ("clips/a.mp4", Path, Path("clips/a.mp4")),
        ("clips/a.mp4", Path | None, Path("clips/a.mp4")),
        ("clips/a.mp4", str | Path, "clips/a.mp4"),
        ([1, 2], tuple[float, int], (1.0, 2)),
        ([["down", 320]], tuple[tuple[str, int], ...], (("down", 320),)),
        ([1, 2], tuple, (1, 2)),
        ([2, 1, 2], frozenset[int], frozenset({1, 2})),
        ([1, 2], list[float], [1.0, 2.0]),
        ([1, 2], Sequence[float], [1.0, 2.0]),
        ({"a": ["b"]}, dict[str, tuple[str, ...]], {"a": ("b",)}),
        ("x", Any, "x"),
        (1, Annotated[float, Ge(0)], 1.0),
        ([1], Annotated[tuple[float, ...], MinLen(1)], (1.0,)),
    ],
)
def test_conform(value: object, annotation: Any, expected: object) -> None:
    conformed = conform(value, annotation)
    assert (conformed, repr(conformed)) == (expected, repr(expected))  # repr tells 1 from 1.0


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "int"),
        (int | None, "int | null"),
        (tuple[float, ...], "tuple[float, ...]"),
        (Literal["all", "deep"], "'all' | 'deep'"),
        (list[Measure], "list[Measure]"),
        (Callable[[str], float], "Callable"),
        (Annotated[int, Ge(1)], "int from 1"),
        (Annotated[float, Interval(gt=0, lt=1)], "float above 0 below 1"),
        (Annotated[tuple[Path, ...], MinLen(1)], "tuple[Path, ...] with 1 or more"),
    ],
)
def test_spell(annotation: Any, words: str) -> None:
    assert spell(annotation) == words


def test_only_objects_are_built() -> None:
    assert all(map(is_built, (Measure, Length, Measure | None, Callable[[str], float])))
    assert not any(map(is_built, (int, list[Measure], Path | None, Tensor)))


@pytest.mark.parametrize(
    ("value", "annotation", "words"),
    [
        (None, int, "null is not an int"),
        (7.0, Annotated[float, Interval(ge=0, le=1)], "7.0 is not a float from 0 up to 1"),
        (float("nan"), float, "nan is not a finite float"),
        (1e300, float, "1e+300 is not a float that a tensor holds"),
        ("mse", Measure, "'mse' is not a Measure, and has no _target_ to build one"),
        ("a" * 1000, int, f"'{'a' * 99}… is not an int"),
    ],
)
def test_what_a_misfit_is_said_to_be(value: object, annotation: Any, words: str) -> None:
    assert misfit(value, annotation) == words
