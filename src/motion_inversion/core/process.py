"""How a model's training mixed clips with noise, and the step that a deterministic sampler takes back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Real
from torch import Tensor

from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError

Stop: TypeAlias = int | float
"""A timestep at which a loop stops, whole or between two levels; noisier ones are larger, the clean end is negative."""

Time: TypeAlias = Stop | Real[Tensor, " b"]
"""A timestep for the whole batch, or one per clip."""

Prediction: TypeAlias = Literal["epsilon", "v", "velocity"]
"""What a network answers: ε; v = signal ε − sigma x_0 (arXiv 2202.00512); or the velocity u = ε − x_0."""

Compared: TypeAlias = Literal["prediction", "noise", "clean"]
"""What a loss compares: predictions as they are, or the noise or the clean latents that they stand for."""

Scales: TypeAlias = tuple[Tensor, Tensor]
"""Two factors of latents, shaped to multiply them."""

_MOST_STEPS = 10_000  # of sampling or inversion


@runtime_checkable
class Path(Protocol):
    """The levels between a clip and noise: x_t = signal(t) x_0 + sigma(t) ε.

    levels: how many timesteps training draws from, 0 to levels − 1; a loop may also visit times between them.
    """

    @property
    def levels(self) -> int: ...

    def scales(self, t: Tensor) -> Scales:
        """signal and sigma at timesteps t (b), each (b)."""
        ...

    def ladder(self, steps: int, option: str) -> list[Stop]:
        """Where a loop of so many steps stops, noisiest first, the clean end included: steps + 1 timesteps.

        Raises:
            InputError: for steps that the levels don't have; it names `option`, their origin.
        """
        ...

    def noisier(self, t: Stop, t_next: Stop) -> Scales:
        """The factors of x_t and of fresh noise that make an x_{t_next} of x_t, by the forward process."""
        ...


@dataclass(frozen=True, eq=False)
class AlphaBar:
    """Diffusion (DDPM, arXiv 2006.11239): signal = √ᾱ_t, sigma = √(1 − ᾱ_t).

    Args:
        alphas_cumprod: ᾱ_t for t = 0 … T − 1, falling; the last may be 0 (zero terminal SNR, arXiv 2305.08891).
        final_alpha_cumprod: ᾱ of the latents that sampling ends with: 1, or ᾱ_0 for models trained so.
        steps_offset: The cleanest timestep that sampling visits, under "leading" spacing.
        spacing: Where a loop of few steps stops (arXiv 2305.08891, table 2). "leading" counts from the clean end and
            misses the noisiest levels, as ZeroScope's does; "trailing" counts from the noisiest; "linspace" takes both.
    """

    alphas_cumprod: Float[Tensor, " t"]
    final_alpha_cumprod: Float[Tensor, ""]
    steps_offset: int = 0
    spacing: Literal["leading", "trailing", "linspace"] = "leading"

    @property
    def levels(self) -> int:
        """Number of levels T."""
        return len(self.alphas_cumprod)

    def scales(self, t: Tensor) -> Scales:
        """√ᾱ_t and √(1 − ᾱ_t)."""
        alphas = self.alphas_cumprod.to(t.device)
        alpha = torch.where(t < 0, self.final_alpha_cumprod.to(t.device), alphas[t.long().clamp(min=0)])
        return alpha.sqrt(), (1 - alpha).sqrt()

    def ladder(self, steps: int, option: str) -> list[Stop]:
        """ "leading": offset + ⌊T / steps⌋ k, down to one ⌊T / steps⌋ below the last, a negative timestep; "trailing":
        round(T − k T / steps) − 1, then −1; "linspace": round of `steps` even places from T − 1 to 0, then −1.
        """
        count = self.levels
        most = count - (self.steps_offset if self.spacing == "leading" else 0)
        if steps <= count and self.spacing == "leading":
            stride = count // steps
            stops: list[Stop] = [self.steps_offset + stride * k for k in reversed(range(-1, steps))]
        elif self.spacing == "trailing":
            stops = [*(round(count - k * count / steps) - 1 for k in range(steps)), -1]
        else:
            stops = [*(round((count - 1) * k / max(1, steps - 1)) for k in reversed(range(steps))), -1]
        if steps > count or stops[0] >= count:
            raise InputError(
                f"{option}={steps} does not fit into the model's {count} noise levels: "
                f"accepted are 1 to {most}; set {option}=50"
            )
        return stops

    def noisier(self, t: Stop, t_next: Stop) -> Scales:
        """√r and √(1 − r), r = ᾱ_{t_next} / ᾱ_t."""
        ratio = self.alphas_cumprod[int(t_next)] / self.alphas_cumprod[int(t)]
        return ratio.sqrt(), (1 - ratio).sqrt()


@dataclass(frozen=True, eq=False)
class Straight:
    """The straight path of a rectified flow (arXiv 2209.03003): sigma = (t + 1) / T, signal = 1 − sigma.

    So the integer timesteps of training are T even levels up to noise alone, as those of a diffusion are, and the clean
    end is t = −1. Sampling visits the times that `sigmas` gives, whole or not.

    Args:
        sigmas: From a number of steps to sigma at each stop of a loop, falling from (nearly) 1; the 0 at the end may
            be there or not. A model's own scheduler gives them, its shift included.
        levels: T.
    """

    sigmas: Callable[[int], Sequence[float]]
    levels: int = 1000

    def scales(self, t: Tensor) -> Scales:
        """1 − sigma and sigma."""
        sigma = ((t.double() + 1) / self.levels).float()
        return 1 - sigma, sigma

    def ladder(self, steps: int, option: str) -> list[Stop]:
        """T sigma − 1 for each stop."""
        sigmas = [float(sigma) for sigma in self.sigmas(steps)]
        if sigmas[-1] > 0:
            sigmas.append(0.0)
        return [self.levels * sigma - 1 for sigma in sigmas]

    def noisier(self, t: Stop, t_next: Stop) -> Scales:
        """(1 − σ') / (1 − σ), and what noise of variance is missing to σ'²."""
        (signal, sigma), (signal_next, sigma_next) = (self.scales(torch.tensor(time)) for time in (t, t_next))
        ratio = signal_next / signal
        return ratio, (sigma_next.square() - (ratio * sigma).square()).sqrt()


@dataclass(frozen=True, eq=False)
class Process:
    """A path and what the network predicts on it: all that training, sampling and inversion need of either.

    DDIM's step (arXiv 2010.02502, η = 0) goes to the latents of the same predicted clip and noise at another level. On
    a straight path that is Euler's step of the velocity, so that one step serves both. Each result is computed in fp32
    at least and has the dtype of x: give loops fp32 latents.
    """

    path: Path
    prediction: Prediction = "epsilon"

    @property
    def levels(self) -> int:
        """The number of timesteps that training draws from."""
        return self.path.levels

    def timesteps(self, steps: int, option: str = "sampler.steps") -> list[Stop]:
        """The timesteps of a loop, noisiest first.

        Raises:
            InputError: for steps that do not fit into the noise levels; it names `option`, their origin.
        """
        return [t for t, _ in self.transitions(steps, option)]

    def transitions(self, steps: int, option: str = "sampler.steps") -> list[tuple[Stop, Stop]]:
        """Every timestep of a loop and the one that sampling goes to from there, noisiest first.

        Raises:
            InputError: for steps that do not fit into the noise levels; it names `option`, their origin.
        """
        check_steps(steps, option)
        return list(pairwise(self.path.ladder(steps, option)))

    def add_noise(self, x0: Latents, noise: Latents, t: Time) -> Latents:
        """x_t = signal x_0 + sigma ε."""
        signal, sigma = self._scales(t, x0)
        return (signal * x0 + sigma * noise).to(x0.dtype)

    def target(self, x0: Latents, noise: Latents, t: Time) -> Latents:
        """What the network should predict at x_t."""
        match self.prediction:
            case "epsilon":
                return noise
            case "v":
                signal, sigma = self._scales(t, x0)
                return (signal * noise - sigma * x0).to(x0.dtype)
            case "velocity":
                return noise - x0

    def to_noise(self, prediction: Latents, x: Latents, t: Time) -> Latents:
        """ε as predicted at x = x_t."""
        if self.prediction == "epsilon":
            return prediction
        signal, sigma = self._scales(t, x)
        if self.prediction == "v":
            return (signal * prediction + sigma * x).to(x.dtype)
        return (x + signal * prediction).to(x.dtype)

    def to_clean(self, prediction: Latents, x: Latents, t: Time) -> Latents:
        """x_0 as predicted at x = x_t."""
        signal, sigma = self._scales(t, x)
        match self.prediction:
            case "epsilon":
                return ((x - sigma * prediction) / signal).to(x.dtype)
            case "v":
                return (signal * x - sigma * prediction).to(x.dtype)
            case "velocity":
                return (x - sigma * prediction).to(x.dtype)

    def read(self, kind: Compared, prediction: Latents, x: Latents, t: Time) -> Latents:
        """A prediction at x = x_t as it is, or the ε or the x_0 that it stands for."""
        match kind:
            case "prediction":
                return prediction
            case "noise":
                return self.to_noise(prediction, x, t)
            case "clean":
                return self.to_clean(prediction, x, t)

    def from_clean(self, x0: Latents, x: Latents, t: Time) -> Latents:
        """The prediction at x = x_t that `to_clean` reads as x0."""
        signal, sigma = self._scales(t, x)
        return self.target(x0.to(x), ((x - signal * x0) / sigma).to(x), t)

    def relevel(self, x: Latents, x0: Latents, t: Time, t_next: Time) -> Latents:
        """x_{t_next} of the same noise as x = x_t of x0 has."""
        signal, sigma = self._scales(t, x)
        return self.add_noise(x0.to(x), (x - signal * x0.to(x)) / sigma, t_next)

    def noised_back(self, x: Latents, noise: Latents, t: Stop, t_next: Stop) -> Latents:
        """An x_{t_next} from x = x_t by the forward process itself, with fresh noise."""
        kept, fresh = self.path.noisier(t, t_next)
        return kept * x + fresh * noise

    def step(self, x: Latents, prediction: Latents, t: Time, t_next: Time) -> Latents:
        """One deterministic step from x = x_t and its prediction to x_{t_next}: DDIM's, or Euler's."""
        x0 = self.to_clean(prediction, x, t)
        return self.add_noise(x0, self.to_noise(prediction, x, t), t_next)

    def unstep(self, x: Latents, prediction: Latents, t: Time, t_next: Time) -> Latents:
        """The x_{t_next} from which one step with this prediction leads to x = x_t: the inverse of `step`.

        The network is asked at (x_t, t_next), as x_{t_next} isn't known yet. With an ε prediction it is
        √ᾱ_{t_next} (x_t − √(1 − ᾱ_t) ε) / √ᾱ_t + √(1 − ᾱ_{t_next}) ε. A v belongs to the level t_next; its ε
        is the one that agrees with both v and x_t.
        """
        signal, sigma = self._scales(t, x)
        match self.prediction:
            case "epsilon":
                noise = prediction
            case "v":
                signal_next, sigma_next = self._scales(t_next, x)
                noise = (sigma_next * x + signal * prediction) / (signal_next * signal + sigma_next * sigma)
            case "velocity":
                noise = x + signal * prediction
        return self.add_noise((x - sigma * noise) / signal, noise, t_next).to(x.dtype)

    def sigma(self, t: Stop) -> float:
        """The share of noise at a timestep, sigma / (signal + sigma): 0 at the clean end, 1 for noise alone."""
        signal, sigma = (float(scale) for scale in self.path.scales(torch.tensor(t)))
        return sigma / (signal + sigma)

    def _scales(self, t: Time, x: Latents) -> Scales:
        """signal and sigma, to multiply latents like x with."""
        signal, sigma = self.path.scales(torch.as_tensor(t, device=x.device))
        return signal.view(-1, 1, 1, 1, 1), sigma.view(-1, 1, 1, 1, 1)


def check_steps(steps: int, option: str) -> None:
    """Raises InputError below one step, or for more than any loop needs."""
    if steps < 1:
        raise InputError(f"{option}={steps}: at least one step is needed; set {option}=50")
    if steps > _MOST_STEPS:
        raise InputError(f"{option}={steps}: accepted are up to {_MOST_STEPS} steps; set {option}=50")
