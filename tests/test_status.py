"""How far an experiment is, read from its folder."""

import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock

import motion_inversion.__main__ as command
from motion_inversion.error import InputError
from motion_inversion.status import status
from motion_inversion.storage.names import LOCK
from results import only


def test_a_finished_experiment_has_nothing_to_go(finished: Path):
    found = status([str(finished / "motion_inversion")])
    assert (len(found.done), len(found.missing), len(found.failed), found.running) == (2, 0, 0, ())
    assert str(found) == "2 samples: 2 done, 0 missing, 0 failed"


def test_what_is_missing_or_being_made_is_told(output: Path):
    shutil.rmtree(only(output, "odd_path/evaluate/*-red-star-*"))
    training = only(output, "odd_path/train/*")
    part = training.with_name(f"{training.name}.part")
    training.rename(part)
    with FileLock(part / LOCK):
        found = status([str(output / "motion_inversion")])
    assert (len(found.done), len(found.missing)) == (1, 1)
    assert found.seconds is not None and found.seconds > 0
    assert found.running == (f"odd_path/train/{training.name}, step 4",)
    assert status([str(output / "motion_inversion")]).running == ()


def test_a_folder_without_a_plan_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="holds no plan"):
        status([str(tmp_path)])


def test_the_command_tells_it(finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["motion-inversion", "status", str(finished / "motion_inversion")])
    assert command.main() == 0
    assert capsys.readouterr().out.startswith("2 samples: 2 done")
    monkeypatch.setattr(sys, "argv", ["motion-inversion", "status"])
    assert command.main() == 2
