"""A small experiment and its parts, for the command line to compose, build and run."""

import os
import signal
from dataclasses import dataclass

from motion_inversion.error import InputError

RUNS: list["Experiment"] = []


@dataclass(frozen=True)
class Mse: ...


@dataclass(frozen=True)
class Vmc:
    centre: bool = True


@dataclass(frozen=True)
class Debiased:
    beta: float

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise InputError(f"method.loss.beta={self.beta} is negative; accepted: 0 or more")


@dataclass(frozen=True)
class Blend:
    share: float = 0.5


@dataclass(frozen=True)
class MotionInversion:
    loss: Mse | Vmc | Debiased
    max_steps: int


@dataclass(frozen=True)
class Frozen: ...


@dataclass(frozen=True)
class Experiment:
    name: str
    noise: Blend
    method: MotionInversion | Frozen

    def run(self) -> None:
        RUNS.append(self)
        match self.name:
            case "refused":
                raise InputError("no clip at clips/a.mp4; give dataset.path=…")
            case "broken":
                raise RuntimeError("a bug")
            case "interrupted":
                raise KeyboardInterrupt
            case "stopped":
                os.kill(os.getpid(), signal.SIGTERM)
