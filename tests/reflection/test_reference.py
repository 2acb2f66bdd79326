"""References that stand for too much are found without being resolved."""

from collections.abc import Mapping
from typing import Any

import pytest

from motion_inversion.error import InputError
from motion_inversion.reflection.reference import check_references

TEXTS = {"a0": "x" * 100} | {f"a{k}": f"${{a{k - 1}}}${{.a{k - 1}}}" for k in range(1, 40)}
MAPPINGS = {"m0": {"x": 1}} | {f"m{k}": {"x": f"${{m{k - 1}}}", "y": f"${{oc.select:m{k - 1}}}"} for k in range(1, 40)}
BY_NUMBER = {0: "x" * 100} | {k: f"${{{k - 1}}}${{{k - 1}}}" for k in range(1, 40)}
ITEMS = {"a": ["x" * 100, *(f"${{a[{k}]}}${{a.{k}}}" for k in range(39))]}
BY_A_KEY = {"k": "x", "a": {"x": "y" * 600_000}, "b": "${a.${k}}${a.${k}}"}
WITHIN = {"a": {"k": "x", "x": "${.${a.k}}"}}


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (TEXTS, r"a\d+"),
        (MAPPINGS, r"m\d+"),
        (BY_NUMBER, r"\d+"),
        (ITEMS, r"a\.\d+"),
        (BY_A_KEY, "b"),
        (WITHIN, r"a\.x"),
    ],
)
def test_references_that_stand_for_too_much(config: Mapping[Any, Any], place: str) -> None:
    with pytest.raises(InputError, match=rf"^{place} stands for more than 1,000,000 letters and values"):
        check_references(config)


def test_references_without_end() -> None:
    with pytest.raises(InputError, match="its references go on without end"):
        check_references({f"a{k}": f"${{a{k + 1}}}" for k in range(5000)})


@pytest.mark.parametrize(
    "config",
    [
        {"a": "${b}", "b": "${a}"},  # which OmegaConf refuses
        {"a": {"x": "${..b}", "y": "${nothing}"}, "b": "${now:%Y-%m-%d}/${oc.env:HOME}"},
        {"a": [1, 2.5, None], "b": "${a[0]}${a[7]}", 3: {"c": "${a}"}},
    ],
)
def test_others_pass(config: Mapping[Any, Any]) -> None:
    check_references(config)
