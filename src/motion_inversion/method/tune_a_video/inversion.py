"""The reference's inversion by a tuned model, in place of the frozen model's that initial noise is mixed of."""

import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.noise import Noise
from motion_inversion.core.sampler import OdeInversion, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.method.method import Reference


def inverted(
    model: Backbone, reference: Reference, inversion: OdeInversion, progress: Progress | None = None
) -> Latents:
    """The reference's inverted latents by the model as it is now.

    Raises:
        FloatingPointError: when latents stop being finite.
    """
    condition = reference.condition
    if inversion.prompt is not None:
        condition = model.embed([inversion.prompt])
        model.release("text_encoder", "tokenizer")
    return model.invert(inversion, reference.latents, condition, progress)


def exchanged(noise: Latents, change: Latents, mix: Noise) -> Latents:
    """The `noise` that `mix` would have made of a clip whose inverted latents differ by `change`.

    Every mix is linear: mix(inverted + change, random) = mix(inverted, random) + mix(change, 0).
    """
    return noise + mix(change.to(noise).expand_as(noise), torch.zeros_like(noise))
