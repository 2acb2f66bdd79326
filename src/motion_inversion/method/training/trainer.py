"""What can be set of Lightning's trainer."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge

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
_MOST_BATCHES = 4096
_COUNTED = ("max_steps", "accumulate_grad_batches")
_SELDOM = ("gradient_clip_algorithm", "max_time", "benchmark", "detect_anomaly", "profiler")
_MIXED = {torch.float32: "32-true", torch.float16: "16-mixed", torch.bfloat16: "bf16-mixed"}
_PRECISIONS = (None, 32, "32", "32-true", 16, "16", "16-mixed", "bf16", "bf16-mixed")


@dataclass(frozen=True)
class Trainer:
    """Lightning's trainer, made when a training begins: loading Lightning takes a second.

    Args:
        max_steps: Iterations.
        accumulate_grad_batches: Batches to an iteration.
        gradient_clip_val: Bound of the gradients; null for none.
        precision: null for the model's, mixed for half precision.
        fast_dev_run: Whether to try one iteration, or so many, and keep nothing.
        log_every_n_steps: Iterations between what loggers are told.
        gradient_clip_algorithm: Whether the bound is of their norm or of each value.
        max_time: After which a training stops, DD:HH:MM:SS; repeating the command goes on.
        benchmark: Whether cuDNN tries its algorithms first.
        detect_anomaly: Whether to name the operation that made a gradient NaN.
        profiler: What is measured.
    """

    max_steps: int
    accumulate_grad_batches: int = 1
    gradient_clip_val: float | None = None
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "32", "16", "bf16", 32, 16] | None = None
    fast_dev_run: bool | int = False
    log_every_n_steps: Annotated[int, Ge(1)] = 10
    gradient_clip_algorithm: Literal["norm", "value"] | None = None
    max_time: str | Mapping[str, int] | None = None
    benchmark: bool | None = None
    detect_anomaly: bool | None = None
    profiler: Literal["simple", "advanced"] | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """The settings as Lightning's arguments: those of conf/trainer, and what is set besides."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if not (name in _SELDOM and value is None)}

    def __call__(self, **others: Any) -> Any:
        """The `pytorch_lightning.Trainer` with these settings and others, which go before."""
        from pytorch_lightning import Trainer as LightningTrainer

        return LightningTrainer(**{**self.keywords, **others})


def settings_of(trainer: Callable[..., Any] | None) -> Mapping[str, Any]:
    """What a trainer is given: a `Trainer`, or a partial of one's own."""
    return getattr(trainer, "keywords", {})


def check_trainer(trainer: Callable[..., Any] | None) -> None:
    """Checks what a training could not heed, or would never end with.

    Raises:
        InputError: a setting that training makes itself, a count of steps below 1, a precision that what is learnt
            can't have, or a bound of gradients that is none.
    """
    if not hasattr(trainer, "keywords"):
        return
    settings = {"max_steps": -1, **settings_of(trainer)}
    for key in _OURS:
        if key in settings:
            raise InputError(f"trainer.{key} follows from the other settings and can't be set; drop trainer.{key}")
    for key in _COUNTED:
        if key in settings and settings[key] < 1:
            raise InputError(f"trainer.{key}={settings[key]}: at least 1 is needed; set trainer.{key}=1 or more")
    if settings.get("accumulate_grad_batches", 1) > _MOST_BATCHES:
        raise InputError(
            f"trainer.accumulate_grad_batches={settings['accumulate_grad_batches']}: accepted are 1 to {_MOST_BATCHES} "
            "batches to a step; set trainer.accumulate_grad_batches=1"
        )
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
    return str(settings_of(trainer).get("precision") or _MIXED[dtype])
