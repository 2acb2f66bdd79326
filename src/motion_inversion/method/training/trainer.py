"""Lightning's trainer on the model's device: what of it can be set, and whether it can be made at all."""

import functools
import logging
import math
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

# Settings of the trainer that follow from the model, the axes and the folder, or would repeat the same draws.
_OURS = (
    "accelerator",
    "barebones",
    "callbacks",
    "default_root_dir",
    "devices",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "limit_train_batches",
    "logger",
    "max_epochs",
    "num_nodes",
    "overfit_batches",
    "plugins",
    "strategy",
)
_COUNTED = ("max_steps", "accumulate_grad_batches")
_MIXED = {torch.float32: "32-true", torch.float16: "16-mixed", torch.bfloat16: "bf16-mixed"}
_PRECISIONS = (None, 32, "32", "32-true", 16, "16", "16-mixed", "bf16", "bf16-mixed")


def check_trainer(trainer: Callable[..., Any] | None) -> None:
    """Checks what a training could not heed, or would never end with.

    Raises:
        InputError: a setting that training makes itself, a count of steps below 1, a precision that what is learnt
            can't have, or a bound of gradients that is none.
    """
    if not isinstance(trainer, functools.partial):
        return
    settings = {"max_steps": -1, **trainer.keywords}
    for key in _OURS:
        if key in settings:
            raise InputError(f"trainer.{key} follows from the other settings and can't be set; drop trainer.{key}")
    for key in _COUNTED:
        if key in settings and settings[key] < 1:
            raise InputError(f"trainer.{key}={settings[key]}: at least 1 is needed; set trainer.{key}=1 or more")
    if (precision := settings.get("precision")) not in _PRECISIONS:
        raise InputError(
            f"trainer.precision={precision}: what is learnt is in single precision; accepted are 32-true, 16-mixed and "
            "bf16-mixed; set trainer.precision=null for the model's"
        )
    bound = settings.get("gradient_clip_val")
    if bound is not None and not 0 < bound < math.inf:
        raise InputError(
            f"trainer.gradient_clip_val={bound}: accepted are finite numbers above 0, and null for no bound; set "
            "trainer.gradient_clip_val=1.0"
        )


def precision(trainer: Callable[..., Any] | None, dtype: torch.dtype) -> str:
    """In Lightning's words: what the trainer says, or what a model of this type is trained in."""
    settings = trainer.keywords if isinstance(trainer, functools.partial) else {}
    return str(settings.get("precision") or _MIXED[dtype])


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
