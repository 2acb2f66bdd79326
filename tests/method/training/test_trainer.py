"""The trainer: what of it can be set, what it refuses in one line, and that a training that ends early is no state."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference
from motion_inversion.method.training.lightning import made
from motion_inversion.method.training.trainer import Trainer, check_trainer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_nodes": 4}, r"trainer\.num_nodes follows from the other settings"),
        ({"strategy": "ddp_spawn"}, r"trainer\.strategy follows from the other settings"),
        ({"plugins": []}, r"trainer\.plugins follows from"),
        ({"barebones": True}, r"trainer\.barebones follows from"),
        ({"gradient_clip_val": float("nan")}, r"set trainer\.gradient_clip_val=1\.0"),
        ({"gradient_clip_val": -1.0}, r"set trainer\.gradient_clip_val=1\.0"),
        ({"precision": "64-true"}, r"accepted are 32-true, 16-mixed and bf16-mixed"),
        ({"precision": "16-true"}, r"set trainer\.precision=null"),
        ({"accumulate_grad_batches": 0}, r"set trainer\.accumulate_grad_batches=1 or more"),
    ],
)
def test_what_a_training_could_not_heed_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        check_trainer(functools.partial(pl.Trainer, max_steps=2, **settings))


def test_a_training_without_end_is_refused():
    with pytest.raises(InputError, match=r"set trainer\.max_steps=1 or more"):
        check_trainer(functools.partial(pl.Trainer))


def test_what_the_trainer_refuses_is_one_line_and_slurm_changes_nothing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    cpu = torch.device("cpu"), torch.float32, tmp_path
    for settings in ({"profiler": "fast"}, {"gradient_clip_algorithm": "big"}):
        with pytest.raises(InputError, match=r"^the trainer refuses its settings: .*; change or drop trainer\.…$"):
            made(functools.partial(pl.Trainer, max_steps=2, **settings), *cpu)
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    assert made(functools.partial(pl.Trainer, max_steps=2), *cpu).world_size == 1


class _StopAt(pl.Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        trainer.should_stop = trainer.global_step == self.step


def stopping(step: int, callbacks: list[pl.Callback], **settings: Any) -> pl.Trainer:
    return pl.Trainer(callbacks=[*callbacks, _StopAt(step)], **settings)


def test_a_training_that_ends_early_is_no_state_and_goes_on(
    model: Backbone, method: Any, reference: Reference, fitting: Callable[..., Fitting]
):
    whole = fitting(max_steps=4)
    stopped = replace(whole, trainer=functools.partial(stopping, 3, max_steps=4))
    with pytest.raises(InputError, match=r"^training ended at step 3 of 4: something else than trainer\.max_steps"):
        method.fit(model, reference, stopped)
    assert not whole.state.exists()
    method.fit(model, reference, whole)
    resumed = load_file(whole.state)
    assert (whole.folder / "loss.csv").read_text().count("\n") == 5
    for path in whole.folder.iterdir():
        path.unlink()
    method.fit(model, reference, whole)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in load_file(whole.state).items())


def test_a_training_that_never_begins_is_no_state(
    model: Backbone, method: Any, reference: Reference, fitting: Callable[..., Fitting]
):
    never = fitting(max_steps=4, max_time={"seconds": 0})
    with pytest.raises(InputError, match=r"^training ended at step \d of 4"):
        method.fit(model, reference, never)
    assert not never.state.exists()


def test_settings_are_arguments_of_lightnings_trainer_and_what_is_seldom_set_is_left_out_unless_it_is(tmp_path: Path):
    accepted = inspect.signature(pl.Trainer).parameters
    assert {field.name for field in fields(Trainer)} <= {*accepted}
    usual = {"accumulate_grad_batches", "gradient_clip_val", "precision", "fast_dev_run", "log_every_n_steps"}
    assert Trainer(max_steps=2).keywords.keys() == {"max_steps", *usual}
    assert Trainer(max_steps=2, profiler="simple").keywords.keys() == {"max_steps", "profiler", *usual}
    trainer = made(Trainer(max_steps=2, gradient_clip_val=0.5), torch.device("cpu"), torch.bfloat16, tmp_path)
    assert (trainer.max_steps, trainer.gradient_clip_val, trainer.precision) == (2, 0.5, "bf16-mixed")
