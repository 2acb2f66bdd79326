"""Experiment trackers that a training can report to; each mirrors what the run folder holds anyway."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger


@runtime_checkable
class Tracker(Protocol):
    """Opens a Lightning logger that writes into a folder."""

    def __call__(self, folder: Path) -> Logger: ...


@dataclass(frozen=True)
class Wandb:
    """Weights & Biases; offline unless asked, to be sent later with `wandb sync`."""

    project: str = "motion-inversion"
    offline: bool = True
    entity: str | None = None

    def __call__(self, folder: Path) -> Logger:
        """A run named after its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        options = {"entity": self.entity} if self.entity else {}
        return WandbLogger(
            name=folder.stem, save_dir=folder, project=self.project, offline=self.offline, log_model=False, **options
        )


@dataclass(frozen=True)
class TensorBoard:
    """TensorBoard event files; needs the `tensorboard` extra."""

    def __call__(self, folder: Path) -> Logger:
        """Events in the folder itself."""
        return TensorBoardLogger(folder, name="", version="")
