"""The reference's inversion by a tuned model, in place of the frozen model's that initial noise is mixed of."""

import torch

from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.noise import Noise
from motion_inversion.core.schedule import DdimInversion, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.method.method import Reference


def inverted(
    model: VideoModel, reference: Reference, inversion: DdimInversion, progress: Progress | None = None
) -> Latents:
    """The reference's inverted latents by the model as it is now.

    Raises:
        FloatingPointError: when latents stop being finite.
    """
    states = reference.states
    if inversion.prompt is not None:
        states = model.embed_text([inversion.prompt])
        model.release("text_encoder", "tokenizer")
    return model.invert(inversion, reference.latents, states, progress)


def exchanged(noise: Latents, change: Latents, mix: Noise) -> Latents:
    """The `noise` that `mix` would have made of a clip whose inverted latents differ by `change`.

    Every mix is linear: mix(inverted + change, random) = mix(inverted, random) + mix(change, 0).
    """
    return noise + mix(change.to(noise).expand_as(noise), torch.zeros_like(noise))
