"""What is written beside the training steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Mse
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training import callback, fit
from motion_inversion.method.training.callback import LossFile
from motion_inversion.method.training.checkpoint import latest
from motion_inversion.method.training.module import MotionLearning

Fittings = Callable[..., Fitting]


def rows(fitting: Fitting) -> list[tuple[int, float]]:
    head, *lines = (fitting.folder / "loss.csv").read_text().splitlines()
    assert head == "step,loss"
    return [(int(step), float(loss)) for step, loss in (line.split(",") for line in lines)]


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every loss that the training computes, as it goes."""
    found: list[float] = []
    plain = Mse.__call__

    def noted(self: Mse, prediction: torch.Tensor, target: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        loss = plain(self, prediction, target, generator)
        found.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(Mse, "__call__", noted)
    return found


def test_the_loss_file_has_the_mean_loss_of_each_step(
    model: Backbone, method: MotionInversion, reference: Reference, fitting: Fittings, losses: list[float]
):
    method.fit(model, reference, fitting(accumulate_grad_batches=2))
    first, second, third, fourth = losses
    assert rows(fitting()) == [
        (1, pytest.approx((first + second) / 2, rel=1e-5)),
        (2, pytest.approx((third + fourth) / 2, rel=1e-5)),
    ]


def test_rows_are_on_disk_after_each_step_and_those_past_the_checkpoint_are_dropped(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    losses: list[float],
    monkeypatch: pytest.MonkeyPatch,
):
    step = MotionLearning.training_step
    on_disk: list[int] = []

    def failing(self: MotionLearning, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        on_disk.append(len(rows(fitting())))
        if len(on_disk) == 4:
            raise RuntimeError("the machine is gone")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MotionLearning, "training_step", failing)
    often = replace(method, checkpoint_every=2)
    with pytest.raises(RuntimeError, match="gone"):
        often.fit(model, reference, fitting(max_steps=4))
    assert on_disk == [0, 1, 2, 3]
    often.fit(model, reference, fitting(max_steps=4))
    assert [number for number, _ in rows(fitting())] == [1, 2, 3, 4]
    assert losses[2] == losses[3]  # the third step, once lost and once kept


def test_previews_come_every_so_many_steps(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    noise,
    request_: Request,
):
    shown: list[tuple[int, torch.Size]] = []

    def preview(step: int, sample: Callable[..., torch.Tensor]) -> None:
        shown.append((step, sample(noise, request_).shape))

    method = replace(method, preview_every=2)
    method.fit(model, reference, replace(fitting(max_steps=5), preview=preview))
    assert shown == [(2, noise.shape), (4, noise.shape)]


def test_no_unfinished_checkpoint_is_ever_in_place(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    monkeypatch: pytest.MonkeyPatch,
):
    """A write that fails half-way leaves the checkpoint before, and nothing beside it."""
    save = torch.save
    calls: list[int] = []

    def full(*inputs: object, **options: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        save(*inputs, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ValueError, match="No space left on device"):
        replace(method, checkpoint_every=1).fit(model, reference, fitting(max_steps=3))
    checkpoint = latest(fitting().folder)
    assert checkpoint and torch.load(checkpoint, weights_only=True)["global_step"] == 1
    assert sorted(path.name for path in fitting().folder.iterdir()) == ["loss.csv", checkpoint.name]


@pytest.mark.parametrize(("takes", "written"), [(0.9, [1, 2, 3, 4, 5, 6, 7]), (1.1, [1, 4, 7])])
def test_checkpoints_that_take_long_are_written_seldom(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    monkeypatch: pytest.MonkeyPatch,
    takes: float,
    written: list[int],
):
    """A step takes 10 s here, a checkpoint a second or so: 19 times 1.1 s are more than two steps."""
    clock = [0.0]
    steps: list[int] = []

    def write(trainer: pl.Trainer, folder: Path, step: int) -> None:
        clock[0] += takes
        steps.append(step)

    class Steps(LossFile):
        def on_train_batch_end(
            self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            clock[0] += 10

    monkeypatch.setattr(callback, "write", write)
    monkeypatch.setattr(callback.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(fit, "LossFile", Steps)
    replace(method, checkpoint_every=1).fit(model, reference, fitting(max_steps=7))
    assert steps == written
