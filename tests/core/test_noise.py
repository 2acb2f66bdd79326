"""Initial noise: end points, variances, frequencies and refusals."""

import math

import pytest
import torch
from torch import Tensor

from motion_inversion.core.noise import Blend, Fft, Inversion, Lowpass, LowpassBlend, Noise, Random, lowpass
from motion_inversion.core.seed import generator
from motion_inversion.error import InputError

SHAPE = (1, 4, 6, 40, 72)
ALL = [Random(), Inversion(), Lowpass(), Blend(), LowpassBlend(), Fft()]


def gaussian(seed: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=generator(seed))


@pytest.mark.parametrize("noise", ALL)
def test_shape_and_precision_are_those_of_the_random_latents(noise: Noise) -> None:
    x = noise(gaussian(0), gaussian(1).bfloat16())
    assert x.shape == SHAPE and x.dtype == torch.bfloat16


@pytest.mark.parametrize("noise", ALL)
@pytest.mark.parametrize("grid", [(1, 1), (1, 2), (3, 5), (4, 4), (8, 6)])
def test_small_grids_work(noise: Noise, grid: tuple[int, int]) -> None:
    shape = (2, 4, 3, *grid)
    x = noise(gaussian(0, shape), gaussian(1, shape))
    assert x.shape == shape and x.isfinite().all()


@pytest.mark.parametrize("noise", ALL)
def test_only_random_does_without_an_inversion(noise: Noise) -> None:
    random = gaussian(1)
    reads = not torch.equal(noise(gaussian(0), random), noise(gaussian(2), random))
    assert noise.needs_inversion == reads == (not isinstance(noise, Random))


@pytest.mark.parametrize("noise", [Lowpass(), Lowpass(1), LowpassBlend(ratio=1.0), Inversion(), Blend(1.0), Fft()])
def test_mixing_a_clip_with_itself_or_ratio_1_returns_the_inversion(noise: Noise) -> None:
    x = gaussian(0)
    torch.testing.assert_close(noise(x, x.clone()), x, atol=1e-5, rtol=0)
    if not isinstance(noise, Fft) and noise != Lowpass():
        torch.testing.assert_close(noise(x, gaussian(1)), x, atol=1e-5, rtol=0)


def test_end_points_of_the_blends() -> None:
    x, z = gaussian(0), gaussian(1)
    assert torch.equal(Random()(x, z), z)
    torch.testing.assert_close(Blend(0.0)(x, z), z)
    torch.testing.assert_close(LowpassBlend(ratio=0.0)(x, z), Lowpass()(x, z))


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_blend_keeps_unit_variance(ratio: float) -> None:
    x = Blend(ratio)(gaussian(0), gaussian(1))
    assert x.std().item() == pytest.approx(1, abs=0.01)
    # corr(x, inverted) = √p.
    assert (x * gaussian(0)).mean().item() == pytest.approx(math.sqrt(ratio), abs=0.02)


def test_lowpass_of_independent_noise_is_slightly_too_calm() -> None:
    assert Lowpass()(gaussian(0), gaussian(1)).std().item() == pytest.approx(0.987, abs=0.01)


def test_low_keeps_constants_and_kills_the_finest_pattern() -> None:
    constant = torch.full((1, 1, 2, 16, 24), 3.5)
    torch.testing.assert_close(lowpass(constant, 4), constant)
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(24), indexing="ij")
    checkerboard = (1.0 - 2 * ((rows + columns) % 2)).expand(1, 1, 2, 16, 24)
    assert lowpass(checkerboard, 4)[..., 4:-4, 4:-4].abs().max() < 0.05


def test_low_is_linear_but_not_idempotent() -> None:
    x, y = gaussian(0), gaussian(1)
    torch.testing.assert_close(lowpass(x + 2 * y, 4), lowpass(x, 4) + 2 * lowpass(y, 4), atol=1e-5, rtol=0)
    once = lowpass(x, 4)
    assert (lowpass(once, 4) - once).abs().max() > 0.05


def test_low_treats_frames_and_clips_apart() -> None:
    x = gaussian(0, (2, 3, 4, 16, 16))
    alone = lowpass(x[1:, :, 2:3], 4)
    torch.testing.assert_close(lowpass(x, 4)[1:, :, 2:3], alone)


def test_low_of_a_grid_smaller_than_two_factors_is_the_mean() -> None:
    x = gaussian(0, (1, 2, 3, 4, 7))
    torch.testing.assert_close(lowpass(x, 4), x.mean(dim=(-2, -1), keepdim=True).expand_as(x))


def wave(frames: int, rows: int, columns: int, cycles: tuple[int, int, int]) -> Tensor:
    """A cosine of so many cycles along (frame, row, column)."""
    f, h, w = (torch.arange(n) / n * k for n, k in zip((frames, rows, columns), cycles, strict=True))
    return torch.cos(2 * math.pi * (f[:, None, None] + h[:, None] + w))[None, None]


@pytest.mark.parametrize(
    ("cycles", "exponent"),
    [
        ((0, 0, 0), 0.0),
        # A frequency is cycles over half the length; stop frequencies are .5 (temporal) and .25 (spatial).
        ((1, 0, 0), (1 / 4 / 0.5) ** 2 / 2),
        ((0, 2, 0), (2 / 8 / 0.25) ** 2 / 2),
        ((0, 0, 3), (3 / 7.5 / 0.25) ** 2 / 2),
        ((2, 1, -2), ((2 / 4 / 0.5) ** 2 + (1 / 8 / 0.25) ** 2 + (2 / 7.5 / 0.25) ** 2) / 2),
    ],
)
def test_fft_splits_waves_by_the_gaussian_of_their_frequency(cycles, exponent: float) -> None:
    x = wave(8, 16, 15, cycles)
    gain = math.exp(-exponent)
    mix = Fft(spatial=0.25, temporal=0.5)
    torch.testing.assert_close(mix(x, torch.zeros_like(x)), gain * x, atol=1e-5, rtol=0)
    torch.testing.assert_close(mix(torch.zeros_like(x), x), (1 - gain) * x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Lowpass(0), r"noise\.factor=0"),
        (lambda: LowpassBlend(factor=0), r"noise\.factor=0"),
        (lambda: LowpassBlend(ratio=-0.1), r"noise\.ratio=-0\.1"),
        (lambda: Blend(1.5), r"noise\.ratio=1\.5"),
        (lambda: Fft(spatial=0.0), r"noise\.spatial=0"),
        (lambda: Fft(temporal=2.0), r"noise\.temporal=2"),
    ],
)
def test_bad_options_are_refused_by_name(build, names: str) -> None:
    with pytest.raises(InputError, match=names):
        build()
