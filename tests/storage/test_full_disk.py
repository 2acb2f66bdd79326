"""A disk that is full while tensors are written."""

import multiprocessing
import resource
from pathlib import Path

import pytest
import torch

from motion_inversion.error import InputError
from motion_inversion.storage.tensor_file import write_plain


def _full(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as a full disk cuts a file off
    with pytest.raises(InputError, match="^can't write .*tensors.safetensors: .*; set output="):
        write_plain(folder / "tensors.safetensors", {"a": torch.zeros(10_000)})


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path):
    child = multiprocessing.get_context("fork").Process(target=_full, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert list(tmp_path.iterdir()) == []
