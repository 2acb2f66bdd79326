"""The loops down and up the noise levels: deterministic sampling, and its inversion."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import torch
from annotated_types import Interval

from motion_inversion.core.process import Process, Stop, check_steps
from motion_inversion.core.shape import Latents

Denoise: TypeAlias = Callable[[Latents, Stop], Latents]
"""The network: (latents, timestep) → prediction, guidance included."""

Progress: TypeAlias = Callable[[Sequence[Stop]], Iterable[Stop]]
"""Wraps the timesteps of a loop to show how far it is, as `tqdm` does."""


@dataclass(frozen=True)
class Ddim:
    """Deterministic sampling: DDIM (arXiv 2010.02502, η = 0), which is Euler's method on a rectified flow.

    Args:
        steps: How many network evaluations (pairs of them under guidance).
        guidance: Classifier-free guidance scale w: the prediction is p_∅ + w (p_text − p_∅) (arXiv 2207.12598); 1 is
            none.

    Raises:
        InputError: below one step; when sampling, for more than the model has noise levels.
    """

    steps: int = 50
    guidance: Annotated[float, Interval(ge=0, le=1000)] = 1.0

    def __post_init__(self) -> None:
        check_steps(self.steps, "sampler.steps")

    @torch.no_grad()
    def sample(
        self, process: Process, denoise: Denoise, noise: Latents, progress: Progress | None = None, skip: int = 0
    ) -> Latents:
        """Clean latents from the noisiest ones; or, with the first `skip` steps left out, from those of a later one.

        Raises:
            FloatingPointError: when latents stop being finite; it names the step.
        """
        latents, following = noise, dict(process.transitions(self.steps, "sampler.steps"))
        timesteps = list(following)
        for t in progress(timesteps[skip:]) if progress else timesteps[skip:]:
            latents = process.step(latents, denoise(latents, t), t, following[t])
            _check_finite(latents, t, timesteps, "sampling")
        return latents


@dataclass(frozen=True)
class OdeInversion:
    """The sampling loop run backwards, with `Process.unstep`: roughly the noise that leads to given latents.

    It visits the timesteps of a `Ddim` of as many steps, cleanest first, and is exact as far as predictions
    are the same on both ways.

    Args:
        steps: How many network evaluations; 50 in Motion Inversion, 999 in DMT, which keeps every latent.
        prompt: What the network is told meanwhile, without guidance. Nothing in the codes of VMC and Motion
            Inversion; None is the clip's own prompt, as in DMT's.
        measure: Whether the clip is sampled back, at the cost of as many evaluations, to say what inversion loses:
            users of some transformers see washed-out clips come back.

    Raises:
        InputError: below one step; when inverting, for more than the model has noise levels.
    """

    steps: int = 50
    prompt: str | None = ""
    measure: bool = field(default=False, metadata={"digest": False})

    def __post_init__(self) -> None:
        check_steps(self.steps, "inversion.steps")

    @torch.no_grad()
    def invert(
        self,
        process: Process,
        denoise: Denoise,
        latents: Latents,
        progress: Progress | None = None,
        visit: Callable[[Stop, Latents], object] | None = None,
    ) -> Latents:
        """The noisiest latents from clean ones; `visit(t, x_t)` is called after every step.

        Raises:
            FloatingPointError: when latents stop being finite; it names the step.
        """
        following = dict(reversed(process.transitions(self.steps, "inversion.steps")))
        timesteps = list(following)
        for t in progress(timesteps) if progress else timesteps:
            latents = process.unstep(latents, denoise(latents, t), following[t], t)
            _check_finite(latents, t, timesteps, "inversion")
            if visit:
                visit(t, latents)
        return latents


@dataclass(frozen=True)
class RoundTrip:
    """What inversion and sampling back made of latents: 0 and 1 for a perfect one.

    error: The difference's norm, as a share of the deviation of the latents from their mean.
    contrast: The standard deviation, as a share of what it was: below 1, the clip comes back washed out.
    """

    error: float
    contrast: float

    @classmethod
    def of(cls, latents: Latents, back: Latents) -> "RoundTrip":
        """Compares latents with what came back."""
        deviation = (latents - latents.mean()).norm()
        return cls(float((back - latents).norm() / deviation), float((back - back.mean()).norm() / deviation))


def _check_finite(latents: Latents, t: Stop, timesteps: list[Stop], loop: str) -> None:
    if not torch.isfinite(latents).all():
        step = timesteps.index(t) + 1
        raise FloatingPointError(f"{loop}: latents not finite after step {step} of {len(timesteps)} (timestep {t:g})")
