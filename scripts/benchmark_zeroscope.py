"""Speed and memory of Motion Inversion at full size, on a randomly initialised UNet of ZeroScope's topology.

Prints one JSON line per configuration. Weights are in the given precision, under autocast; a real fp16 training
adds a GradScaler, whose cost is negligible. Usage: PYTHONPATH=src python scripts/benchmark_zeroscope.py --seconds 75
"""

import argparse
import gc
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from motion_inversion.backbone.checkpointing import checkpoint_blocks
from motion_inversion.backbone.temporal_convolution import specialise
from motion_inversion.core.loss import Debiased
from motion_inversion.core.schedule import Schedule
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import find_sites

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
BLOCKS = {"all": ("down", "up"), "deep": ("widest",)}
TINY = {
    "block_out_channels": (32, 32, 64, 64),
    "attention_head_dim": 8,
    "cross_attention_dim": 32,
    "norm_num_groups": 8,
}
WARM_UP = 3


@dataclass(frozen=True)
class Run:
    """One configuration; height and width in pixels, seconds of timed training at most."""

    precision: str
    layout: str
    checkpoint: bool
    compile: bool
    frames: int
    width: int
    height: int
    iterations: int
    seconds: float
    generate: bool = False
    limit: float = 0.0


def build(precision: str, device: torch.device, options: dict[str, Any], two_dimensional: bool) -> UNet3DConditionModel:
    """A frozen UNet with random weights, made on the device in its final precision."""
    torch.set_default_dtype(DTYPES[precision])
    try:
        with torch.device(device):
            unet = UNet3DConditionModel(**options)
    finally:
        torch.set_default_dtype(torch.float32)
    unet.requires_grad_(False).eval()
    if two_dimensional:
        specialise(unet)
    return unet


