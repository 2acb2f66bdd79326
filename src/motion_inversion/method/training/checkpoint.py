"""Checkpoints of a training: what it goes on from after an interruption, and a longer one after its end."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from motion_inversion.method.training.interruption import HeldSignals
from motion_inversion.storage.file import scratch, sha256_of

log = logging.getLogger(__name__)

CHECKPOINTS = "step*.ckpt"
_NAME = re.compile(r"step(\d+)-([0-9a-f]{16})\.ckpt")
_THREADS = "threads"


class LastCheckpoint(pl.Callback):
    """Writes all that a resumed training needs every so many steps, at the end, and when a signal asks to stop.

    A checkpoint's name tells its bytes, so that a damaged one is never gone on from. It takes the place of the one
    before once it is whole. Lightning's own callback writes to the temporary folder and moves: on another file
    system, that is a copy which an interruption cuts short, and the checkpoint before is lost with it.

    Args:
        folder: Where checkpoints lie.
        every: Steps between them.
        start: The step that the training must start from.
        signals: Those that wait for the end of a step.

    Raises:
        RuntimeError: if the trainer starts from another step: its draws would be those of other steps.
    """

    def __init__(self, folder: Path, every: int, start: int, signals: HeldSignals) -> None:
        self.folder, self.every, self.start, self.signals = folder, every, start, signals
        self.seen = self.written = start

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A resumed training starts from a step that has its checkpoint."""
        if trainer.global_step != self.start:
            raise RuntimeError(f"the trainer starts from step {trainer.global_step}, not {self.start}")
        self.signals.hold()  # Lightning has put its own handlers in place by now

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes if it is time; the middle of a step that accumulates batches never is."""
        step, waiting = trainer.global_step, self.signals.waiting
        if step == self.seen:
            return
        self.seen = step
        if waiting or step % self.every == 0 or step == trainer.max_steps:
            self._write(trainer, step)
        if waiting:
            log.info("step %d of %d is saved after %s", step, int(trainer.max_steps), waiting.name)
            self.signals.release()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes what a training learnt that something else ended before its last step."""
        if trainer.global_step > self.written:
            self._write(trainer, trainer.global_step)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Notes the threads: sums in another order round differently."""
        checkpoint[_THREADS] = torch.get_num_threads()

    def _write(self, trainer: pl.Trainer, step: int) -> None:
        with scratch(self.folder / "checkpoint") as part:
            trainer.save_checkpoint(part)
            path = self.folder / f"step{step:06d}-{_sum(part)}.ckpt"
            part.replace(path)
        self.written = step
        for other in self.folder.glob(CHECKPOINTS):
            if other != path:
                other.unlink()


def latest(folder: Path) -> Path | None:
    """The checkpoint of most steps; None if there is none. Damaged ones are removed, and the log says so."""
    for path in sorted(folder.glob(CHECKPOINTS), reverse=True):
        named = _NAME.fullmatch(path.name)
        if named and named[2] == _sum(path):
            return path
        log.warning("%s was damaged: going on without it", path)
        path.unlink()
    return None


def steps_of(checkpoint: Path) -> int:
    """How many steps a checkpoint is behind."""
    named = _NAME.fullmatch(checkpoint.name)
    assert named
    return int(named[1])


@contextmanager
def same_threads(checkpoint: Path | None) -> Iterator[None]:
    """A resumed training runs with the threads that it began with; the run gets its own back."""
    given = torch.get_num_threads()
    if checkpoint:
        torch.set_num_threads(int(torch.load(checkpoint, weights_only=True, map_location="cpu")[_THREADS]))
    try:
        yield
    finally:
        torch.set_num_threads(given)


def _sum(path: Path) -> str:
    return sha256_of(path)[:16]
