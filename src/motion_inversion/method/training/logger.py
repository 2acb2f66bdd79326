"""Experiment trackers that a training can report to; each mirrors what the run folder holds anyway."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from motion_inversion.error import InputError

FOLDERS = ("wandb", "tensorboard")  # what they write, in the folder that they are given


@runtime_checkable
class LoggerFactory(Protocol):
    """Opens a Lightning logger that writes into a folder."""

    def __call__(self, folder: Path) -> Logger: ...


@dataclass(frozen=True)
class Wandb:
    """Weights & Biases; offline unless asked.

    An offline run is in the state's folder, to be sent later: `wandb sync …/train/…/wandb/offline-run-…`.
    """

    project: str = "motion-inversion"
    offline: bool = True
    entity: str | None = None

    def __call__(self, folder: Path) -> Logger:
        """A run named after its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        return _OneRun(
            name=folder.stem,
            save_dir=folder,
            project=self.project,
            offline=self.offline,
            log_model=False,
            entity=self.entity,
            settings={"silent": self.offline},  # what it prints names a folder that is about to be renamed
        )


class _OneRun(WandbLogger):
    """Ends its run with the training, before the folder is renamed and the next clip's training begins."""

    def finalize(self, status: str) -> None:
        """Writes everything out."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(status != "success"))


@dataclass(frozen=True)
class TensorBoard:
    """TensorBoard event files; needs the `tensorboard` extra."""

    def __call__(self, folder: Path) -> Logger:
        """Events in a folder of its own. Raises InputError if tensorboard is not installed."""
        try:
            return TensorBoardLogger(folder, name="tensorboard", version="")
        except ModuleNotFoundError as error:
            raise InputError(
                "logger=tensorboard needs a package more: pip install 'motion-inversion[tensorboard]', or logger=csv"
            ) from error
