"""Initial latents of sampling: (inverted, random) → latents."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError


@runtime_checkable
class Noise(Protocol):
    """Mixes the reference clip's inverted latents with unit Gaussian noise of the same shape.

    Where `needs_inversion` is False, `inverted` is never read: any latents of the shape may be given for it,
    the random ones too. The result has the dtype of `random`.
    """

    needs_inversion: ClassVar[bool]

    def __call__(self, inverted: Latents, random: Latents) -> Latents: ...


@dataclass(frozen=True)
class Random:
    """Gaussian noise alone; nothing of the reference clip but what the method itself brings."""

    needs_inversion: ClassVar[bool] = False

    def __call__(self, inverted: Latents, random: Latents) -> Latents:
        return random


@dataclass(frozen=True)
class Inversion:
    """The inverted latents alone (VMC, arXiv 2312.00845)."""

    needs_inversion: ClassVar[bool] = True

    def __call__(self, inverted: Latents, random: Latents) -> Latents:
        return inverted.to(random.dtype)


@dataclass(frozen=True)
class Lowpass:
    """Low spatial frequencies of the inversion, high ones of the noise (DMT, arXiv 2311.17009).

    x = low(inverted) + (random − low(random)), with `low` of `lowpass`.

    Args:
        factor: How many times each side of the grid shrinks, from 1, which returns the inversion.

    Raises:
        InputError: for a factor below 1.
    """

    needs_inversion: ClassVar[bool] = True
    factor: int = 4

    def __post_init__(self) -> None:
        _check_factor(self.factor)

    def __call__(self, inverted: Latents, random: Latents) -> Latents:
        inverted, noise = inverted.float(), random.float()
        return (lowpass(inverted, self.factor) + (noise - lowpass(noise, self.factor))).to(random.dtype)


@dataclass(frozen=True)
class Blend:
    """x = √p inverted + √(1 − p) random, of unit variance when both are independent and of unit variance.

    The initial noise of MotionDirector (arXiv 2310.08465) and of Motion Inversion (arXiv 2403.20193).

    Args:
        ratio: p in [0, 1]; 1 is the inversion, 0 the noise.

    Raises:
        InputError: for a ratio outside these.
    """

    needs_inversion: ClassVar[bool] = True
    ratio: float = 0.5

    def __post_init__(self) -> None:
        _check_ratio(self.ratio)

    def __call__(self, inverted: Latents, random: Latents) -> Latents:
        return _blend(inverted.float(), random.float(), self.ratio).to(random.dtype)


@dataclass(frozen=True)
class LowpassBlend:
    """Low frequencies of the inversion, high ones of both, blended.

    x = low(inverted) + √p (inverted − low(inverted)) + √(1 − p) (random − low(random)), an option of Motion
    Inversion's public code, with `low` of `lowpass`. A ratio of 1 gives the inversion, 0 gives `Lowpass`.

    Args:
        factor: How many times each side of the grid shrinks, from 1.
        ratio: p in [0, 1].

    Raises:
        InputError: for values outside these.
    """

    needs_inversion: ClassVar[bool] = True
    factor: int = 4
    ratio: float = 0.5

    def __post_init__(self) -> None:
        _check_factor(self.factor)
        _check_ratio(self.ratio)

    def __call__(self, inverted: Latents, random: Latents) -> Latents:
        inverted, noise = inverted.float(), random.float()
        low = lowpass(inverted, self.factor)
        high = _blend(inverted - low, noise - lowpass(noise, self.factor), self.ratio)
        return (low + high).to(random.dtype)


@dataclass(frozen=True)
class Fft:
    """Low space-time frequencies of the inversion, high ones of the noise (FreeInit, arXiv 2312.07537).

    x = F⁻¹[G F(inverted) + (1 − G) F(random)] over frames, rows and columns, with the Gaussian
    G = exp(−½ [(ω_f / temporal)² + (ω_h / spatial)² + (ω_w / spatial)²]); ω = ±1 is half a cycle per cell.

    Args:
        spatial: Normalised stop frequency of rows and columns, in (0, 1].
        temporal: Normalised stop frequency of frames, in (0, 1].

    Raises:
        InputError: for values outside these.

    FreeInit's code places ω = 0 one half bin off on axes of odd length; here it is the mean on any.
    """

    needs_inversion: ClassVar[bool] = True
    spatial: float = 0.25
    temporal: float = 0.25

    def __post_init__(self) -> None:
        for name, value in (("spatial", self.spatial), ("temporal", self.temporal)):
            if not 0 < value <= 1:
                raise InputError(
                    f"noise.{name}={value}: accepted are frequencies above 0 up to 1; set noise.{name}=0.25"
                )

    def __call__(self, inverted: Latents, random: Latents) -> Latents:
        axes, size = (2, 3, 4), random.shape[2:]
        low = torch.fft.rfftn(inverted.float(), dim=axes)
        high = torch.fft.rfftn(random.float(), dim=axes)
        gain = self._gain(size, random.device)
        return torch.fft.irfftn(gain * low + (1 - gain) * high, s=size, dim=axes).to(random.dtype)

    def _gain(self, size: torch.Size, device: torch.device) -> Tensor:
        """G on the half spectrum of a real transform: (f, h, w // 2 + 1)."""
        frames, height, width = size
        f = 2 * torch.fft.fftfreq(frames, device=device) / self.temporal
        h = 2 * torch.fft.fftfreq(height, device=device) / self.spatial
        w = 2 * torch.fft.rfftfreq(width, device=device) / self.spatial
        return torch.exp(-(f[:, None, None] ** 2 + h[:, None] ** 2 + w**2) / 2)


def lowpass(latents: Latents, factor: int) -> Latents:
    """Every frame bilinearly shrunk `factor` times and enlarged again, antialiased and with aligned corners.

    A side that would shrink to a single cell takes its mean: with aligned corners, bilinear shrinking would
    take its first cell. Constant latents stay as they are; applying it twice is not the same as once.
    """
    *_, height, width = latents.shape
    small = max(1, height // factor), max(1, width // factor)
    frames = latents.transpose(1, 2).flatten(0, 1)
    shrunk = frames
    for axis, cells in zip((-2, -1), small, strict=True):
        if cells == 1:
            shrunk = shrunk.mean(axis, keepdim=True)
    shrunk = interpolate(shrunk, small, mode="bilinear", align_corners=True, antialias=True)
    low = interpolate(shrunk, (height, width), mode="bilinear", align_corners=True, antialias=True)
    return low.unflatten(0, (latents.shape[0], -1)).transpose(1, 2)


def _blend(inverted: Latents, random: Latents, ratio: float) -> Latents:
    return math.sqrt(ratio) * inverted + math.sqrt(1 - ratio) * random


def _check_factor(factor: int) -> None:
    if factor < 1:
        raise InputError(f"noise.factor={factor}: accepted are whole numbers from 1; set noise.factor=4")


def _check_ratio(ratio: float) -> None:
    if not 0 <= ratio <= 1:
        raise InputError(f"noise.ratio={ratio}: accepted are numbers from 0 to 1; set noise.ratio=0.5")
