"""What trackers get of scores: each mean once, whatever died between its making and its sending."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from dying import dies_at
from motion_inversion.experiment import Experiment
from motion_inversion.method.training.logger import Identity
from motion_inversion.stage import evaluate
from motion_inversion.stage.logged import log_scores
from results import only

Compose = Callable[..., Experiment]


@dataclass(frozen=True)
class Appending:
    """A tracker that appends what it is told to a file, as TensorBoard does, key by key."""

    def require(self) -> None: ...

    def __call__(self, folder: Path, identity: Identity) -> "Appending.Run":
        (folder / "tensorboard").mkdir(parents=True, exist_ok=True)
        return self.Run(folder / "tensorboard/events", identity)

    @dataclass
    class Run:
        path: Path
        identity: Identity

        def log_metrics(self, metrics: Mapping[str, float]) -> None:
            for name, value in metrics.items():
                with self.path.open("a") as file:
                    file.write(json.dumps([self.identity.name, self.identity.key, name, value]) + "\n")

        def finalize(self, status: str) -> None:
            assert status == "success"


def sent(output: Path) -> list[list[Any]]:
    """All that a tracker finds below a folder."""
    return [json.loads(line) for path in output.rglob("events") for line in path.read_text().splitlines()]


def test_a_sending_that_dies_at_any_operation_is_made_good_once(compose: Compose, output: Path):
    experiment = compose(output)
    [clip] = experiment.dataset.clips()
    deaths = 0
    while dies_at(deaths, output, lambda: log_scores(experiment._address(), clip, Appending())):
        deaths += 1
        log_scores(experiment._address(), clip, Appending())
        [[name, _, metric, value]] = sent(output)
        scores = [json.loads(path.read_text()) for path in output.rglob("evaluate/motion_inversion-*/score.json")]
        assert metric == "score/motion_fidelity"
        assert value == pytest.approx(fmean(score["metrics"]["motion_fidelity"]["value"] for score in scores))
        assert name == only(output, "odd_path/train/*").name
        for path in output.rglob("train/*/scores-*/*"):
            path.unlink() if path.is_file() else [each.unlink() for each in path.iterdir()]
    assert deaths >= 8


def test_what_was_scored_and_not_sent_is_sent_by_the_next_run(
    compose: Compose, output: Path, monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    experiment = compose(output)
    [clip] = experiment.dataset.clips()
    arguments = experiment._address(), "cpu", clip, Appending()
    for path in output.glob("*/odd_path/evaluate/motion_inversion-*/*"):
        path.unlink()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(evaluate, "log_scores", killed)
        evaluate.evaluate(*arguments)
    assert sent(output) == []
    for _ in range(2):
        evaluate.evaluate(*arguments)
        assert len(sent(output)) == 1
