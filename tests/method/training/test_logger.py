"""Trackers: one run per training, ended when the training ends, whatever the way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from pytorch_lightning.loggers import WandbLogger

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Mse
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training import logger
from motion_inversion.method.training.logger import Identity, LoggerFactory, TensorBoard, Wandb


class Run:
    """What Lightning asks of a run of Weights & Biases."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.config: dict[str, Any] = {}
        self.logged: list[dict[str, Any]] = []
        self.ended: list[int] = []

    def log(self, metrics: dict[str, Any], **_: object) -> None:
        assert not self.ended
        self.logged.append(metrics)

    def finish(self, exit_code: int) -> None:
        self.ended.append(exit_code)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs that were opened."""
    opened: list[Run] = []

    def init(**options: Any) -> Run:
        opened.append(Run(**options))
        return opened[-1]

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_MODE", "offline")  # put back afterwards: Lightning sets it for the process
    return opened


def test_every_training_is_a_run_of_its_own_that_ends_with_it(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Callable[..., Fitting],
    runs: list[Run],
) -> None:
    for seed in (0, 1):
        folder = fitting().folder / str(seed)
        tracked = replace(fitting(log_every_n_steps=1), folder=folder, seed=seed, loggers=(Wandb(),))
        method.fit(model, reference, tracked)
    assert [run.ended for run in runs] == [[0], [0]]
    assert all([metrics["trainer/global_step"] for metrics in run.logged] == [0, 1] for run in runs)
    assert runs[0].logged[0]["loss"] != runs[1].logged[0]["loss"]
    assert [Path(run.options["dir"]) for run in runs] == [fitting().folder / "0", fitting().folder / "1"]


def test_a_run_of_a_training_that_fails_is_marked_as_failed(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Callable[..., Fitting],
    runs: list[Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Mse, "__call__", lambda *_: (_ for _ in ()).throw(FloatingPointError("broken")))
    with pytest.raises(InputError, match="training stopped: broken"):
        method.fit(model, reference, replace(fitting(), loggers=(Wandb(),)))
    assert [run.ended for run in runs] == [[1]]


def test_a_run_is_grouped_by_its_experiment_and_configured_by_its_axes(runs: list[Run], tmp_path: Path) -> None:
    identity = Identity("study", {"method": "vmc", "clip": "car", "noise": "blend"})
    assert isinstance(made := Wandb()(tmp_path, identity), WandbLogger) and made.experiment
    (run,) = runs
    assert (run.options["group"], run.options["job_type"]) == ("study", "train")
    assert run.options["config"] == {"method": "vmc", "clip": "car", "noise": "blend"}
    assert run.options["name"] == tmp_path.stem
    assert run.options["id"] is None


def test_what_is_sent_twice_is_one_run(runs: list[Run], tmp_path: Path) -> None:
    for _ in range(2):
        assert Wandb()(tmp_path, Identity(name="state", key="abc")).experiment
    assert [(run.options["name"], run.options["id"], run.options["resume"]) for run in runs] == [
        ("state", "abc", "allow")
    ] * 2


@pytest.mark.parametrize("tracker", [Wandb(), TensorBoard()], ids=["wandb", "tensorboard"])
def test_previews_are_shown_in_the_tracker(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Callable[..., Fitting],
    runs: list[Run],
    tracker: LoggerFactory,
) -> None:
    if isinstance(tracker, TensorBoard):
        pytest.importorskip("tensorboard", reason="needs pip install 'motion-inversion[tensorboard]'")
    video = np.zeros((16, 8, 8, 3), np.uint8)
    previewing = replace(method, preview_every=2)
    tracked = replace(fitting(max_steps=4), preview=lambda *_: video, loggers=(tracker,))
    previewing.fit(model, reference, tracked)
    if isinstance(tracker, Wandb):
        shown = [entry for run in runs for entry in run.logged if "preview" in entry]
        assert [entry["trainer/global_step"] for entry in shown] == [2, 4]
        assert all(isinstance(picture, wandb.Image) for entry in shown for picture in entry["preview"])
    else:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(tracked.folder / "tensorboard"))
        events.Reload()
        assert [event.step for event in events.Images("preview")] == [2, 4]


def test_what_is_missing_is_said_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(logger, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'motion-inversion\[tensorboard\]', or logger=csv"):
        TensorBoard().require()
    Wandb().require()  # offline
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(InputError, match="has no key to log in with: wandb login, or WANDB_API_KEY=…, or logger.off"):
        Wandb(offline=False).require()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    Wandb(offline=False).require()
