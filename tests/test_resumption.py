"""Trainings that are interrupted, killed or diverge: what is kept, and how the next run goes on from it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from motion_inversion.core.process import Compared
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training.module import MotionLearning
from motion_inversion.stage.train import _same_threads
from results import assert_same_training, only

Compose = Callable[..., Experiment]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Lightning leaves Ctrl-C ignored after an interruption; here the process goes on."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("index", [1, 3])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    compose: Compose, finished: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, index: int
):
    # Ahead of the first checkpoint, and one step behind it.
    step, seen = MotionLearning.training_step, []

    def interrupted(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        seen.append(int(batch["index"][0]))
        if seen == [*range(index + 1)]:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MotionLearning, "training_step", interrupted)
    experiment = compose(prepared, "stages=[prepare,train]")
    with pytest.raises(SystemExit) as stop:
        experiment.run()
    assert isinstance(stop.value.__context__, KeyboardInterrupt)
    assert only(prepared, "odd_path/train/*").suffix == ".part"
    experiment.run()
    assert seen == [*range(index + 1), *range(0 if index < 2 else 2, 4)]
    assert_same_training(prepared, finished)


def test_a_killed_training_ends_as_if_it_had_not_been(
    compose: Compose, finished: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
):
    step = MotionLearning.training_step

    def killed(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        if int(batch["index"][0]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, batch_idx)

    experiment = compose(prepared, "stages=[train]")
    with monkeypatch.context() as patch:
        patch.setattr(MotionLearning, "training_step", killed)
        child = multiprocessing.get_context("fork").Process(target=experiment.run)
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    checkpoint = torch.load(only(prepared, "odd_path/train/*.part/training/last.ckpt"), weights_only=True)
    assert checkpoint["global_step"] == 2
    experiment.run()
    assert_same_training(prepared, finished)


def test_a_resumed_training_has_its_own_threads_and_gives_back_those_of_the_run(tmp_path: Path):
    given = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with _same_threads(tmp_path / "threads.json"):
            pass
        torch.set_num_threads(1)
        with _same_threads(tmp_path / "threads.json"):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(given)


@dataclass(frozen=True)
class _NotANumber:
    """A loss that is NaN from its fourth call on."""

    calls: list[int]
    on: Compared = "prediction"

    def __call__(self, prediction: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        self.calls.append(len(self.calls))
        loss = (prediction - target).square().mean()
        return loss if len(self.calls) < 4 else loss * float("nan")


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_last_good_step(compose: Compose, prepared: Path):
    experiment = compose(prepared)
    assert isinstance(experiment.method, MotionInversion)
    diverging = replace(experiment, method=replace(experiment.method, loss=_NotANumber([])))
    with pytest.raises(InputError, match=r"^training stopped: the loss is nan at step 3; .*last.ckpt; lower"):
        diverging.run()
    [training] = prepared.glob("*/odd_path/train/*")
    assert training.suffix == ".part"
    checkpoint = torch.load(training / "training/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    assert all(tensor.isfinite().all() for tensor in checkpoint["state_dict"].values())
    assert not list(prepared.glob("*/odd_path/generate/*"))
