"""Runs a training to its end: callbacks, checkpoints, resuming, loggers."""

import functools
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.utilities.exceptions import SIGTERMException

from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.training.callback import LastCheckpoint, LossFile, Preview, ProgressLines
from motion_inversion.method.training.module import MotionLearning, ReferenceData, made_optimizer
from motion_inversion.method.training.trainer import made, told
from motion_inversion.storage.file import replacing

log = logging.getLogger(__name__)

_CHECKPOINT = "last.ckpt"


@runtime_checkable
class Trained(Protocol):
    """What a training needs of its method beside the trainer's own settings.

    optimizer: A partial torch optimizer.
    batch_size: Noised copies of the reference per step.
    checkpoint_every: Steps between checkpoints.
    preview_every: Steps between previews; 0 for none.
    """

    @property
    def optimizer(self) -> Callable[..., torch.optim.Optimizer]: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def preview_every(self) -> int: ...


def check_training(method: Trained) -> None:
    """Raises InputError for counts that are too small, and for settings that the optimizer refuses."""
    for key, least in {"batch_size": 1, "checkpoint_every": 1, "preview_every": 0}.items():
        if (given := getattr(method, key)) < least:
            raise InputError(f"method.{key}={given}: at least {least} is needed; set method.{key}={least}")
    made_optimizer(method.optimizer, [{"params": [torch.nn.Parameter(torch.zeros(1))]}])


def run_trainer(
    module: MotionLearning,
    reference: Reference,
    fitting: Fitting,
    method: Trained,
    sample: Callable[[Latents, Request], Latents],
) -> int:
    """Trains to `max_steps`, from the last checkpoint in `fitting.folder` if there is one.

    Gives the number of parameters that it trained; they are on the model's device.

    Raises:
        InputError: when the loss stops being finite, and the last good checkpoint stays; for settings that the
            trainer refuses; when it ends before its last step.
    """
    checkpoint = fitting.folder / _CHECKPOINT
    done = _steps_done(checkpoint) if checkpoint.exists() else 0
    if done:
        log.info("resuming at step %d from %s", done, checkpoint)
    model, watched, begun = module.model, sys.stderr.isatty(), _Started()
    callbacks = [begun, *_callbacks(fitting, method, sample, watched)]
    loggers = [make(fitting.folder) for make in fitting.loggers]
    trainer = made(fitting.trainer, model.device, model.dtype, fitting.folder, callbacks, loggers, watched)
    start = done * trainer.accumulate_grad_batches * method.batch_size
    data = ReferenceData(reference, method.batch_size, start)
    try:
        with _dropping(module), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch.jit")
            with told(lambda: not begun.started):
                trainer.fit(module, data, ckpt_path=str(checkpoint) if done else None)
        module.parts.to(model.device)  # which the trainer leaves on the CPU, cut off from the model
    except SIGTERMException as stop:  # Lightning's has no exit code, which would pass for success
        raise SystemExit(128 + signal.SIGTERM) from stop
    except FloatingPointError as error:
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "no checkpoint was made yet"
        raise InputError(
            f"training stopped: {error}; {kept}; lower method.optimizer.lr, or use model.dtype=float32"
        ) from error
    _require_whole(trainer, checkpoint)
    return sum(parameter.numel() for parameter in module.parts.parameters())


class _Started(pl.Callback):
    """Whether the first step has been reached: what is raised before is the trainer's refusal."""

    def __init__(self) -> None:
        self.started = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = True


def _callbacks(
    fitting: Fitting, method: Trained, sample: Callable[[Latents, Request], Latents], watched: bool
) -> list[pl.Callback]:
    callbacks: list[pl.Callback] = [
        LossFile(fitting.folder / "loss.csv"),
        RichProgressBar() if watched else ProgressLines(),
    ]
    if method.preview_every and (preview := fitting.preview):
        callbacks.append(Preview(method.preview_every, lambda step: preview(step, sample)))
    settings = fitting.trainer.keywords if isinstance(fitting.trainer, functools.partial) else {}
    if not settings.get("fast_dev_run"):
        callbacks.append(LastCheckpoint(fitting.folder / _CHECKPOINT, method.checkpoint_every))
    return callbacks


def _require_whole(trainer: pl.Trainer, checkpoint: Path) -> None:
    """Raises InputError for a training that ended before its last step, once what it learnt so far is kept."""
    done, whole = trainer.global_step, int(trainer.max_steps)
    if done >= whole:
        return
    if done:
        with replacing(checkpoint) as part:
            trainer.save_checkpoint(part)
    raise InputError(
        f"training ended at step {done} of {whole}: something else than trainer.max_steps stopped it, such as "
        "trainer.max_time; drop that, or give it more, and repeat the command to go on"
    )


@contextmanager
def _dropping(module: MotionLearning) -> Iterator[None]:
    """While the context lasts, the frozen model drops if the training wants it to."""
    if module.dropouts is None:
        yield
        return
    with module.dropouts.attached(module.model.network) as layers:
        if not layers:
            log.warning("method.train_mode=true changes nothing: %s has no dropout", module.model.config.name)
        yield


def _steps_done(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"])
