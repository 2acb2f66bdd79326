"""Lightning's trainer on the model's device, and what it refuses as one line."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import SIGTERMException

from motion_inversion.error import InputError
from motion_inversion.method.training.trainer import precision


def made(
    trainer: Callable[..., Any],
    device: torch.device,
    dtype: torch.dtype,
    folder: Path,
    callbacks: Sequence[pl.Callback] = (),
    loggers: Sequence[Any] = (),
) -> pl.Trainer:
    """The trainer on this device, in mixed precision for half `dtype`s; what it writes by itself is in `folder`.

    It is told that it is alone: under Slurm it would restore checkpoints and requeue jobs by itself.

    Raises:
        InputError: when it refuses its settings, or the surroundings that the process runs in.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with told(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        return trainer(
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            precision=precision(trainer, dtype),
            default_root_dir=folder,
            plugins=[LightningEnvironment()],
            enable_progress_bar=False,  # ours says which clip it is
            enable_checkpointing=False,
            enable_model_summary=False,
            max_epochs=-1,
            **_hardware(device),
        )


@contextmanager
def told(whether: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Turns what Lightning raises while it sets up into one line, as long as `whether`."""
    try:
        yield
    except (InputError, FloatingPointError, SIGTERMException):
        raise
    except Exception as error:  # its own, and whatever its plugins and packages raise
        if not whether():
            raise
        reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
        raise InputError(f"the trainer refuses its settings: {reason}; change or drop trainer.…") from error


def _hardware(device: torch.device) -> dict[str, Any]:
    """The trainer's device is the model's."""
    if device.type == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu", "devices": [device.index or 0]}
