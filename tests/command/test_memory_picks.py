"""What memory= picks is written into the configuration, and what a command sets wins."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from motion_inversion.command.economy import as_overrides


def test_a_configuration_that_is_printed_has_what_was_picked(
    call: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", "memory=80gb", "model.checkpointing=true", "--cfg", "job") == 0
    assert "checkpointing: true" in capfd.readouterr().out
    assert (
        call(tmp_path / "out", "memory=80gb", "experiment=own", f"--config-dir={_own(tmp_path)}", "--cfg", "job") == 0
    )
    printed = capfd.readouterr().out
    assert "checkpointing: false" in printed and "memory: 80gb" in printed


def test_a_dry_run_says_what_is_picked_and_what_it_takes(
    call: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["memory=80gb", "experiment=own", f"--config-dir={_own(tmp_path)}", "--dry-run"]
    assert call(tmp_path / "out", *words) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "  picked    model.checkpointing=false" in lines
    [line] = [line for line in lines if line.startswith("  memory    weights ")]
    assert "parameters to learn" in line and "in the process: encoding" in line and "with checkpointing" in line
    assert not (tmp_path / "out").exists()


def test_a_run_says_picks_first_and_the_peak_last_and_records_them(
    call: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["memory=80gb", "experiment=own", "stages=[prepare,train,generate]", f"--config-dir={_own(tmp_path)}"]
    assert call(tmp_path / "out", *words) == 0
    told = capfd.readouterr().err
    assert "memory=80gb picks model.checkpointing=false" in told
    assert told.index("picks") < told.index("encoding 4 frames") < told.index("at most, estimated were 1.0 GiB")
    [record] = (tmp_path / "out").rglob("run-*.json")
    experiment = json.loads(record.read_text())["experiment"]
    assert experiment["memory"] == "80gb" and experiment["model"]["checkpointing"] is False


def test_a_limit_that_cannot_be_met_is_refused_before_anything_is_written(
    call: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", "memory=80gb,1gb", "-m") == 2
    [line] = [each for each in capfd.readouterr().err.splitlines() if "error" in each]
    assert "memory=1gb is too little" in line and "would do: memory=2gb" in line
    assert not (tmp_path / "out").exists()


def test_picks_are_written_as_a_command_has_them() -> None:
    picks = {"model.offload": True, "method.layout.value_blocks": ["early"], "batch": 2, "method.layout.value": False}
    assert as_overrides(picks) == [
        "+model.offload=true",
        "method.layout.value_blocks=[early]",
        "batch=2",
        "method.layout.value=false",
    ]


def _own(folder: Path) -> Path:
    """An experiment of one's own that asks for checkpointing, which no command sets then."""
    (folder / "conf/experiment").mkdir(parents=True, exist_ok=True)
    (folder / "conf/experiment/own.yaml").write_text("# @package _global_\nmodel: {checkpointing: true}\n")
    return folder / "conf"
