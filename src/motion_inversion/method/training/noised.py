"""A noised batch of the reference, and the loss of what is learnt from it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.loss import Loss, compared
from motion_inversion.core.process import Compared
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.core.timestep import Timestep
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

_TOLD = 1e-4  # of what is compared, by a prediction of 1: less leaves no gradient to speak of
_DRAWS = 100_000  # of timesteps, to find out which there are


@dataclass(frozen=True, eq=False)
class Noised:
    """A noised batch of the reference: what the network is given, and what it should answer.

    draw: of whatever else is drawn for the batch.
    """

    latents: Latents
    t: Int[Tensor, " b"]
    condition: Condition
    target: Latents
    draw: torch.Generator


@runtime_checkable
class Learning(Protocol):
    """What is said of a training on noised batches: what is minimised, and at which noise levels."""

    @property
    def loss(self) -> Loss: ...
    @property
    def timestep(self) -> Timestep: ...


def check_noised(method: Learning, model: Backbone) -> None:
    """Tries noise levels and loss once, on random numbers in the shape of the model's clips; no weights are needed.

    Raises:
        InputError: for timesteps that the model doesn't have, or where what the loss compares is the same whatever the
            network predicts, or a loss that has no meaning for so many latent frames.
    """
    draw = torch.Generator().manual_seed(0)
    _require_told(compared(method.loss), method.timestep(_DRAWS, model.process.levels, draw), model)
    prediction, target = torch.randn(2, *model.latent_shape, generator=draw)
    tried = copy.deepcopy(method.loss)  # a loss may count its calls
    _require_scalar(tried, tried(prediction, target, draw))


def require_asked(sites: Sequence[Site], timestep: Timestep, levels: int) -> None:
    """Checks that a network asks some of the sites at every noise level that is trained on: of one expert, it may not.

    Raises:
        InputError: if it doesn't, as a step there could teach nothing.
    """
    spans = {site.times for site in sites}
    known = [span for span in spans if span]
    if len(known) < len(spans):
        return
    drawn = timestep(_DRAWS, levels, torch.Generator().manual_seed(0))
    asked = torch.stack([(drawn >= first) & (drawn <= last) for first, last in known]).any(dim=0)
    if not asked.all():
        first, last = min(known)[0], max(known)[1]
        raise InputError(
            f"the network asks the blocks of method.layout at timesteps {first} to {last} alone, and "
            f"{1 - asked.float().mean():.1%} of the steps would be at others, where they can't learn; set "
            f"timestep=range method.timestep.low={first} method.timestep.high={last + 1}, or method.layout.blocks=[all]"
        )


def _require_told(on: Compared, drawn: Int[Tensor, " n"], model: Backbone) -> None:
    """Raises InputError if the prediction tells nothing of what is compared at any of these timesteps: at noise alone,
    a v or a velocity says nothing of ε."""
    times = drawn.unique()
    nothing = torch.zeros(len(times), 1, 1, 1, 1)
    told = model.process.read(on, nothing + 1, nothing, times) - model.process.read(on, nothing, nothing, times)
    if not (told.abs() > _TOLD).any():
        raise InputError(
            f"method.loss.on={on} at timesteps {int(times.min())} to {int(times.max())}: the network's prediction says "
            "nothing of it there, so nothing is learnt; set method.loss.on=prediction, or draw more timesteps with "
            "timestep=uniform"
        )


def loss_of(part: str, loss: Loss, model: Backbone) -> Callable[[Noised], dict[str, Scalar]]:
    """From a noised batch to the loss of one part, of the prediction by `model` as it is then.

    Calling it raises InputError for a loss that gives no scalar.
    """

    def losses(noised: Noised) -> dict[str, Scalar]:
        prediction = model.predict(noised.latents, noised.t, noised.condition)
        on = compared(loss)
        told, meant = (model.process.read(on, each, noised.latents, noised.t) for each in (prediction, noised.target))
        value = loss(told, meant, noised.draw)
        _require_scalar(loss, value)
        return {part: value}

    return losses


def _require_scalar(loss: Loss, value: object) -> None:
    if not (isinstance(value, Tensor) and value.ndim == 0):
        name = getattr(loss, "__name__", type(loss).__name__)
        found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"method.loss: {name} gives {found}, a scalar tensor is needed; end it with .mean()")
