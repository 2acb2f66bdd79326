"""A noised batch of the reference, and the loss of what is learnt from it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.loss import Loss, compared
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.error import InputError


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


def loss_of(part: str, loss: Loss, model: Backbone) -> Callable[[Noised], dict[str, Scalar]]:
    """From a noised batch to the loss of one part, of the prediction by `model` as it is then.

    Calling it raises InputError for a loss that gives no scalar.
    """

    def losses(noised: Noised) -> dict[str, Scalar]:
        prediction = model.predict(noised.latents, noised.t, noised.condition)
        on = compared(loss)
        told, meant = (model.process.read(on, each, noised.latents, noised.t) for each in (prediction, noised.target))
        value = loss(told, meant, noised.draw)
        if not (isinstance(value, Tensor) and value.ndim == 0):
            name = getattr(loss, "__name__", type(loss).__name__)
            found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"method.loss: {name} gives {found}, a scalar tensor is needed; end it with .mean()")
        return {part: value}

    return losses
