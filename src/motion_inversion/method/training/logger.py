"""Experiment trackers that a training and its evaluation can report to; each mirrors what the folder holds anyway."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from motion_inversion.error import InputError
from motion_inversion.storage.login import require_login


@dataclass(frozen=True)
class Identity:
    """What a tracker's runs are told apart and grouped by.

    group: the experiment's name.
    config: its axes, a word each, the clip among them.
    job: which stage reports.
    name: of the run; "" for that of its folder.
    key: the same for a run that is sent once more, which a tracker that has it takes no second time; "" for none.
    """

    group: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    job: str = "train"
    name: str = ""
    key: str = ""


FOLDERS = ("wandb", "tensorboard")  # what they write, in the folder that they are given


@runtime_checkable
class LoggerFactory(Protocol):
    """Opens a Lightning logger that writes into a folder."""

    def require(self) -> None:
        """Raises InputError for a package or a login that is missing; asked before anything is written."""
        ...

    def __call__(self, folder: Path, identity: Identity) -> Any:
        """The logger, of a class that Lightning takes."""
        ...


@dataclass(frozen=True)
class Wandb:
    """Weights & Biases; offline unless asked.

    An offline run is in the state's folder, to be sent later: `wandb sync …/train/…/wandb/offline-run-…`.
    """

    project: str = "motion-inversion"
    offline: bool = True
    entity: str | None = None

    def require(self) -> None:
        """Raises InputError if an online run has no key to log in with."""
        require_login(self.offline, "logger.offline=true")

    def __call__(self, folder: Path, identity: Identity) -> Any:
        """A run named after its folder, in the group of its experiment, its axes as configuration."""
        from motion_inversion.method.training.lightning_logger import OneRun

        folder.mkdir(parents=True, exist_ok=True)
        return OneRun(
            name=identity.name or folder.stem,
            save_dir=folder,
            project=self.project,
            offline=self.offline,
            log_model=False,
            entity=self.entity,
            group=identity.group or None,
            job_type=identity.job,
            id=identity.key or None,  # which Lightning lets a run go on by
            config=dict(identity.config),
            settings={"silent": self.offline},  # what it prints names a folder that is about to be renamed
        )


@dataclass(frozen=True)
class TensorBoard:
    """TensorBoard event files; needs the `tensorboard` extra."""

    def require(self) -> None:
        """Raises InputError if tensorboard is not installed."""
        if find_spec("tensorboard") is None:
            raise InputError(
                "logger=tensorboard needs a package more: pip install 'motion-inversion[tensorboard]', or logger=csv"
            )

    def __call__(self, folder: Path, identity: Identity) -> Any:
        """Events in a folder of its own, the axes as hyperparameters."""
        from pytorch_lightning.loggers import TensorBoardLogger

        logger = TensorBoardLogger(folder, name="tensorboard", version="")
        logger.log_hyperparams({"experiment": identity.group, **identity.config})
        return logger
