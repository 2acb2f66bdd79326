"""From the prepared tensors to what a method samples from: initial noise and text states."""

from collections.abc import Sequence

import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.sampler import Progress
from motion_inversion.core.seed import generator
from motion_inversion.core.shape import Latents
from motion_inversion.data.clip import Clip
from motion_inversion.method.method import Request
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import read_condition, read_tensor

Pair = tuple[str, int]
"""A target prompt and a seed: one clip to generate."""


def pairs_of(clip: Clip) -> list[Pair]:
    """All that are to be generated of a clip: every target prompt with every seed."""
    return [(prompt, seed) for prompt in clip.prompts for seed in clip.seeds]


def initial_noise(address: Address, model: Backbone, clip: Clip, pairs: Sequence[Pair]) -> Latents:
    """Initial latents (b, c, f, h, w), one per pair.

    What is random depends on (seed, clip, prompt) alone: every method starts a sample from the same draw, in
    any order and batch.
    """
    draws = [generator(seed, clip.name, prompt) for prompt, seed in pairs]
    random = torch.cat([torch.randn(model.latent_shape, generator=draw) for draw in draws])
    inverted = random
    if address.noise.needs_inversion:
        inverted = _inverted(address, model, clip).expand_as(random)
    return address.noise(inverted, random)


def _inverted(address: Address, model: Backbone, clip: Clip) -> Latents:
    """The inverted noise at the timestep that sampling starts from; an inversion in other steps ends elsewhere."""
    inverted = read_tensor(address.inverted(clip), "inverted")
    end = model.process.timesteps(address.inversion.steps, "inversion.steps")[0]
    start = model.process.timesteps(address.sampler.steps)[0]
    if start == end:
        return inverted
    return model.process.relevel(inverted, read_tensor(address.reference(clip), "latents"), end, start)


def sampling_request(address: Address, clip: Clip, pairs: Sequence[Pair], progress: Progress | None = None) -> Request:
    """What the pairs' prompts and the negative prompt tell the model, with the sampler.

    Seeds, too, depend on (seed, clip, prompt) alone.
    """
    condition = Condition.cat([read_condition(address.text(address.worded(prompt))) for prompt, _ in pairs])
    negative = read_condition(address.text(address.negative_prompt))
    seeds = tuple(generator(seed, clip.name, prompt, "on the way").initial_seed() for prompt, seed in pairs)
    return Request(condition, negative, clip.motion, address.sampler, progress, seeds)
