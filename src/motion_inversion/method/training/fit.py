"""Runs a training to its end: trainer, checkpoints, resuming, loggers."""

import functools
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.training.callback import LossFile, Preview, ProgressLines, TrainingBar
from motion_inversion.method.training.checkpoint import LastCheckpoint, latest, same_threads, steps_of
from motion_inversion.method.training.interruption import HeldSignals
from motion_inversion.method.training.logger import Identity
from motion_inversion.method.training.module import MotionLearning, ReferenceData

log = logging.getLogger(__name__)

# Settings of the trainer that follow from the model, the axes and the folder, or would repeat the same draws.
_OURS = (
    "accelerator",
    "callbacks",
    "default_root_dir",
    "devices",
    "enable_checkpointing",
    "enable_model_summary",
    "limit_train_batches",
    "logger",
    "max_epochs",
    "overfit_batches",
)
_COUNTED = ("max_steps", "accumulate_grad_batches")
_PRECISION = {torch.float32: "32-true", torch.float16: "16-mixed", torch.bfloat16: "bf16-mixed"}
LOSSES = "loss.csv"
PREVIEWS = "preview"
_LIGHTNING = "lightning"  # whatever Lightning and its plug-ins write of their own accord


@runtime_checkable
class Trained(Protocol):
    """What a training needs of its method beside the trainer's own settings.

    batch_size: Noised copies of the reference per step.
    checkpoint_every: Steps between checkpoints.
    preview_every: Steps between previews; 0 for none.
    """

    @property
    def batch_size(self) -> int: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def preview_every(self) -> int: ...


def check_counts(method: Trained) -> None:
    """Raises InputError for counts that are too small."""
    for key, least in {"batch_size": 1, "checkpoint_every": 1, "preview_every": 0}.items():
        if (given := getattr(method, key)) < least:
            raise InputError(f"method.{key}={given}: at least {least} is needed; set method.{key}={least}")


def check_trainer(trainer: Callable[..., Any] | None) -> None:
    """Checks what a training could not heed, or would never end with.

    Raises:
        InputError: a setting that training makes itself, or a count of steps below 1.
    """
    if not isinstance(trainer, functools.partial):
        return
    settings = {"max_steps": -1, **trainer.keywords}
    for key in _OURS:
        if key in settings:
            raise InputError(f"trainer.{key} follows from the other settings and can't be set; drop trainer.{key}")
    for key in _COUNTED:
        if key in settings and settings[key] < 1:
            raise InputError(f"trainer.{key}={settings[key]}: at least 1 is needed; set trainer.{key}=1 or more")


def run_trainer(
    module: MotionLearning,
    reference: Reference,
    fitting: Fitting,
    method: Trained,
    sample: Callable[[Latents, Request], Latents],
) -> int:
    """Trains to `max_steps`, from the last checkpoint in `fitting.folder` if there is one.

    A signal that asks to stop is heeded when the step is done and saved. Gives the number of parameters that it
    trained; they are on the model's device.

    Raises:
        InputError: when the loss stops being finite, and the last good checkpoint stays; for settings that the
            trainer refuses.
        KeyboardInterrupt: Ctrl-C.
        SystemExit: another signal that nobody else handles, with 128 + its number.
    """
    checkpoint = latest(fitting.folder)
    done = steps_of(checkpoint) if checkpoint else 0
    if checkpoint:
        log.info("resuming at step %d from %s", done, checkpoint)
    with HeldSignals() as signals, same_threads(checkpoint):
        try:
            trainer = _trainer(module, fitting, method, sample, done, signals)
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise InputError(f"the trainer refuses its settings: {error}; change or drop trainer.…") from error
        start = done * trainer.accumulate_grad_batches * method.batch_size
        try:
            _fit(trainer, module, ReferenceData(reference, method.batch_size, start), checkpoint)
        except FloatingPointError as error:
            last = latest(fitting.folder)
            kept = f"the last good checkpoint is {last}" if last else "no checkpoint was made yet"
            raise InputError(
                f"training stopped: {error}; {kept}; lower method.optimizer.lr, or use model.dtype=float32"
            ) from error
    module.parts.to(module.model.device)  # which the trainer leaves on the CPU, cut off from the model
    return sum(parameter.numel() for parameter in module.parts.parameters())


def _fit(trainer: pl.Trainer, module: MotionLearning, data: ReferenceData, checkpoint: Path | None) -> None:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.jit")
            trainer.fit(module, data, ckpt_path=str(checkpoint) if checkpoint else None)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # which would pass for a failure
            raise KeyboardInterrupt from None
        raise


def _trainer(
    module: MotionLearning,
    fitting: Fitting,
    method: Trained,
    sample: Callable[[Latents, Request], Latents],
    start: int,
    signals: HeldSignals,
) -> pl.Trainer:
    """The trainer on the model's device and at its precision, with our callbacks.

    It is told that it is alone: under Slurm it would restore checkpoints and requeue jobs by itself.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    model = module.model
    settings = dict(fitting.trainer.keywords) if isinstance(fitting.trainer, functools.partial) else {}
    watched = sys.stderr.isatty()
    shutil.rmtree(fitting.folder / _LIGHTNING, ignore_errors=True)
    callbacks: list[pl.Callback] = [
        LossFile(fitting.folder / LOSSES),
        TrainingBar(fitting.label) if watched else ProgressLines(fitting.label),
    ]
    if method.preview_every and (preview := fitting.preview):
        callbacks.append(Preview(method.preview_every, lambda step: preview(step, sample)))
    if not settings.get("fast_dev_run"):
        callbacks.append(LastCheckpoint(fitting.folder, method.checkpoint_every, start, signals))
    return fitting.trainer(
        callbacks=callbacks,
        logger=[make(fitting.folder, fitting.identity or Identity()) for make in fitting.loggers] or False,
        precision=settings.get("precision") or _PRECISION[model.dtype],
        default_root_dir=fitting.folder / _LIGHTNING,
        plugins=[*settings.get("plugins", ()), LightningEnvironment()],
        enable_progress_bar=False,  # ours says which clip it is
        enable_checkpointing=False,
        enable_model_summary=False,
        max_epochs=-1,
        **_hardware(model),
    )


def _hardware(model: Backbone) -> dict[str, Any]:
    """The trainer's device is the model's."""
    if model.device.type == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu", "devices": [model.device.index or 0]}
