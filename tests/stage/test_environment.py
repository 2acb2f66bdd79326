"""Where numbers come from."""

import subprocess
from pathlib import Path

import pytest
import torch

from motion_inversion import __version__
from motion_inversion.error import InputError
from motion_inversion.stage import environment as module
from motion_inversion.stage.environment import deterministic_algorithms as wanted
from motion_inversion.stage.environment import environment, git


def run(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_versions_and_hardware_are_named():
    found = environment(torch.device("cpu"))
    assert found["threads"] == str(torch.get_num_threads())
    assert torch.__version__.startswith(found["torch"])
    assert found["motion-inversion"] == __version__
    assert found["device"]


def test_the_commit_of_the_code_and_whether_it_was_altered(tmp_path: Path):
    git.cache_clear()
    code = tmp_path / "src"
    code.mkdir()
    run(tmp_path, "init")
    (code / Path(module.__file__).name).write_text("a")
    assert git(code) is None  # in a repository that doesn't track it, as an environment inside one is
    git.cache_clear()
    run(tmp_path, "add", ".")
    run(tmp_path, "commit", "--message", "a")
    commit = run(tmp_path, "rev-parse", "HEAD")
    (code / "untracked.txt").touch()
    assert git(code) == {"commit": commit, "dirty": False}
    git.cache_clear()
    (code / Path(module.__file__).name).write_text("b")
    assert git(code) == {"commit": commit, "dirty": True}
    git.cache_clear()


def test_code_outside_any_repository_has_no_commit(tmp_path: Path):
    git.cache_clear()
    assert git(tmp_path) is None
    assert git(tmp_path / "absent") is None
    git.cache_clear()


def test_algorithms_that_give_other_bits_are_refused_where_that_is_wanted():
    def scatter() -> None:
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))  # two values for one place

    with pytest.raises(InputError, match=r"put_ does not have .*; set deterministic=false$"), wanted(True):
        scatter()
    with wanted(False):
        scatter()
    with pytest.raises(RuntimeError, match="something else"), wanted(True):
        raise RuntimeError("something else")
    assert not torch.are_deterministic_algorithms_enabled()
