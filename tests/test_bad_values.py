"""Every number of the configuration, given what no number can be, and the ranges of some: a line says so."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from motion_inversion.composition import build
from motion_inversion.error import InputError

CONF = Path(__file__).parents[1] / "conf"
METHODS = ["motion_inversion", "motion_director", "dmt", "lora", "vmc"]

NEVER: list[Any] = [math.nan, math.inf, -math.inf, 1e300, 10**30, True, "text", [[[1]]], {"a": 1}, [math.nan]]
"""No number of the configuration can be one of these."""


def nodes(config: Any) -> Iterator[dict[str, Any]]:
    """Every node that builds an object."""
    if isinstance(config, dict):
        if "_target_" in config:
            yield config
        for child in config.values():
            yield from nodes(child)
    elif isinstance(config, list):
        for child in config:
            yield from nodes(child)


def numbers(node: dict[str, Any]) -> list[str]:
    return [key for key, value in node.items() if type(value) in (int, float)]


def composed(method: str) -> Any:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(hydra.compose("config", [f"method={method}"]), resolve=True)


def is_accepted(node: dict[str, Any]) -> bool:
    try:
        build(node)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("method", METHODS)
def test_no_number_can_be_what_is_none(method: str) -> None:
    assert all(is_accepted(node) for node in nodes(composed(method)))
    tried = [(node, key, value) for node in nodes(composed(method)) for key in numbers(node) for value in NEVER]
    accepted = [(node["_target_"], key, value) for node, key, value in tried if is_accepted({**node, key: value})]
    assert len(tried) >= 150
    assert accepted == []


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("output", "", "output='' is not a Path"),
        ("output", "a" * 300, "output='aaaa"),
        ("threads", 1_000_000, "threads=1000000: accepted are 1 to "),
        ("name", "a\0b", "name='a\\x00b' is not a str"),
        ("seed", 2**63, "seed=9223372036854775808 is not an int that a tensor holds; set seed=0"),
    ],
)
def test_values_of_the_root(name: str, value: object, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        build({**composed("none"), name: value})
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(
    ("group", "name", "value", "fault"),
    [
        ("model", "frames", 1_000_000, "frames=1000000 is not an int up to 1024"),
        ("model", "fps", 0, "fps=0 is not a float from 0.1 up to 1000"),
        ("model", "chunk", 0, "chunk=0 is not an int from 1"),
        ("sampler", "guidance", -1, "guidance=-1 is not a float from 0 up to 1000; set guidance=1.0"),
    ],
)
def test_ranges_of_the_axes(group: str, name: str, value: object, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        build({**composed("none")[group], name: value})
    assert str(caught.value).startswith(fault)
