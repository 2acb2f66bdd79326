"""The reference at every noise level that a sampler visits, by DDIM inversion."""

import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim, OdeInversion, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.method import Reference


def inverted_trajectory(
    model: Backbone, reference: Reference, steps: int, inversion_steps: int, progress: Progress | None = None
) -> Latents:
    """x_t of the reference for the timesteps of a sampler of `steps`, a row for each, noisiest first.

    The inversion takes `inversion_steps` and is told the reference's own prompt, without guidance.

    Raises:
        InputError: if the inversion doesn't pass every timestep of the sampler.
        FloatingPointError: when latents stop being finite.
    """
    process = model.process
    kept = process.timesteps(steps, "method.sampling_steps")
    if missed := set(kept) - set(process.timesteps(inversion_steps, "method.inversion_steps")):
        raise InputError(
            f"method.inversion_steps={inversion_steps} does not pass timestep {max(missed)}, which sampling in "
            f"method.sampling_steps={steps} does; accepted are as many, or one per noise level; "
            f"set method.inversion_steps={steps}"
        )
    found: dict[Stop, Latents] = {}

    def visit(t: Stop, latents: Latents) -> None:
        if t in kept:
            found[t] = latents

    model.invert(OdeInversion(inversion_steps), reference.latents, reference.condition, progress, visit)
    return torch.cat([found[t] for t in kept])


def require_same_steps(kept: int, sampler: Ddim) -> None:
    """Raises InputError, naming both sides, if the sampler's steps aren't those that a trajectory was kept for."""
    if sampler.steps != kept:
        raise InputError(
            f"the state is for method.sampling_steps={kept}, the sampler has sampler.steps={sampler.steps}; "
            f"set method.sampling_steps={sampler.steps} and run stages=[train] anew"
        )
