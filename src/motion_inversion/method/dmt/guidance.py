"""DMT's guidance: noisy latents optimised until their features change over time as the reference's do."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.shape import Latents
from motion_inversion.method.dmt.feature import read_features
from motion_inversion.method.dmt.loss import ChangeLoss, Means, spatial_mean


@dataclass(frozen=True, eq=False)
class MotionGuidance:
    """Moves noisy latents at a timestep towards the reference's motion (arXiv 2311.17009, section 4).

    model, layers: The frozen model, and those of its UNet's layers whose outputs are compared.
    loss: What is minimised, summed over the layers.
    steps: Steps of Adam, which starts afresh at each timestep.
    """

    model: Backbone
    layers: tuple[nn.Module, ...]
    loss: ChangeLoss
    steps: int

    def means(self, latents: Latents, t: Stop, condition: Condition) -> list[Means]:
        """The spatial means of the layers' features; of the reference's latents, they are the goals."""
        return [spatial_mean(feature) for feature in read_features(self.model, latents, t, condition, self.layers)]

    def __call__(self, latents: Latents, t: Stop, condition: Condition, goals: Sequence[Means], lr: float) -> Latents:
        """Latents near one clip's `latents` whose means change as `goals`; without classifier-free guidance.

        Raises:
            FloatingPointError: when the loss stops being finite.
        """
        moving = latents.detach().clone().requires_grad_()
        adam = torch.optim.Adam([moving], lr=lr)
        # Half precision would round most of these gradients to 0.
        scaler = GradScaler(self.model.device.type, enabled=self.model.dtype == torch.float16)
        with torch.enable_grad(), self.model.checkpointed():
            for _ in range(self.steps):
                pairs = zip(self.means(moving, t, condition), goals, strict=True)
                loss = torch.stack([self.loss(mean, goal) for mean, goal in pairs]).sum()
                if not torch.isfinite(loss):
                    raise FloatingPointError(f"guidance: the loss is {loss.item()} at timestep {t}")
                adam.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(adam)
                scaler.update()
        return moving.detach()
