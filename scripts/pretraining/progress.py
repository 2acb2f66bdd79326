"""What the three trainings share: a budget in steps and seconds, learning-rate schedule, moving average, log."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from pretraining.processes import agree


@dataclass
class Budget:
    """A run of at most `steps` steps and `seconds` seconds, whichever ends first, that can pause and resume.

    Progress in [0, 1] drives every schedule, so a slower machine decays its learning rate in time too.
    """

    steps: int
    seconds: float
    pause_after: float = math.inf
    step: int = 0
    spent: float = 0.0
    started: float = field(default_factory=time.monotonic)
    elapsed: float = 0.0  # seconds of training until this step, earlier runs included

    @property
    def progress(self) -> float:
        """Share of the budget that is used up."""
        return min(1.0, max(self.step / self.steps, self.elapsed / self.seconds))

    @property
    def paused(self) -> bool:
        """Whether this process should save and stop before the whole budget is spent."""
        return self.elapsed - self.spent > self.pause_after

    def __iter__(self) -> Iterator[int]:
        while True:
            # Read once a step: processes that train together go by one clock, the first one's.
            self.elapsed = self.spent + agree(time.monotonic() - self.started)
            if self.progress >= 1 or self.paused:
                return
            yield self.step
            self.step += 1

    def rate(self, warm_up: int = 200, hold: float = 0.4) -> float:
        """Learning-rate factor: linear warm-up, constant, then a cosine to zero."""
        decay = max(0.0, (self.progress - hold) / (1 - hold))
        return min(1.0, (self.step + 1) / warm_up) * (0.5 + 0.5 * math.cos(math.pi * decay))


class Average:
    """Exponential moving average of parameters."""

    def __init__(self, modules: dict[str, nn.Module], decay: float) -> None:
        self.decay, self.modules = decay, modules
        self.shadow = [p.detach().clone() for p in self._parameters()]

    def _parameters(self) -> list[nn.Parameter]:
        return [p for module in self.modules.values() for p in module.parameters()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """One step of the average; young averages forget faster."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self._parameters()], weight)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the parameters and their average."""
        for shadow, parameter in zip(self.shadow, self._parameters(), strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(shadow)
            shadow.copy_(kept)


class Log:
    """One JSON line per report, on the screen and in a file."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path, self.budget = path, budget
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, **values: float | str) -> None:
        row = {"step": self.budget.step, "seconds": round(self.budget.elapsed, 1)}
        row |= {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        line = json.dumps(row)
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")
