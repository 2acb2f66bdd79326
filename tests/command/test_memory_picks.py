"""What memory= picks is written into the configuration, and what a command sets wins."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from full_size import small_wan
from motion_inversion.command.economy import as_overrides


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A small model whose file asks for checkpointing, in single precision."""
    folder = tmp_path_factory.mktemp("small_wan")
    small_wan(folder)
    size = ("model.frames=9", "model.width=32", "model.height=32", "+model.family.length=64")
    return ("model=wan", f"model.path={folder}", "model.dtype=float32", "model.device=cpu", *size)


def test_a_configuration_that_is_printed_has_what_was_picked(
    call: Callable[..., int], words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", *words, "memory=80gb", "model.checkpointing=true", "--cfg", "job") == 0
    assert "checkpointing: true" in capfd.readouterr().out
    assert call(tmp_path / "out", *words, "memory=80gb", "--cfg", "job") == 0
    printed = capfd.readouterr().out
    assert "checkpointing: false" in printed and "memory: 80gb" in printed


def test_a_dry_run_says_what_is_picked_and_what_it_takes(
    call: Callable[..., int], words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", *words, "memory=80gb", "--dry-run") == 0
    lines = capfd.readouterr().out.splitlines()
    assert "  picked    model.checkpointing=false" in lines
    [line] = [line for line in lines if line.startswith("  memory    weights ")]
    assert "parameters to learn" in line and "in the process: encoding" in line and "with checkpointing" in line
    assert not (tmp_path / "out").exists()


def test_a_run_says_picks_first_and_the_peak_last_and_records_them(
    call: Callable[..., int], words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", *words, "memory=80gb", "stages=[prepare,train,generate]") == 0
    told = capfd.readouterr().err
    assert "memory=80gb picks model.checkpointing=false" in told
    assert told.index("picks") < told.index("encoding 9 frames") < told.index("at most, estimated were 1.0 GiB")
    [record] = (tmp_path / "out").rglob("run-*.json")
    experiment = json.loads(record.read_text())["experiment"]
    assert experiment["memory"] == "80gb" and experiment["model"]["checkpointing"] is False


def test_a_limit_that_cannot_be_met_is_refused_before_anything_is_written(
    call: Callable[..., int], words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", *words, "memory=80gb,1gb", "-m") == 2
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
