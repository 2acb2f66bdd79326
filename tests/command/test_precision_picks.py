"""What model.dtype=auto picks is written into the configuration, and stays with an experiment's name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from motion_inversion import experiment as module
from motion_inversion.backbone import precision
from motion_inversion.experiment import Experiment

AUTO = "model.dtype=auto"


@pytest.fixture
def picks(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """(precision) → from now on, that is what suits the machine."""
    return lambda dtype: monkeypatch.setattr(module, "suited", lambda network, device: dtype)


def test_a_configuration_that_is_printed_has_what_was_picked(
    call: Callable[..., int],
    picks: Callable[[str], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    picks("bfloat16")
    assert call(tmp_path / "out", AUTO, "--cfg", "job") == 0
    assert "dtype: bfloat16" in capfd.readouterr().out


def test_a_run_says_and_records_it_and_later_ones_keep_it_wherever_they_run(
    call: Callable[..., int],
    picks: Callable[[str], None],
    compose: Callable[..., Experiment],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    picks("float32")
    assert call(output, AUTO, "stages=[prepare]") == 0
    assert "model.dtype=auto picks model.dtype=float32" in capfd.readouterr().err
    [record] = output.rglob("run-*.json")
    assert json.loads(record.read_text())["experiment"]["model"]["dtype"] == "float32"
    picks("bfloat16")
    assert call(output, AUTO, "stages=[prepare]") == 0
    assert "nothing left to do" in capfd.readouterr().err
    assert compose(output, AUTO).economies(()) == {"model.dtype": "float32"}
    assert compose(output, AUTO, "name=other").economies(()) == {"model.dtype": "bfloat16"}
    assert compose(output, AUTO, "model.name=another").economies(()) == {"model.dtype": "bfloat16"}


def test_a_precision_that_is_named_is_not_touched(
    picks: Callable[[str], None], compose: Callable[..., Experiment], tmp_path: Path
) -> None:
    picks("bfloat16")
    assert compose(tmp_path, "model.dtype=float32").economies(()) == {}


def test_of_the_shapes_models_transformers_are_faster_in_bfloat16(
    compose: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda kind: True)
    picks = {"shapes": "float32", "shapes_image": "float32", "shapes_dit": "bfloat16", "shapes_wan": "bfloat16"}
    for model, dtype in picks.items():
        words = (f"model={model}", f"model.path=embedded:{model}", "model.device=cpu")
        found = compose(tmp_path, *words, AUTO).economies(())
        assert found == {"model.dtype": dtype}, model
