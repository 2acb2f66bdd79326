"""Runs a training to its end: trainer, checkpoints, resuming, loggers."""

import functools
import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar

from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.error import InputError
from motion_inversion.core.shape import Latents
from motion_inversion.method.callback import LossFile, Preview, ProgressLines
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.module import MotionLearning, ReferenceData

log = logging.getLogger(__name__)

_PRECISION = {torch.float32: "32-true", torch.float16: "16-mixed", torch.bfloat16: "bf16-mixed"}


@dataclass(frozen=True)
class TrainerOptions:
    """What a training needs beside the trainer's own settings."""

    batch_size: int
    checkpoint_every: int
    preview_every: int


def run_trainer(
    module: MotionLearning,
    reference: Reference,
    fitting: Fitting,
    options: TrainerOptions,
    sample: Callable[[Latents, Request], Latents],
) -> None:
    """Trains to `max_steps`, from the last checkpoint in `fitting.folder` if there is one.

    Raises:
        InputError: when the loss stops being finite; the last good checkpoint stays.
    """
    checkpoint = fitting.folder / "last.ckpt"
    done = _steps_done(checkpoint) if checkpoint.exists() else 0
    if done:
        log.info("resuming at step %d from %s", done, checkpoint)
    trainer = _trainer(module, fitting, options, sample)
    start = done * trainer.accumulate_grad_batches * options.batch_size
    data = ReferenceData(reference, options.batch_size, start)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.jit")
            trainer.fit(module, data, ckpt_path=str(checkpoint) if done else None)
    except FloatingPointError as error:
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "no checkpoint was made yet"
        raise InputError(
            f"training stopped: {error}; {kept}; lower method.optimizer.lr, or use model.dtype=float32"
        ) from error


def _trainer(
    module: MotionLearning,
    fitting: Fitting,
    options: TrainerOptions,
    sample: Callable[[Latents, Request], Latents],
) -> pl.Trainer:
    """The trainer on the model's device and at its precision, with our callbacks."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    (model,) = module._held
    settings = dict(fitting.trainer.keywords) if isinstance(fitting.trainer, functools.partial) else {}
    watched = sys.stderr.isatty()
    callbacks: list[pl.Callback] = [
        LossFile(fitting.folder / "loss.csv"),
        RichProgressBar() if watched else ProgressLines(),
    ]
    if options.preview_every and fitting.preview is not None:
        callbacks.append(Preview(options.preview_every, functools.partial(fitting.preview, sample=sample)))
    if not settings.get("fast_dev_run"):
        every = {"every_n_train_steps": options.checkpoint_every, "enable_version_counter": False}
        callbacks.append(ModelCheckpoint(fitting.folder, "last", save_top_k=1, **every))
    return fitting.trainer(
        callbacks=callbacks,
        logger=[make(fitting.folder) for make in fitting.loggers] or False,
        precision=settings.get("precision") or _PRECISION[model.dtype],
        default_root_dir=fitting.folder,
        enable_progress_bar=watched and settings.get("enable_progress_bar", True),
        enable_model_summary=False,
        max_epochs=-1,
        **_hardware(model),
    )


def _hardware(model: VideoModel) -> dict[str, Any]:
    """The trainer's device is the model's."""
    if model.device.type == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu", "devices": [model.device.index or 0]}


def _steps_done(checkpoint: Any) -> int:
    return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"])
