"""Trainings that are interrupted, killed or diverge: what is kept, and how the next run goes on from it."""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dying import files
from motion_inversion.core.process import Compared
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training.checkpoint import steps_of
from motion_inversion.method.training.interruption import HeldSignals
from motion_inversion.method.training.module import MotionLearning
from motion_inversion.storage.names import COST, LOSSES, MANIFEST
from results import STATE, assert_same_training, only

Compose = Callable[..., Experiment]


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
    with pytest.raises(KeyboardInterrupt):
        experiment.run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # which Lightning had set to ignore
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
    assert steps_of(only(prepared, "odd_path/train/*.part/step*.ckpt")) == 2
    experiment.run()
    assert_same_training(prepared, finished)


def _in_a_child(work: Callable[[], None]) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return child.exitcode


@pytest.fixture
def _slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lightning knows Slurm by."""
    for name, value in {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "study"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_slurm")
@pytest.mark.parametrize("every", [1, 50])
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_training_after_a_step_that_is_saved(
    compose: Compose,
    finished: Path,
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    every: int,
):
    step, seen = MotionLearning.training_step, []

    def signalled(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        seen.append(int(batch["index"][0]))
        if seen[-1] == 2:
            os.kill(os.getpid(), number)
        return step(self, batch, batch_idx)

    def stopped() -> None:
        try:
            experiment.run()
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    experiment = compose(prepared, "stages=[train]", f"method.checkpoint_every={every}")
    with monkeypatch.context() as patch:
        patch.setattr(MotionLearning, "training_step", signalled)
        assert _in_a_child(stopped) == 128 + number
    assert steps_of(only(prepared, "odd_path/train/*.part/step*.ckpt")) == 3
    experiment.run()
    assert_same_training(prepared, finished)
    apart = ("step*.ckpt", COST)
    trained, whole = (only(folder, "odd_path/train/*") for folder in (prepared, finished))
    assert files(trained, *apart) == files(whole, *apart)
    assert set(files(trained, *apart)) == {STATE, LOSSES, MANIFEST}


@pytest.mark.usefixtures("_slurm")
def test_whoever_handled_a_signal_before_gets_it_after_the_step_and_may_let_the_training_go_on(
    compose: Compose, finished: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
):
    step, heard = MotionLearning.training_step, []

    def signalled(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        if int(batch["index"][0]) == 2:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert not heard
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MotionLearning, "training_step", signalled)
    before = signal.signal(signal.SIGUSR2, lambda number, _: heard.append(number))  # as submitit does
    try:
        compose(prepared, "stages=[train]").run()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == [signal.SIGUSR2]
    assert_same_training(prepared, finished)


def test_a_signal_that_the_process_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with HeldSignals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.waiting is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_in_the_middle_of_a_step_waits_for_its_last_batch(
    compose: Compose, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    step = MotionLearning.training_step

    def signalled(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        if int(batch["index"][0]) == 2:  # the first of the two of the second step
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, batch_idx)

    whole = Path(shutil.copytree(prepared, tmp_path / "whole"))
    words = ("stages=[train]", "trainer.accumulate_grad_batches=2", "trainer.max_steps=3", "method.checkpoint_every=50")
    compose(whole, *words).run()
    with monkeypatch.context() as patch:
        patch.setattr(MotionLearning, "training_step", signalled)
        assert _in_a_child(compose(prepared, *words).run) == 143
    assert steps_of(only(prepared, "odd_path/train/*.part/step*.ckpt")) == 2
    compose(prepared, *words).run()
    assert_same_training(prepared, whole)


def test_a_damaged_checkpoint_is_not_gone_on_from(
    compose: Compose, finished: Path, prepared: Path, caplog: pytest.LogCaptureFixture
):
    state = only(Path(shutil.copytree(finished, prepared / "other")), "odd_path/train/*")
    checkpoint = next(state.glob("step000004-*.ckpt"))
    part = prepared / "motion_inversion/odd_path/train" / f"{state.name}.part"
    part.mkdir(parents=True)
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    (part / checkpoint.name).write_bytes(content)
    shutil.rmtree(prepared / "other")
    compose(prepared, "stages=[train]").run()
    assert "step000004" in caplog.text and "was damaged" in caplog.text
    assert_same_training(prepared, finished)


class _Program:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("content", [pickle.dumps(_Program()), b"nothing", b""])
def test_a_file_that_has_a_checkpoints_name_alone_is_refused(
    compose: Compose, finished: Path, prepared: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.iterdir()}
    state = only(finished, "odd_path/train/*")
    part = prepared / "motion_inversion/odd_path/train" / f"{state.name}.part"
    part.mkdir(parents=True)
    (part / f"step000002-{hashlib.sha256(content).hexdigest()[:16]}.ckpt").write_bytes(content)
    with pytest.raises(InputError, match=r"step000002-.*\.ckpt is no checkpoint of a training .*; delete it to go on"):
        compose(prepared, "stages=[train]").run()
    assert {*tmp_path.iterdir()} == before


def test_a_longer_training_goes_on_from_the_longest_shorter_one(
    compose: Compose, finished: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
):
    for steps in (1, 3):
        compose(prepared, "stages=[train]", f"trainer.max_steps={steps}").run()
    compose(prepared, "stages=[train]", "trainer.max_steps=3", "seed=1").run()  # another training
    step, seen = MotionLearning.training_step, []

    def noted(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        seen.append(int(batch["index"][0]))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MotionLearning, "training_step", noted)
    experiment = compose(prepared, "stages=[train]")
    experiment.run()
    assert seen == [3]
    [clip] = experiment.dataset.clips()
    ours, whole = experiment._address().state(clip).folder, only(finished, "odd_path/train/*")
    assert ours.name == whole.name
    assert files(ours, "step*.ckpt", COST) == files(whole, "step*.ckpt", COST)


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
    with pytest.raises(InputError, match=r"^training stopped: the loss is nan at step 3; .*step000002-.*ckpt; lower"):
        diverging.run()
    [training] = prepared.glob("*/odd_path/train/*")
    assert training.suffix == ".part"
    checkpoint = torch.load(next(training.glob("step*.ckpt")), weights_only=True)
    assert checkpoint["global_step"] == 2
    assert all(tensor.isfinite().all() for tensor in checkpoint["state_dict"].values())
    assert not list(prepared.glob("*/odd_path/generate/*"))
