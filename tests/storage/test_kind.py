"""What a file is that should hold weights."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from motion_inversion.error import InputError
from motion_inversion.storage.kind import not_weights
from motion_inversion.storage.tensor_file import load_named


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><title>Log in</title>", "an HTML page, "),
        (b"\n<html><body>404", "an HTML page, "),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a git-lfs pointer, "),
        (pickle.dumps({"a": 1}), "a pickle, "),
        (b"\x1f\x8b\x08rest", "a gzip archive"),
        (b'{"error": "gated"}', "JSON"),
        (b"\x00\x00\x00\x18ftypmp42", "no safetensors file"),
    ],
)
def test_it_is_called_what_it_is(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert not_weights(path).startswith(kind)
    with pytest.raises(InputError, match=f"a.safetensors is {kind.strip(', ')}.*; give another"):
        load_named(path, "any", "give another")


def test_a_zip_and_what_torch_writes_are_told_alike(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with zipfile.ZipFile(tmp_path / "b.safetensors", "w") as archive:
        archive.writestr("x", "y")
    for name in ("a", "b"):
        assert not_weights(tmp_path / f"{name}.safetensors").startswith("a zip archive or a PyTorch file")


def test_weights_are_let_through_unless_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(100), "b": torch.zeros(3)}, path)
    assert not_weights(path) == ""
    content = path.read_bytes()
    for length in (len(content) - 1, 20):
        path.write_bytes(content[:length])
        assert not_weights(path).startswith("cut off")
