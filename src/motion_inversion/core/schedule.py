"""Noise levels of a diffusion model, and the deterministic DDIM loops down and up them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from torch import Tensor

from motion_inversion.core.error import InputError
from motion_inversion.core.shape import Latents

Time: TypeAlias = int | Int[Tensor, " b"]
"""A timestep for the whole batch, or one per clip; a negative one is the clean end of sampling."""

Denoise: TypeAlias = Callable[[Latents, int], Latents]
"""The network: (latents, timestep) → prediction, guidance included."""

Progress: TypeAlias = Callable[[Sequence[int]], Iterable[int]]
"""Wraps the timesteps of a loop to show how far it is, as `tqdm` does."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (DDPM, arXiv 2006.11239), and what the network predicts of it.

    Each result is computed in fp32 at least and has the dtype of x: give the loops fp32 latents.

    Args:
        alphas_cumprod: ᾱ_t for t = 0 … T − 1, falling.
        final_alpha_cumprod: ᾱ of the latents that sampling ends with: 1, or ᾱ_0 for models trained so.
        prediction_type: "epsilon": ε; "v_prediction": v = √ᾱ_t ε − √(1 − ᾱ_t) x_0 (arXiv 2202.00512).
        steps_offset: The cleanest timestep that sampling visits, under "leading" spacing.
        timestep_spacing: "leading" counts a loop's timesteps from the clean end and misses the noisiest levels, as
            ZeroScope's does; "trailing" counts from the noisiest level (arXiv 2305.08891, table 2).
    """

    alphas_cumprod: Float[Tensor, " t"]
    final_alpha_cumprod: Float[Tensor, ""]
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    steps_offset: int = 0
    timestep_spacing: Literal["leading", "trailing"] = "leading"

    @classmethod
    def from_scheduler(cls, scheduler: DDIMScheduler) -> "Schedule":
        """The schedule that a model's own scheduler configuration describes.

        Raises:
            InputError: for settings that this module does not implement, rather than ignore them.
        """
        config = scheduler.config
        accepted = {
            "prediction_type": ("epsilon", "v_prediction"),
            "timestep_spacing": ("leading", "trailing"),
            "clip_sample": (False,),
            "thresholding": (False,),
        }
        for key, values in accepted.items():
            if config[key] not in values:
                raise InputError(
                    f"the model's scheduler has {key}={config[key]}: accepted is "
                    f"{' or '.join(map(str, values))}; mend its configuration or choose another model="
                )
        return cls(
            alphas_cumprod=scheduler.alphas_cumprod,
            final_alpha_cumprod=torch.as_tensor(scheduler.final_alpha_cumprod),
            prediction_type=config["prediction_type"],
            steps_offset=config["steps_offset"],
            timestep_spacing=config["timestep_spacing"],
        )

    def timesteps(self, steps: int, option: str = "sampler.steps") -> list[int]:
        """The timesteps of a loop, noisiest first.

        Raises:
            InputError: for steps that do not fit into the T noise levels; it names `option`, their origin.
        """
        return [t for t, _ in self.transitions(steps, option)]

    def transitions(self, steps: int, option: str = "sampler.steps") -> list[tuple[int, int]]:
        """Every timestep of a loop and the one that sampling goes to from there, noisiest first, k from 0.

        "leading": offset + ⌊T / steps⌋ k, each followed by the one ⌊T / steps⌋ below. "trailing":
        round(T − k T / steps) − 1, each followed by the next, the last by the clean end.

        Raises:
            InputError: for steps that do not fit into the T noise levels; it names `option`, their origin.
        """
        _check_steps(steps, option)
        count = len(self.alphas_cumprod)
        most = count - (self.steps_offset if self.timestep_spacing == "leading" else 0)
        stride = count // steps
        if self.timestep_spacing == "leading":
            timesteps = [self.steps_offset + stride * k for k in reversed(range(steps))]
            following = [t - stride for t in timesteps]
        else:
            timesteps = [round(count - k * count / steps) - 1 for k in range(steps)]
            following = [*timesteps[1:], -1]
        if steps > count or timesteps[0] >= count:
            raise InputError(
                f"{option}={steps} does not fit into the model's {count} noise levels: "
                f"accepted are 1 to {most}; set {option}=50"
            )
        return list(zip(timesteps, following, strict=True))

    def add_noise(self, x0: Latents, noise: Latents, t: Time) -> Latents:
        """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε."""
        signal, sigma = self._scales(t, x0)
        return (signal * x0 + sigma * noise).to(x0.dtype)

    def target(self, x0: Latents, noise: Latents, t: Time) -> Latents:
        """What the network should predict at x_t: ε or v."""
        if self.prediction_type == "epsilon":
            return noise
        signal, sigma = self._scales(t, x0)
        return (signal * noise - sigma * x0).to(x0.dtype)

    def to_noise(self, prediction: Latents, x: Latents, t: Time) -> Latents:
        """ε as predicted at x = x_t."""
        if self.prediction_type == "epsilon":
            return prediction
        signal, sigma = self._scales(t, x)
        return (signal * prediction + sigma * x).to(x.dtype)

    def to_clean(self, prediction: Latents, x: Latents, t: Time) -> Latents:
        """x_0 as predicted at x = x_t."""
        signal, sigma = self._scales(t, x)
        if self.prediction_type == "epsilon":
            return ((x - sigma * prediction) / signal).to(x.dtype)
        return (signal * x - sigma * prediction).to(x.dtype)

    def relevel(self, x: Latents, x0: Latents, t: Time, t_next: Time) -> Latents:
        """x_{t_next} of the same noise as x = x_t of x0 has."""
        signal, sigma = self._scales(t, x)
        return self.add_noise(x0.to(x), (x - signal * x0.to(x)) / sigma, t_next)

    def step(self, x: Latents, prediction: Latents, t: Time, t_next: Time) -> Latents:
        """One DDIM step (arXiv 2010.02502, eq. 12, η = 0) from x = x_t and its prediction to x_{t_next}."""
        x0 = self.to_clean(prediction, x, t)
        return self.add_noise(x0, self.to_noise(prediction, x, t), t_next)

    def unstep(self, x: Latents, prediction: Latents, t: Time, t_next: Time) -> Latents:
        """The x_{t_next} from which one step with this prediction leads to x = x_t: the inverse of `step`.

        The network is asked at (x_t, t_next), as x_{t_next} isn't known yet. With an ε prediction it is
        √ᾱ_{t_next} (x_t − √(1 − ᾱ_t) ε) / √ᾱ_t + √(1 − ᾱ_{t_next}) ε. A v belongs to the level t_next; its ε
        is the one that agrees with both v and x_t.
        """
        signal, sigma = self._scales(t, x)
        noise = prediction
        if self.prediction_type == "v_prediction":
            signal_next, sigma_next = self._scales(t_next, x)
            noise = (sigma_next * x + signal * prediction) / (signal_next * signal + sigma_next * sigma)
        return self.add_noise((x - sigma * noise) / signal, noise, t_next).to(x.dtype)

    def _scales(self, t: Time, x: Latents) -> tuple[Tensor, Tensor]:
        """√ᾱ_t and √(1 − ᾱ_t), to multiply latents like x with."""
        t = torch.as_tensor(t, device=x.device)
        alphas = self.alphas_cumprod.to(x.device)
        alpha = torch.where(t < 0, self.final_alpha_cumprod.to(x.device), alphas[t.clamp(min=0)])
        alpha = alpha.view(-1, 1, 1, 1, 1)
        return alpha.sqrt(), (1 - alpha).sqrt()


@dataclass(frozen=True)
class Ddim:
    """Deterministic sampling (DDIM, arXiv 2010.02502, η = 0).

    Args:
        steps: How many network evaluations (pairs of them under guidance).

    Raises:
        InputError: below one step; when sampling, for more than the model has noise levels.
    """

    steps: int = 50

    def __post_init__(self) -> None:
        _check_steps(self.steps, "sampler.steps")

    @torch.no_grad()
    def sample(
        self, schedule: Schedule, denoise: Denoise, noise: Latents, progress: Progress | None = None, skip: int = 0
    ) -> Latents:
        """Clean latents from the noisiest ones; or, with the first `skip` steps left out, from those of a later one.

        Raises:
            FloatingPointError: when latents stop being finite; it names the step.
        """
        latents, following = noise, dict(schedule.transitions(self.steps, "sampler.steps"))
        timesteps = list(following)
        for t in progress(timesteps[skip:]) if progress else timesteps[skip:]:
            latents = schedule.step(latents, denoise(latents, t), t, following[t])
            _check_finite(latents, t, timesteps, "sampling")
        return latents


@dataclass(frozen=True)
class DdimInversion:
    """The sampling loop run backwards, with `Schedule.unstep`: roughly the noise that leads to given latents.

    It visits the timesteps of a `Ddim` of as many steps, cleanest first, and is exact as far as predictions
    are the same on both ways.

    Args:
        steps: How many network evaluations; 50 in Motion Inversion, 999 in DMT, which keeps every latent.
        prompt: What the network is told meanwhile, without guidance. Nothing in the codes of VMC and Motion
            Inversion; None is the clip's own prompt, as in DMT's.

    Raises:
        InputError: below one step; when inverting, for more than the model has noise levels.
    """

    steps: int = 50
    prompt: str | None = ""

    def __post_init__(self) -> None:
        _check_steps(self.steps, "inversion.steps")

    @torch.no_grad()
    def invert(
        self,
        schedule: Schedule,
        denoise: Denoise,
        latents: Latents,
        progress: Progress | None = None,
        visit: Callable[[int, Latents], object] | None = None,
    ) -> Latents:
        """The noisiest latents from clean ones; `visit(t, x_t)` is called after every step.

        Raises:
            FloatingPointError: when latents stop being finite; it names the step.
        """
        following = dict(reversed(schedule.transitions(self.steps, "inversion.steps")))
        timesteps = list(following)
        for t in progress(timesteps) if progress else timesteps:
            latents = schedule.unstep(latents, denoise(latents, t), following[t], t)
            _check_finite(latents, t, timesteps, "inversion")
            if visit:
                visit(t, latents)
        return latents


def _check_steps(steps: int, option: str) -> None:
    if steps < 1:
        raise InputError(f"{option}={steps}: at least one step is needed; set {option}=50")


def _check_finite(latents: Latents, t: int, timesteps: list[int], loop: str) -> None:
    if not torch.isfinite(latents).all():
        step = timesteps.index(t) + 1
        raise FloatingPointError(f"{loop}: latents not finite after step {step} of {len(timesteps)} (timestep {t})")
