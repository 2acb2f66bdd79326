"""Overhead of the training loop: steps of `train` against the same steps in a bare loop, block by block.

Both loops learn from the same draws, and the script checks that they end with the same embeddings. Further words are
overrides of conf/config.yaml. Usage: PYTHONPATH=src python scripts/benchmark_step.py --steps 40 --blocks 4 loss=mse
"""

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import hydra
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.composition import build
from motion_inversion.core.loss import compared
from motion_inversion.core.seed import generator
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.experiment import Experiment
from motion_inversion.method.method import Fitting, Reference, sample_guided
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training.fit import run_trainer
from motion_inversion.method.training.module import MotionLearning

CONF = Path(__file__).parents[1] / "conf"
WARM_UP = 3  # steps at the start of each block that don't count


class Clock:
    """Wall and process time at the start of every step."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.wall: list[float] = []
        self.process: list[float] = []

    def tick(self) -> None:
        """A step begins, once the one before is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.wall.append(time.perf_counter())
        self.process.append(time.process_time())

    def seconds(self) -> tuple[float, float]:
        """Median wall time and mean process time of a step."""
        wall, process = self.wall[WARM_UP:], self.process[WARM_UP:]
        steps = [after - before for before, after in zip(wall, wall[1:], strict=False)]
        return statistics.median(steps), (process[-1] - process[0]) / len(steps)


class TimedLearning(MotionLearning):
    """The training step as it is, with a clock."""

    clock: Clock

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """The step."""
        self.clock.tick()
        return super().training_step(batch, batch_idx)


@dataclass(frozen=True, eq=False)
class Work:
    """What both loops do: so many steps of a method on a reference with a model."""

    method: MotionInversion
    model: Backbone
    reference: Reference
    trainer: Callable[..., object]
    seed: int

    def embeddings(self) -> MotionEmbeddings:
        """Those to start from."""
        return self.method.layout.zeros(self.model.sites()).to(self.model.device)


def train(work: Work, clock: Clock) -> MotionEmbeddings:
    """The loop of the `train` stage."""
    method, model, embeddings = work.method, work.model, work.embeddings()
    parts = {"motion": embeddings}
    module = TimedLearning(model, parts, method.losses(model), method.timestep, method.optimizer, work.seed)
    module.clock = clock
    sample = functools.partial(sample_guided, model)
    with tempfile.TemporaryDirectory() as name, inject(model.network, embeddings), model.checkpointed():
        fitting = Fitting(Path(name), Path(name) / "state", work.trainer, work.seed)
        run_trainer(module, work.reference, fitting, method, sample)
    return embeddings


def bare(work: Work, steps: int, clock: Clock) -> MotionEmbeddings:
    """The same steps, with nothing beside them."""
    method, model, embeddings = work.method, work.model, work.embeddings()
    latents = work.reference.latents.to(model.device)
    optimizer, process = method.optimizer(embeddings.parameters()), model.process
    half = model.dtype != torch.float32
    scaler = torch.GradScaler(model.device.type, enabled=model.dtype == torch.float16)
    with inject(model.network, embeddings), model.checkpointed():
        for index in range(steps):
            clock.tick()
            draw = generator(work.seed, "draw", index)
            t = method.timestep(1, process.levels, draw).to(model.device)
            noise = torch.randn(latents.shape[1:], generator=draw)[None].to(latents)
            noisy, target = process.add_noise(latents, noise, t), process.target(latents, noise, t)
            with torch.autocast(model.device.type, model.dtype, enabled=half):
                prediction = model.predict(noisy, t, work.reference.condition)
                told = [process.read(compared(method.loss), each, noisy, t) for each in (prediction, target)]
                loss = method.loss(told[0], told[1], draw)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    return embeddings


def same(one: MotionEmbeddings, other: MotionEmbeddings) -> bool:
    """Whether both hold the same numbers, bit for bit."""
    others = other.tensors()
    return all(torch.equal(tensor, others[name]) for name, tensor in one.tensors().items())


def prepare(options: argparse.Namespace) -> Work:
    """The experiment of the configuration, on a reference of random latents."""
    words = [f"trainer.max_steps={options.steps}", *options.overrides]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        experiment: Experiment = build(hydra.compose("config", words))
    method, model = experiment.method, experiment.model.load()
    if not isinstance(method, MotionInversion) or experiment.trainer is None or method.batch_size != 1:
        raise SystemExit("only method=motion_inversion with method.batch_size=1 can be measured")
    latents = torch.randn(model.latent_shape, generator=generator(experiment.seed, "latents"))
    video = model.decode(latents)
    reference = Reference(latents, model.embed(["a red circle"]), "object", video)
    return Work(method, model, reference, experiment.trainer, experiment.seed)


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help="of each block of either loop")
    parser.add_argument("--blocks", type=int, default=4, help="of each loop, taken in turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="such as loss=mse, model=zeroscope model.path=/path/to/zeroscope")
    options = parser.parse_args()
    if options.steps < WARM_UP + 2 or options.blocks < 1:
        parser.error(f"--steps must be at least {WARM_UP + 2}, --blocks at least 1")
    torch.set_num_threads(options.threads)
    work = prepare(options)
    bare(work, WARM_UP, Clock(work.model.device))
    results: list[tuple[float, ...]] = []
    for block in range(options.blocks):
        clocks = Clock(work.model.device), Clock(work.model.device)
        equal = same(train(work, clocks[0]), bare(work, options.steps, clocks[1]))
        results.append((*clocks[0].seconds(), *clocks[1].seconds()))
        print(
            f"block {block + 1}: train {results[-1][0]:.4f} s, bare {results[-1][2]:.4f} s a step; same result: {equal}"
        )
    train_wall, train_process, bare_wall, bare_process = map(list, zip(*results, strict=True))
    where = torch.cuda.get_device_name() if work.model.device.type == "cuda" else "cpu"
    print(f"device {where}, {options.threads} threads, torch {torch.__version__}")
    print(f"median wall time of a step: train {spread(train_wall)} s, bare {spread(bare_wall)} s")
    print(f"mean process time of a step: train {spread(train_process)} s, bare {spread(bare_process)} s")
    for name, ours, theirs in (("wall", train_wall, bare_wall), ("process", train_process, bare_process)):
        print(f"ratio, {name} time: {spread([one / other for one, other in zip(ours, theirs, strict=True)])}")


if __name__ == "__main__":
    main()
