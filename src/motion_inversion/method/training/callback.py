"""What happens beside the training steps: the loss file, plain progress lines, previews, checkpoints."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.method.training.checkpoint import THREADS, write
from motion_inversion.method.training.interruption import HeldSignals
from motion_inversion.method.training.lightning_logger import show_frames
from motion_inversion.storage.file import replacing

log = logging.getLogger(__name__)

MINUTE = 60.0
SHARE = 0.05  # of a training's time that checkpoints may take
QUICK = 1.0  # seconds; a checkpoint that is written faster is written whenever it is due
LINES = 10  # progress lines of a training that nobody watches on a terminal


class LossFile(pl.Callback):
    """Appends (step, loss) to a CSV file; checkpoints have the rows up to their step, from which it is written anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step, self.loss = 0, 0.0
        self.rows: list[str] = []

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The rows up to the step that training starts from."""
        self.rows = list(state_dict["rows"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes them, as there may be no more to come."""
        with replacing(self.path) as part:
            part.write_text("\n".join(["step,loss", *self.rows]) + "\n")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Goes on from the step that training starts from."""
        self.step, self.loss = trainer.global_step, 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds a row after each step; a row that waited in memory would be missing after a kill."""
        self.loss += float(outputs["loss"])  # which Lightning divides by the batches that a step accumulates
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        self.rows.append(f"{self.step},{self.loss:.6g}")
        with self.path.open("a") as file:
            file.write(self.rows[-1] + "\n")
        self.loss = 0.0


class TrainingBar(pl.Callback):
    """A bar with the label, steps, iterations per second and the time left, on a terminal."""

    def __init__(self, label: str) -> None:
        rate = TextColumn("· {task.fields[rate]:.1f} it/s ·")
        self.bar = Progress(
            TextColumn("{task.description} · step"), MofNCompleteColumn(), BarColumn(20), rate, TimeRemainingColumn(),
            TextColumn("left"), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self.label, self.first, self.start = label, 0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draws it."""
        self.first, self.start = trainer.global_step, time.monotonic()
        self.task = self.bar.add_task(self.label, total=trainer.max_steps, completed=self.first, rate=0.0)
        self.bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves it."""
        rate = (trainer.global_step - self.first) / max(1e-9, time.monotonic() - self.start)
        self.bar.update(self.task, completed=trainer.global_step, rate=rate)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes it away."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Takes it away, so that the message stands alone."""
        self.bar.stop()


class ProgressLines(pl.Callback):
    """A line now and then with the label, loss, iterations per second and time left, where no bar can be drawn."""

    def __init__(self, label: str) -> None:
        self.label, self.start, self.first, self.shown, self.told = label, 0.0, 0, 0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self.start = self.told = time.monotonic()
        self.first = self.shown = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs a line after every tenth of the training, and once a minute if a tenth takes longer."""
        step, total, now = trainer.global_step, int(trainer.max_steps), time.monotonic()
        due = step % max(1, total // LINES) == 0 or step >= total or now - self.told > MINUTE
        if step == self.shown or not due:
            return
        self.shown, self.told = step, now
        rate = (step - self.first) / max(1e-9, now - self.start)
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        left = timedelta(seconds=round((total - step) / max(rate, 1e-9)))
        log.info("%s · step %d/%d · loss %.4f · %.1f it/s · %s left", self.label, step, total, loss, rate, left)


class Preview(pl.Callback):
    """Calls `show(step)` every so many steps, and hands the frames that it gives to the trainer's loggers."""

    def __init__(self, every: int, show: Callable[[int], Pixels | None]) -> None:
        self.every, self.show, self.last = every, show, 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Shows a preview if it is time."""
        if trainer.global_step % self.every == 0 and trainer.global_step != self.last:
            self.last = trainer.global_step
            if (video := self.show(self.last)) is None:
                return
            for logger in trainer.loggers:
                show_frames(logger, "preview", video, self.last)


class LastCheckpoint(pl.Callback):
    """Writes all that a resumed training needs every so many steps, at the end, and when a signal asks to stop.

    A checkpoint's name tells its bytes, so that a damaged one is never gone on from. It takes the place of the one
    before once it is whole. Lightning's own callback writes to the temporary folder and moves: on another file
    system, that is a copy which an interruption cuts short, and the checkpoint before is lost with it.

    After a checkpoint that took long, as gigabytes do, the training goes on for 19 times as long before the next:
    so they take a twentieth of the time at most.

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
        self.rested = 0.0  # when the next may be written

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
        due = step % self.every == 0 and time.monotonic() >= self.rested
        if waiting or due or step == trainer.max_steps:
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
        checkpoint[THREADS] = torch.get_num_threads()

    def _write(self, trainer: pl.Trainer, step: int) -> None:
        begun = time.monotonic()
        write(trainer, self.folder, step)
        self.written = step
        took = time.monotonic() - begun
        self.rested = begun + took / SHARE if took > QUICK else 0.0
