"""Tensors of others: nothing is run, and only arrays of finite floating-point numbers are taken."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from motion_inversion.error import InputError
from motion_inversion.storage.tensor_file import load_named, load_pickled, save_named

ONE = torch.ones(2, 3)
FORM = {"format": "mine/1"}


class Harmful:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch harmed",)


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    save_named(tmp_path / "a", {"x": ONE}, FORM)
    tensors, metadata = load_named(tmp_path / "a", "mine/1", "give another")
    assert metadata == FORM and torch.equal(tensors["x"], ONE)
    torch.save({"x": ONE}, tmp_path / "b.pt")
    assert torch.equal(load_pickled(tmp_path / "b.pt", "give another")["x"], ONE)


@pytest.mark.parametrize("metadata", ["[1]", "5", "null", '"text"', '{"format": 1}'])
def test_metadata_is_a_mapping_of_texts(tmp_path: Path, metadata: str) -> None:
    save_file({"x": ONE}, tmp_path / "a", {"motion_inversion": metadata})
    with pytest.raises(InputError, match="says of itself what is no mapping of texts: give another"):
        load_named(tmp_path / "a", "mine/1", "give another")


def test_deep_metadata_is_refused(tmp_path: Path) -> None:
    save_file({"x": ONE}, tmp_path / "a", {"motion_inversion": "[" * 10_000})
    with pytest.raises(InputError, match=r"is no safetensors file \(it is nested too deeply"):
        load_named(tmp_path / "a", "mine/1", "give another")


@pytest.mark.parametrize(
    ("tensor", "fault"),
    [
        (ONE.bool(), "x is bool, accepted are arrays of floating-point numbers"),
        (ONE.int(), "x is int32, accepted"),
        (ONE.to(torch.complex64), "x is complex64, accepted"),
        (ONE * float("nan"), "x holds NaN or infinity"),
        (ONE / 0, "x holds NaN or infinity"),
        (ONE.to_sparse(), "x is sparse_coo, accepted"),
        (ONE.to("meta"), "x is meta, accepted"),
    ],
)
def test_only_finite_numbers_are_taken(tmp_path: Path, tensor: Tensor, fault: str) -> None:
    torch.save({"x": tensor}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=f"{fault}.*: give another"):
        load_pickled(tmp_path / "a.pt", "give another")
    if not tensor.is_sparse and not tensor.is_meta:
        save_file({"x": tensor}, tmp_path / "a", {"motion_inversion": '{"format": "mine/1"}'})
        with pytest.raises(InputError, match=fault):
            load_named(tmp_path / "a", "mine/1", "give another")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({}, "holds no dict of tensors"),
        ([ONE], "holds no dict of tensors"),
        ({1: ONE}, "has an entry 1 that is no tensor with a name"),
        ({"x": "text"}, "has an entry 'x' that is no tensor"),
        ({"x": Harmful()}, r"is no \.pt file, or holds more than tensors"),
    ],
)
def test_only_tensors_by_name_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=f"{fault}.*: give another"):
        load_pickled(Path("a.pt"), "give another")
    with pytest.raises(InputError, match="b.pt "):
        load_pickled(Path("b.pt"), "give another")
    assert not Path("harmed").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x80\x02" + b"(" * 1000])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=": give another$"):
        load_pickled(tmp_path / "a", "give another")
    with pytest.raises(InputError, match="a is (an empty file|an HTML page|a pickle).*; give another$"):
        load_named(tmp_path / "a", "mine/1", "give another")
