"""Descriptions and digests: what changes them and what doesn't."""

import functools
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.error import InputError
from motion_inversion.reflection.description import describe, digest


@dataclass(frozen=True)
class Loss:
    beta: float
    anchor: str | None = None


@dataclass(frozen=True)
class Training:
    loss: Loss
    optimizer: functools.partial[Any]
    sections: tuple[tuple[str, int], ...]
    reference: Path
    device: str = field(default="cpu", metadata={"digest": False})
    cache: list[int] = field(default_factory=list, init=False)


@dataclass(frozen=True)
class Continued:
    start: Path | None = field(default=None, metadata={"digest": "content"})


class Encoder:
    def __init__(self, name: str, width: int = 512) -> None:
        self.name, self.width = name, width


class Forgetful:
    def __init__(self, name: str) -> None:
        self.label = name


class Open:
    def __init__(self, **options: int) -> None:
        self.options = options


def training() -> Training:
    optimizer = functools.partial(torch.optim.AdamW, lr=0.02, betas=(0.9, 0.999))
    return Training(Loss(1.0), optimizer, (("down", 1280),), Path("clips") / "a.mp4")


def test_description_is_the_node_that_builds_the_object() -> None:
    assert describe(training()) == {
        "_target_": f"{__name__}.Training",
        "loss": {"_target_": f"{__name__}.Loss", "beta": 1, "anchor": None},
        "optimizer": {
            "_target_": "torch.optim.adamw.AdamW",
            "_partial_": True,
            "lr": 0.02,
            "betas": [0.9, 0.999],
        },
        "sections": [["down", 1280]],
        "reference": "clips/a.mp4",
    }


def test_a_file_marked_so_is_described_by_its_content_and_shown_by_its_path(tmp_path: Path) -> None:
    here, there, other = (tmp_path / name for name in ("here", "there", "other"))
    for path, content in ((here, b"learnt"), (there, b"learnt"), (other, b"else")):
        path.write_bytes(content)
    assert describe(Continued(here)) == describe(Continued(there))
    assert digest(describe(Continued(here))) != digest(describe(Continued(other)))
    assert describe(Continued()) == {"_target_": f"{__name__}.Continued", "start": None}
    assert describe(Continued(here), whole=True) == {"_target_": f"{__name__}.Continued", "start": here.as_posix()}


def test_ordinary_classes_are_described_by_the_arguments_that_they_keep() -> None:
    assert describe(Encoder("clip")) == {"_target_": f"{__name__}.Encoder", "name": "clip", "width": 512}


@pytest.mark.parametrize("value", [Forgetful("a"), Open(a=1), torch.zeros(2), torch.nn.Sequential(), lambda: 0, {1: 2}])
def test_what_attributes_do_not_tell_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        describe(value)


def test_equal_configurations_have_equal_digests() -> None:
    assert digest(describe(training())) == digest(describe(training()))
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_digest_is_ten_hexadecimal_digits_of_sha256() -> None:
    # printf '{"a":[1,null]}' | sha256sum
    assert digest({"a": [1, None]}) == "a290b55a84"


@pytest.mark.parametrize(
    "changed",
    [
        replace(training(), loss=Loss(0.5)),
        replace(training(), loss=Loss(1.0, "first")),
        replace(training(), optimizer=functools.partial(torch.optim.AdamW, lr=0.01, betas=(0.9, 0.999))),
        replace(training(), optimizer=functools.partial(torch.optim.Adam, lr=0.02, betas=(0.9, 0.999))),
        replace(training(), sections=()),
        replace(training(), reference=Path("clips/b.mp4")),
    ],
)
def test_every_kept_field_changes_the_digest(changed: Training) -> None:
    assert digest(describe(changed)) != digest(describe(training()))


def test_fields_marked_so_are_left_out() -> None:
    assert describe(replace(training(), device="cuda")) == describe(training())


def test_whole_floats_and_ints_are_one_number() -> None:
    assert describe(Loss(1)) == describe(Loss(1.0))
    assert digest(describe([1.0, -0.0, 2.5])) == digest(describe([1, 0, 2.5]))
    assert digest(describe(True)) != digest(describe(1))


def test_partial_arguments_are_described_alike_by_position_and_by_name() -> None:
    assert describe(functools.partial(Encoder, "clip")) == describe(functools.partial(Encoder, name="clip"))


def test_sets_have_one_order() -> None:
    assert describe({"b", "a", "c"}) == describe(frozenset({"c", "a", "b"})) == ["a", "b", "c"]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(plain)
def test_descriptions_survive_json_and_describing_again(value: Any) -> None:
    description = describe(value)
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert describe(description) == description
    assert digest(description) == digest(describe(value))


def test_infinities_have_names() -> None:
    assert describe([math.inf, -math.inf, math.nan]) == ["inf", "-inf", "nan"]
