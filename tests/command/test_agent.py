"""Jobs that an agent of a Weights & Biases sweep starts, offline: what its run is told, and what isn't its run."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import wandb
import yaml

from motion_inversion.command.arguments import read
from motion_inversion.command.jobs import rehearse
from tracked import entries

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/wandb_sweep.yaml"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an agent sets it up."""
    wandb.teardown()  # what it read of the environment in an earlier test
    (tmp_path / "parameters.yaml").write_text("wandb_version: 1\nmethod.optimizer.lr:\n  value: 0.02\n")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "asked1")
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(tmp_path / "parameters.yaml"))


def told(run: Path) -> dict[str, float]:
    found = entries(run)
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for e in found for item in e.history.item}


def test_the_run_of_the_agent_learns_what_the_job_reached_and_nothing_else(
    call: Callable[..., int], tmp_path: Path, asked: None
) -> None:
    assert call(tmp_path / "out", "objective=motion_fidelity", "logger=wandb", "method.optimizer.lr=0.02") == 0
    wandb.teardown()  # or the last of the run file may still be on its way
    runs = {run.name.rpartition("-")[2]: run for run in tmp_path.rglob("offline-run-*")}
    assert len(runs) == 3  # the agent's, that of the training, that of the scores
    own = runs.pop("asked1")
    paths = tmp_path.glob("out/*/*/evaluate/motion_inversion-*/score.json")
    scores = [json.loads(path.read_text())["metrics"]["motion_fidelity"]["value"] for path in paths]
    values = {key: value for key, value in told(own).items() if not key.startswith("_")}
    assert values == {"motion_fidelity": pytest.approx(fmean(scores))}
    [entry] = [each.run for each in entries(own) if each.HasField("run")]
    settings = {item.key: json.loads(item.value_json) for item in entry.config.update}
    assert entry.sweep_id == "sweep1" and settings["method.optimizer.lr"] == 0.02
    others = [each.run for run in runs.values() for each in entries(run) if each.HasField("run")]
    assert others and all(each.sweep_id == "" for each in others)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "this job has none; set objective=motion_fidelity in the sweep's command"),
        (("seed=0,1", "-m"), "starts one job at a time; drop -m from the sweep's command"),
    ],
)
def test_what_an_agent_cannot_learn_from_is_refused(
    call: Callable[..., int],
    tmp_path: Path,
    asked: None,
    words: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def test_the_file_drives_the_command() -> None:
    sweep: dict[str, Any] = yaml.safe_load(FILE.read_text())
    parameters = sweep["parameters"]
    for number in range(2):
        values = {k: spec["values"][number] if "values" in spec else spec["min"] for k, spec in parameters.items()}
        place = sweep["command"].index("${args_no_hyphens}")
        words = [*sweep["command"][1:place], *(f"{key}={value}" for key, value in values.items())]
        [job] = rehearse(read(words), ROOT / "conf").built
        assert sweep["metric"]["name"] in job.objectives
        assert (sweep["metric"]["goal"] == "maximize") == job.objectives[sweep["metric"]["name"]]
