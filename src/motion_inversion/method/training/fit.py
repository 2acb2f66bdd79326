"""Runs a training to its end: callbacks, checkpoints, resuming, loggers."""

import logging
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl

from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.training.callback import LastCheckpoint, LossFile, Preview, ProgressLines, TrainingBar
from motion_inversion.method.training.checkpoint import latest, same_threads, steps_of
from motion_inversion.method.training.interruption import HeldSignals
from motion_inversion.method.training.lightning import made, told
from motion_inversion.method.training.logger import Identity
from motion_inversion.method.training.module import MotionLearning, ReferenceData
from motion_inversion.method.training.setting import Trained
from motion_inversion.method.training.trainer import settings_of
from motion_inversion.storage.names import LOSSES

log = logging.getLogger(__name__)

_LIGHTNING = "lightning"  # whatever Lightning and its plug-ins write of their own accord


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
            trainer refuses; when it ends before its last step.
        KeyboardInterrupt: Ctrl-C.
        SystemExit: another signal that nobody else handles, with 128 + its number.
    """
    checkpoint = latest(fitting.folder)
    done = steps_of(checkpoint) if checkpoint else 0
    if checkpoint:
        log.info("resuming at step %d from %s", done, checkpoint)
    model, begun, lightning = module.model, _Started(), fitting.folder / _LIGHTNING
    shutil.rmtree(lightning, ignore_errors=True)
    with HeldSignals() as signals, same_threads(checkpoint):
        callbacks = [begun, *_callbacks(fitting, method, sample, done, signals)]
        loggers = [make(fitting.folder, fitting.identity or Identity()) for make in fitting.loggers]
        trainer = made(fitting.trainer, model.device, model.dtype, lightning, callbacks, loggers)
        start = done * trainer.accumulate_grad_batches * method.batch_size
        try:
            with _dropping(module), told(lambda: not begun.started):
                _fit(trainer, module, ReferenceData(reference, method.batch_size, start), checkpoint)
        except FloatingPointError as error:
            last = latest(fitting.folder)
            kept = f"the last good checkpoint is {last}" if last else "no checkpoint was made yet"
            raise InputError(
                f"training stopped: {error}; {kept}; lower method.optimizer.lr, or use model.dtype=float32"
            ) from error
    module.parts.to(model.device)  # which the trainer leaves on the CPU, cut off from the model
    _require_whole(trainer)
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


class _Started(pl.Callback):
    """Whether the first step has been reached: what is raised before is the trainer's refusal."""

    def __init__(self) -> None:
        self.started = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = True


def _callbacks(
    fitting: Fitting,
    method: Trained,
    sample: Callable[[Latents, Request], Latents],
    start: int,
    signals: HeldSignals,
) -> list[pl.Callback]:
    watched = sys.stderr.isatty()
    callbacks: list[pl.Callback] = [
        LossFile(fitting.folder / LOSSES),
        TrainingBar(fitting.label) if watched else ProgressLines(fitting.label),
    ]
    if method.preview_every and (preview := fitting.preview):
        callbacks.append(Preview(method.preview_every, lambda step: preview(step, sample)))
    if not settings_of(fitting.trainer).get("fast_dev_run"):
        callbacks.append(LastCheckpoint(fitting.folder, method.checkpoint_every, start, signals))
    return callbacks


def _require_whole(trainer: pl.Trainer) -> None:
    """Raises InputError for a training that ended before its last step; what it learnt so far is in its checkpoint."""
    done, whole = trainer.global_step, int(trainer.max_steps)
    if done < whole:
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
