"""What a training needs of its method: counts, and an optimizer that can be made."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from motion_inversion.error import InputError

_EMPTY = "empty parameter list"  # what torch says of no parameters, once the settings are accepted
MOST = 1e6  # of an optimizer's settings: a step of such a learning rate ends every training


@runtime_checkable
class Trained(Protocol):
    """What a training needs of its method beside the trainer's own settings.

    optimizer: A partial torch optimizer.
    batch_size: Noised copies of the reference per step.
    checkpoint_every: Steps between checkpoints, or more where these take long.
    preview_every: Steps between previews; 0 for none.
    """

    @property
    def optimizer(self) -> Callable[..., torch.optim.Optimizer]: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def preview_every(self) -> int: ...


def check_training(method: Trained) -> None:
    """Raises InputError for counts that are too small, or settings that the optimizer refuses."""
    for key, least in {"batch_size": 1, "checkpoint_every": 1, "preview_every": 0}.items():
        if (given := getattr(method, key)) < least:
            raise InputError(f"method.{key}={given}: at least {least} is needed; set method.{key}={least}")
    try:  # torch looks at settings first; with a parameter it would load its compiler, which takes a second
        made_optimizer(method.optimizer, [])
    except InputError as error:
        if _EMPTY not in str(error):
            raise


def check_optimizer(method: Trained, device: torch.device) -> None:
    """Takes a step with the optimizer, as some settings are refused no earlier.

    Raises:
        InputError: for settings that it refuses, or that it can't follow on this device.
    """
    parameter = torch.nn.Parameter(torch.zeros(1, device=device))
    parameter.grad = torch.ones_like(parameter)
    optimizer = made_optimizer(method.optimizer, [{"params": [parameter]}])
    try:
        optimizer.step(lambda: 1.0)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        changed = ", ".join(f"{key}={value}" for key, value in _settings(method.optimizer).items())
        raise InputError(
            f"method.optimizer can't take a step on {device} with {changed}: {error}; drop one of these settings"
        ) from error


def made_optimizer(
    make: Callable[..., torch.optim.Optimizer], groups: Sequence[Mapping[str, Any]]
) -> torch.optim.Optimizer:
    """The optimizer over groups of parameters.

    Raises:
        InputError: if it refuses its settings, or one is more than single precision can follow.
    """
    for key, value in _settings(make).items():
        if isinstance(value, float) and not abs(value) <= MOST:
            raise InputError(
                f"method.optimizer.{key}={value}: accepted are numbers up to {MOST:g}; set method.optimizer.{key}=…"
            )
    try:
        return make(groups)
    except (TypeError, ValueError) as error:
        raise InputError(f"method.optimizer can't be made: {error}; as in method.optimizer.lr=0.05") from error


def _settings(make: Callable[..., torch.optim.Optimizer]) -> Mapping[str, Any]:
    return make.keywords if isinstance(make, functools.partial) else {}
