"""How far an experiment is, read from its folder."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import motion_inversion.__main__ as command
from motion_inversion.error import InputError
from motion_inversion.status.status import status
from motion_inversion.storage.names import COST, LOCK, LOSSES, SCORE
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


@pytest.mark.parametrize("name", ["a" * 300, "not_there", "a_file", "zero\0byte"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str):
    (tmp_path / "a_file").touch()
    with pytest.raises(
        InputError, match="^can't look at .*; give the folder of one that evaluates, as in outputs/demo$"
    ):
        status([str(tmp_path / name)])


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A folder with one planned sample, which is done and took two seconds."""
    folder = tmp_path / "demo"
    sample = {"clip": "a", "seed": 0, "video": "a/generate/x/video.mkv"}
    put(folder / "plan-0.json", json.dumps({"samples": [sample], "failures": {}}))
    put(folder / "a/evaluate/x" / SCORE, json.dumps({"video": "../../generate/x/video.mkv", "seed": 0}))
    put(folder / "a/generate/x" / COST, json.dumps({"seconds": 2, "memory": None}))
    return folder


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"samples": 5}', "samples=5 is not a"),
        ('{"samples": [{"video": 1}]}', "samples[0].clip must be given"),
        ('{"samples": [{"video": 1, "clip": "a"}]}', "samples[0].video=1 is not a str"),
        ('{"samples": [], "failures": [1]}', "failures=[1] is not a"),
        ("[]", "the entry is [], not a mapping with samples, failures"),
        pytest.param(nested(50_000), "it is nested too deeply", id="deeper than Python goes"),
        pytest.param(nested(100), "it is nested too deeply", id="deep"),
        ("{", "Expecting property name"),
    ],
)
def test_an_odd_plan_is_left_out(experiment: Path, text: str, fault: str):
    path = experiment / "plan-1.json"
    put(path, text)
    found = status([str(experiment)])
    [line] = found.faults
    assert line.startswith(f"{path}: {fault}")
    assert str(found) == f"1 samples: 1 done, 0 missing, 0 failed\nleft out: {line}"


def test_a_folder_of_odd_plans_alone_has_no_samples(experiment: Path):
    put(experiment / "plan-0.json", "5")
    found = status([str(experiment)])
    assert (len(found.done), len(found.missing), len(found.faults)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("place", "text", "fault"),
    [
        (
            f"a/evaluate/y/{SCORE}",
            '{"video": "../../../../../etc/passwd"}',
            "it shows '../../../../../etc/passwd', out",
        ),
        (f"a/evaluate/y/{SCORE}", '{"video": 1}', "video=1 is not a str"),
        (f"a/generate/y/{COST}", '{"seconds": "long"}', "seconds='long' is not a float from 0"),
        (f"a/generate/y/{COST}", '{"seconds": NaN}', "seconds=nan is not a"),
        ("../sweep/1/jobs.json", '{"jobs": "many", "names": ["../../demo"]}', "jobs='many' is not an int from 0"),
    ],
)
def test_an_odd_result_is_left_out(experiment: Path, place: str, text: str, fault: str):
    put(experiment / place, text)
    found = status([str(experiment)])
    [line] = found.faults
    assert line.startswith(f"{Path(os.path.normpath(experiment / place))}: {fault}")
    assert len(found.done) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.symlink_to(path),
        pytest.param(
            os.mkfifo if hasattr(os, "mkfifo") else None,
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes"),
        ),
    ],
    ids=["folder", "bytes", "loop", "pipe"],
)
def test_what_is_no_text_is_left_out(experiment: Path, make: Callable[[Path], object]):
    plan, losses = experiment / "plan-1.json", experiment / "a/train/z.part" / LOSSES
    losses.parent.mkdir(parents=True)
    make(plan)
    make(losses)
    with FileLock(losses.with_name(LOCK)):
        found = status([str(experiment)])
    assert found.running == ("a/train/z",)
    assert [str(path) in fault for path, fault in zip((plan, losses), found.faults, strict=True)] == [True, True]


def test_what_is_gone_meanwhile_is_no_fault(experiment: Path):
    (experiment / "plan-1.json").symlink_to("gone")
    assert status([str(experiment)]).faults == ()


def test_what_no_terminal_takes_is_told(experiment: Path):
    sample = {"clip": "b", "video": "b/\ud800.mkv"}
    put(experiment / "plan-1.json", json.dumps({"samples": [sample], "failures": {"b": "\ud800"}}))
    assert "failed: b/\\ud800.mkv: \\ud800" in str(status([str(experiment)]))


def test_help_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["motion-inversion", "status", "--help"])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: motion-inversion status")


def test_the_command_tells_it(finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["motion-inversion", "status", str(finished / "motion_inversion")])
    assert command.main() == 0
    assert capsys.readouterr().out.startswith("2 samples: 2 done")
    monkeypatch.setattr(sys, "argv", ["motion-inversion", "status"])
    assert command.main() == 2
