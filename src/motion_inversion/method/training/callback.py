"""What happens beside the training steps: the loss file, plain progress lines, previews."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from motion_inversion.storage.file import replacing

log = logging.getLogger(__name__)

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


class ProgressLines(pl.Callback):
    """A line now and then with loss, iterations per second and time to go, where no bar can be drawn."""

    def __init__(self) -> None:
        self.start, self.first, self.shown = 0.0, 0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self.start, self.first, self.shown = time.monotonic(), trainer.global_step, trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs a line after every tenth of the training."""
        step, total = trainer.global_step, int(trainer.max_steps)
        if step == self.shown or (step < total and step % max(1, total // LINES)):
            return
        self.shown = step
        rate = (step - self.first) / max(1e-9, time.monotonic() - self.start)
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        left = (total - step) / max(rate, 1e-9)
        log.info("step %d of %d, loss %.4f, %.2f it/s, %.0f s to go", step, total, loss, rate, left)


class Preview(pl.Callback):
    """Calls `show(step)` every so many steps."""

    def __init__(self, every: int, show: Callable[[int], None]) -> None:
        self.every, self.show, self.last = every, show, 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Shows a preview if it is time."""
        if trainer.global_step % self.every == 0 and trainer.global_step != self.last:
            self.last = trainer.global_step
            self.show(self.last)
