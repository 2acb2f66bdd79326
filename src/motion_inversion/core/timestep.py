"""Which noise levels a training step visits: (batch, count, generator) → timesteps in 0 … count − 1."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from motion_inversion.error import InputError


@runtime_checkable
class Timestep(Protocol):
    """Draws one timestep per clip of a batch, on the generator's device; a larger timestep is noisier.

    `count` is the number T of noise levels that the model was trained with, 1000 for all models here.
    """

    def __call__(self, batch: int, count: int, generator: torch.Generator) -> Int[Tensor, " b"]: ...


@dataclass(frozen=True)
class Uniform:
    """All T timesteps alike, as in the papers."""

    def __call__(self, batch: int, count: int, generator: torch.Generator) -> Int[Tensor, " b"]:
        return torch.randint(count, (batch,), generator=generator, device=generator.device)


@dataclass(frozen=True)
class Range:
    """The timesteps low ≤ t < high alike.

    Raises:
        InputError: unless 0 ≤ low < high; when called, unless high ≤ T.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low < 0:
            raise InputError(
                f"method.timestep.low={self.low}: accepted are timesteps from 0; set method.timestep.low=0"
            )
        if self.high <= self.low:
            raise InputError(
                f"method.timestep.high={self.high} is exclusive and must exceed method.timestep.low={self.low}; "
                f"set method.timestep.high={self.low + 1} or more"
            )

    def __call__(self, batch: int, count: int, generator: torch.Generator) -> Int[Tensor, " b"]:
        if self.high > count:
            raise InputError(
                f"method.timestep.high={self.high}: this model accepts up to {count}; set method.timestep.high={count}"
            )
        return torch.randint(self.low, self.high, (batch,), generator=generator, device=generator.device)


@dataclass(frozen=True)
class HighNoise:
    """Noisy timesteps more often: t = ⌊T u^(1 / power)⌋ with u uniform on [0, 1), a density ∝ t^(power − 1).

    So P(t < τ) = (τ / T)^power. Motion is settled at the noisy end of sampling, details at the other.

    Args:
        power: p ≥ 1; 1 is uniform, 2 grows linearly with t.

    Raises:
        InputError: for any other power.
    """

    power: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.power < math.inf:
            raise InputError(
                f"method.timestep.power={self.power}: accepted are finite numbers from 1, uniform; "
                "set method.timestep.power=2"
            )

    def __call__(self, batch: int, count: int, generator: torch.Generator) -> Int[Tensor, " b"]:
        u = torch.rand(batch, generator=generator, device=generator.device, dtype=torch.float64)
        # A root close to 1 can round up to 1, and T is no timestep.
        return (count * u ** (1 / self.power)).long().clamp(max=count - 1)


@dataclass(frozen=True)
class LogitNormal:
    """Middle noise levels more often: t = ⌊T / (1 + e^(−z))⌋, z normal (Stable Diffusion 3, arXiv 2403.03206, eq. 19).

    Args:
        mean: Of z; above 0 leans to high noise.
        std: Standard deviation of z.

    Raises:
        InputError: for a mean that isn't finite or a std that isn't positive.
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise InputError(
                f"method.timestep.mean={self.mean}: accepted are finite numbers; set method.timestep.mean=0"
            )
        if not 0 < self.std < math.inf:
            raise InputError(
                f"method.timestep.std={self.std}: accepted are finite numbers above 0; set method.timestep.std=1"
            )

    def __call__(self, batch: int, count: int, generator: torch.Generator) -> Int[Tensor, " b"]:
        z = torch.randn(batch, generator=generator, device=generator.device, dtype=torch.float64)
        return (count * torch.sigmoid(self.mean + self.std * z)).long().clamp(max=count - 1)


@dataclass(frozen=True)
class Shifted:
    """High noise more often: t = ⌊T s u / (1 + (s − 1) u)⌋ with u uniform (arXiv 2403.03206, eq. 23).

    With the shift that a flow-matching model is sampled with, training visits noise levels as often as sampling does.

    Args:
        shift: s ≥ 1; 1 is uniform.

    Raises:
        InputError: for any other shift.
    """

    shift: float = 3.0

    def __post_init__(self) -> None:
        if not 1 <= self.shift < math.inf:
            raise InputError(
                f"method.timestep.shift={self.shift}: accepted are finite numbers from 1, uniform; "
                "set method.timestep.shift=3"
            )

    def __call__(self, batch: int, count: int, generator: torch.Generator) -> Int[Tensor, " b"]:
        u = torch.rand(batch, generator=generator, device=generator.device, dtype=torch.float64)
        return (count * self.shift * u / (1 + (self.shift - 1) * u)).long().clamp(max=count - 1)
