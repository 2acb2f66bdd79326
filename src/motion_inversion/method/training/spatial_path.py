"""The path that learns how single frames look, so that what learns the motion needn't."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Le

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Mse
from motion_inversion.core.shape import Scalar
from motion_inversion.error import InputError
from motion_inversion.method.layer.lora import LowRank, check_dropout, check_rank, linear_names
from motion_inversion.method.layer.single_frame import single_frame
from motion_inversion.method.training.noised import Noised
from motion_inversion.method.training.setting import MOST

PART = "spatial"


@dataclass(frozen=True)
class SpatialPath:
    """The spatial LoRA of MotionDirector's dual path (arXiv 2310.08465).

    It sits in the self-attentions and feed-forward layers of the spatial transformers, not in the attention to the
    text. It learns from one random frame of the noised clip, which passes through the UNet without its temporal
    layers: L = E (ε̂_i − ε_i)². In the same step it is part of the model that the motion is learnt with, without
    learning from that.

    Args:
        rank: Of the LoRA.
        lr: Its learning rate.
        dropout: Share of its output's elements that training leaves out.
        mask: Probability that a step goes without it altogether.

    Raises:
        InputError: for values outside their ranges.

    The public code steps the optimizer of this path ahead of the other path's backward pass, which then uses
    weights that its forward pass did not have, or fails without gradient checkpointing. Here both gradients are
    those of the step's beginning.
    """

    rank: Annotated[int, Le(4096)]
    lr: float
    dropout: float
    mask: float

    def __post_init__(self) -> None:
        check_rank("method.spatial.rank", self.rank)
        if not 0 <= self.lr <= MOST:
            raise InputError(f"method.spatial.lr={self.lr}: accepted are 0 to {MOST:g}; set method.spatial.lr=5e-4")
        check_dropout("method.spatial.dropout", self.dropout, "0.1")
        if not 0 <= self.mask <= 1:
            raise InputError(
                f"method.spatial.mask={self.mask}: accepted are probabilities from 0 to 1; set method.spatial.mask=0.2"
            )

    def lora(self, model: Backbone, seed: int) -> LowRank:
        """The LoRA as training starts: it changes nothing yet."""
        from diffusers.models.transformers.transformer_2d import Transformer2DModel

        names = linear_names(model.network, Transformer2DModel, ("attn1", "ff"))
        return LowRank(model.network, names, self.rank, self.dropout, seed)

    def losses(self, model: Backbone, lora: LowRank, noised: Noised) -> dict[str, Scalar]:
        """The loss of the part "spatial", or none in a step without it; sets `lora`, attached, for that step."""
        if float(torch.rand((), generator=noised.draw)) < self.mask:
            lora.use(0.0)
            return {}
        lora.use(1.0, noised.draw)
        index = int(torch.randint(noised.latents.shape[2], (), generator=noised.draw))
        with single_frame(model.network):
            prediction = model.predict(noised.latents[:, :, index : index + 1], noised.t, noised.condition)
        return {PART: Mse()(prediction, noised.target[:, :, index : index + 1], noised.draw)}