def schedule_on(device: torch.device) -> Schedule:
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    schedule = Schedule.from_scheduler(scheduler)
    return replace(
        schedule,
        alphas_cumprod=schedule.alphas_cumprod.to(device),
        final_alpha_cumprod=schedule.final_alpha_cumprod.to(device),
    )


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def train(unet: UNet3DConditionModel, run: Run, device: torch.device) -> tuple[dict[str, Any], MotionEmbeddings]:
    """Warm-up, then timed iterations of the training; the first and last loss tell whether it stayed finite."""
    dtype, size = DTYPES[run.precision], (run.frames, run.height // 8, run.width // 8)
    schedule, loss_of = schedule_on(device), Debiased()
    embeddings = Layout(BLOCKS[run.layout], query_key=True, value=True).zeros(find_sites(unet, *size)).to(device)
    optimizer = torch.optim.AdamW(embeddings.parameters(), lr=5e-2, eps=1e-12)
    clean = torch.randn(1, 4, *size, device=device, dtype=dtype)
    text = torch.randn(1, 77, unet.config["cross_attention_dim"], device=device, dtype=dtype)
    generator = torch.Generator().manual_seed(0)  # on the CPU: drawing the anchor then waits for nothing
    losses: list[torch.Tensor] = []
    with ExitStack() as stack:
        stack.enter_context(inject(unet, embeddings))
        if run.checkpoint:
            stack.enter_context(checkpoint_blocks(unet))
        network = torch.compile(unet) if run.compile else unet

        def iterate() -> None:
            t = torch.randint(1000, (1,), generator=generator).to(device)
            noise = torch.randn_like(clean)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                prediction = network(schedule.add_noise(clean, noise, t), t, text, return_dict=False)[0]
            loss = loss_of(prediction, noise, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())

        began = time.perf_counter()
        for _ in range(WARM_UP):
            iterate()
        synchronize(device)
        start, done = time.perf_counter(), 0
        while done < run.iterations and time.perf_counter() - start < run.seconds:
            iterate()
            done += 1
            if done % 4 == 0:  # else the queue runs ahead of the clock
                synchronize(device)
        synchronize(device)
        elapsed = time.perf_counter() - start
    rate = done / elapsed
    report = {
        "iterations": done, "warm_up_s": round(start - began, 2), "elapsed_s": round(elapsed, 2),
        "iterations_per_s": round(rate, 4), "seconds_for_800": round(800 / rate, 1) if rate else None,
        "first_loss": losses[0].item(), "last_loss": losses[-1].item(),
        "finite": bool(torch.stack(losses).isfinite().all()),
        "parameters_finite": all(bool(p.isfinite().all()) for p in embeddings.parameters()),
        "embedding_parameters": sum(p.numel() for p in embeddings.parameters()),
    }  # fmt: skip
    return report, embeddings


@torch.no_grad()
def generate(
    unet: UNet3DConditionModel, run: Run, embeddings: MotionEmbeddings, device: torch.device, steps: int
) -> float:
    """Seconds per guided DDIM step: one pass over a batch of two, then the step."""
    dtype, schedule = DTYPES[run.precision], schedule_on(device)
    latents = torch.randn(1, 4, run.frames, run.height // 8, run.width // 8, device=device, dtype=dtype)
    text = torch.randn(2, 77, unet.config["cross_attention_dim"], device=device, dtype=dtype)
    start = 0.0
    with inject(unet, embeddings), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for index in range(steps + 2):
            if index == 2:
                synchronize(device)
                start = time.perf_counter()
            t = 981 - 20 * index
            negative, positive = unet(torch.cat([latents] * 2), t, text, return_dict=False)[0].chunk(2)
            latents = schedule.step(latents, negative + 9 * (positive - negative), t, t - 20)
    synchronize(device)
    return (time.perf_counter() - start) / steps


def memory(device: torch.device) -> dict[str, float]:
    if device.type != "cuda":
        return {}
    return {
        "peak_allocated_gib": round(torch.cuda.max_memory_allocated(device) / 2**30, 3),
        "peak_reserved_gib": round(torch.cuda.max_memory_reserved(device) / 2**30, 3),
    }


def free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError after some seconds, again every 5 s; ends the process if that is swallowed."""
    if not seconds:
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"over the limit of {seconds} s")

    def end() -> None:
        print(json.dumps({"error": f"hard stop {seconds + 10} s into a run"}), flush=True)
        os._exit(0)

    watchdog = threading.Timer(seconds + 10, end)
    watchdog.daemon = True
    watchdog.start()
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watchdog.cancel()


def plan(options: argparse.Namespace) -> list[Run]:
    first = Run(
        options.precision, options.layout, options.checkpoint, options.compile, options.frames, options.width,
        options.height, options.iterations, options.seconds, generate=True,
    )  # fmt: skip
    if options.single:
        return [first]
    more = [
        replace(first, precision="bf16", seconds=15, generate=False),
        replace(first, checkpoint=False, seconds=10, generate=False),
        replace(first, layout="deep", seconds=10, generate=False),
        replace(first, width=first.width if options.tiny else 400, height=first.height if options.tiny else 400,
                frames=first.frames if options.tiny else 16, seconds=10, generate=False),
        replace(first, compile=True, checkpoint=False, seconds=8, generate=False, limit=40),
    ]  # fmt: skip
    return [first, *more]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=DTYPES, default="fp16")
    parser.add_argument("--layout", choices=BLOCKS, default="all")
    parser.add_argument("--checkpoint", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--two-dimensional", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--single", action="store_true", help="only the configuration of the options")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--iterations", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=75)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="a toy UNet, to test this script")
    options = parser.parse_args()
    if options.tiny:
        options.frames, options.width, options.height, options.iterations = 4, 64, 64, 2
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    unet, held = None, None
    for run in plan(options):
        line: dict[str, Any] = {"device": name, "torch": torch.__version__, **asdict(run)}
        line["two_dimensional"] = options.two_dimensional
        embeddings = None
        try:
            if unet is None or held != run.precision:
                unet = None
                free(device)
                start = time.perf_counter()
                unet, held = (
                    build(run.precision, device, TINY if options.tiny else {}, options.two_dimensional),
                    run.precision,
                )
                synchronize(device)
                line["build_s"] = round(time.perf_counter() - start, 2)
                line["unet_parameters"] = sum(p.numel() for p in unet.parameters())
            free(device)
            with time_limit(run.limit):
                report, embeddings = train(unet, run, device)
            print(json.dumps({"kind": "train", **line, **report, **memory(device)}), flush=True)
            if run.generate:
                free(device)
                seconds = generate(unet, run, embeddings, device, 2 if options.tiny else 10)
                print(json.dumps({"kind": "generate", **line, "seconds_per_guided_step": round(seconds, 4),
                                  **memory(device)}), flush=True)  # fmt: skip
        except Exception as error:  # one failure must not hide the other measurements
            message = f"{type(error).__name__}: {error}"[:500]
            print(json.dumps({"kind": "error", **line, "error": message, **memory(device)}), flush=True)
        embeddings = None
        free(device)


if __name__ == "__main__":
    main()
