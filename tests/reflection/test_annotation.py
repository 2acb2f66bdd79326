"""Written values against annotations: which fit, what they become, how annotations are spelt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from torch import Tensor

from motion_inversion.reflection.annotation import conform, fits, is_built, spell


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
    ],
)
def test_spell(annotation: Any, words: str) -> None:
    assert spell(annotation) == words


def test_only_objects_are_built() -> None:
    assert all(map(is_built, (Measure, Length, Measure | None, Callable[[str], float])))
    assert not any(map(is_built, (int, list[Measure], Path | None, Tensor)))
