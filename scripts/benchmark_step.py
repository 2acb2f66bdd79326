"""Compares the training loop with a bare hand-written one over the same UNet step, as a ratio within one run.

    python scripts/benchmark_step.py --blocks 6 --steps 20

Blocks of both loops alternate after a warm-up. On a CPU the processor time of this process is compared, since other
programs may share the machine; on a GPU the wall time. The goal is a ratio of at most 1.05.
"""

import argparse
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch

from motion_inversion.backbone.video_diffusion import VideoDiffusion, VideoModel
from motion_inversion.core.loss import Debiased
from motion_inversion.core.seed import generator
from motion_inversion.core.strategy import Keep
from motion_inversion.core.timestep import Uniform
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.method.fit import TrainerOptions, run_trainer
from motion_inversion.method.method import Fitting, Reference
from motion_inversion.method.module import MotionLearning
from motion_inversion.method.motion_inversion import model_sites

SEED = 0
ADAMW = functools.partial(torch.optim.AdamW, lr=5e-2, eps=1e-12)


def main() -> None:
    """Times both loops and prints their medians and ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", default="embedded:shapes")
    parser.add_argument("--steps", type=int, default=20, help="steps a block")
    parser.add_argument("--blocks", type=int, default=6, help="blocks of each loop")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = VideoDiffusion("benchmark", arguments.model_path, 16, 64, 64, guidance=1.0, strategy=Keep(), judge=None)
    model = config.load()
    reference = _reference(model)
    loops = {"bare": _bare, "ours": _ours}
    times: dict[str, list[float]] = {name: [] for name in loops}
    for block in range(arguments.blocks + 1):
        for name, loop in loops.items():
            seconds = loop(model, reference, arguments.steps) / arguments.steps
            if block:  # the first round warms up
                times[name].append(seconds)
    ratios = sorted(ours / bare for ours, bare in zip(times["ours"], times["bare"], strict=True))
    kind = "processor" if model.device.type == "cpu" else "wall"
    for name, values in times.items():
        sys.stdout.write(f"{name}: {1e3 * statistics.median(values):.1f} ms of {kind} time per step (median)\n")
    sys.stdout.write(
        f"ratio ours / bare: {statistics.median(ratios):.3f} (median of {len(ratios)} blocks of {arguments.steps} "
        f"steps, {ratios[0]:.3f} to {ratios[-1]:.3f}) on {model.device}, {arguments.threads} threads\n"
    )


def _reference(model: VideoModel) -> Reference:
    shape = model.latent_shape
    states = model.embed_text(["a red star moving around on a green plain ground"])
    return Reference(torch.randn(shape, generator=generator(SEED, "clip")), states.cpu(), "object")


def _embeddings(model: VideoModel) -> MotionEmbeddings:
    return Layout(("down", "up"), query_key=True, value=True).zeros(model_sites(model)).to(model.device)


def _clock(model: VideoModel) -> Callable[[], float]:
    if model.device.type == "cpu":
        return time.process_time

    def synchronised() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return synchronised


def _bare(model: VideoModel, reference: Reference, steps: int) -> float:
    """Seconds of a loop without any framework."""
    embeddings, loss_of, schedule, clock = _embeddings(model), Debiased(), model.schedule, _clock(model)
    optimizer = ADAMW(embeddings.parameters())
    latents, states = reference.latents.to(model.device), reference.states.to(model.device)
    with inject(model.unet, embeddings):
        start = clock()
        for step in range(steps):
            draw = generator(SEED, "draw", step)
            t = Uniform()(1, len(schedule.alphas_cumprod), draw).to(model.device)
            noise = torch.randn(latents.shape, generator=draw).to(model.device)
            prediction = model.denoise(schedule.add_noise(latents, noise, t), t, states)
            loss = loss_of(prediction, noise, draw)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return clock() - start


class _Stopwatch(pl.Callback):
    """Times the steps alone: not the trainer's start, nor the bare loop's counterpart of it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.start, self.seconds = clock, 0.0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start = self.clock()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = self.clock() - self.start


def _ours(model: VideoModel, reference: Reference, steps: int) -> float:
    """Seconds of the loop that `train` runs: checkpoints, loss file and progress included."""
    embeddings, watch = _embeddings(model), _Stopwatch(_clock(model))
    module = MotionLearning(model, embeddings, Debiased(), Uniform(), ADAMW, SEED)

    def trainer(callbacks: list[pl.Callback], **options: object) -> pl.Trainer:
        return pl.Trainer(callbacks=[watch, *callbacks], **options)  # pyright: ignore[reportArgumentType]

    with tempfile.TemporaryDirectory() as folder, inject(model.unet, embeddings):
        work = Path(folder)
        fitting = Fitting(work, work / "state", functools.partial(trainer, max_steps=steps), SEED)
        options = TrainerOptions(batch_size=1, checkpoint_every=50, preview_every=0)
        run_trainer(module, reference, fitting, options, lambda noise, _: noise)
    return watch.seconds


if __name__ == "__main__":
    main()
