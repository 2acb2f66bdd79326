"""Noising processes to test with, latents, and a network."""

from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor, randn

from motion_inversion.backbone.scheduler import process_of
from motion_inversion.core.process import Prediction, Process, Stop, Straight
from motion_inversion.core.seed import generator

ZEROSCOPE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
KINDS: tuple[Prediction, ...] = ("epsilon", "v", "velocity")


def scheduler(**changes) -> DDIMScheduler:
    return DDIMScheduler(**(ZEROSCOPE | changes))


def diffusion(**changes) -> Process:
    """ZeroScope's process, changed."""
    return process_of(scheduler(**changes))


def shifted(steps: int, shift: float = 3.0) -> list[float]:
    """Even sigmas from 1 on, shifted towards noise."""
    even = [1 - k / steps for k in range(steps)]
    return [shift * sigma / (1 + (shift - 1) * sigma) for sigma in even]


def predicting(kind: Prediction) -> Process:
    """A process whose network predicts this."""
    if kind == "velocity":
        return Process(Straight(shifted), kind)
    return Process(diffusion().path, kind)


def gaussian(seed: int) -> Tensor:
    return randn(2, 4, 3, 4, 5, generator=generator(seed))


def network(x: Tensor, t: Stop) -> Tensor:
    """Any smooth function of latents and timestep."""
    return 0.8 * (x + t / 1000).tanh() + 0.1 * x.flip(-1)
