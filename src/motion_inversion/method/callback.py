"""What happens beside the training steps: the loss file, plain progress lines, previews."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

log = logging.getLogger(__name__)

LINES = 10  # progress lines of a training that nobody watches on a terminal


class LossFile(pl.Callback):
    """Appends (step, loss) to a CSV file; a resumed run first drops what its checkpoint doesn't know of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[str] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keeps the rows up to the step that training starts from."""
        old = self.path.read_text().splitlines()[1:] if self.path.exists() else []
        kept = [row for row in old if int(row.partition(",")[0]) <= trainer.global_step]
        self.path.write_text("\n".join(["step,loss", *kept]) + "\n")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the loss; writes once in a while."""
        self.rows.append(f"{trainer.global_step},{float(outputs['loss']):.6g}\n")
        if len(self.rows) >= 20:
            self._write()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the rest."""
        self._write()

    def _write(self) -> None:
        with self.path.open("a") as file:
            file.writelines(self.rows)
        self.rows.clear()


class ProgressLines(pl.Callback):
    """A line now and then with loss, iterations per second and time to go, where no progress bar can be drawn."""

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
        loss: Tensor = outputs["loss"]
        left = (total - step) / max(rate, 1e-9)
        log.info("step %d of %d, loss %.4f, %.2f it/s, %.0f s to go", step, total, float(loss), rate, left)


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
