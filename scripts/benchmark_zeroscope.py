"""Speed and memory of Motion Inversion at full size, on a randomly initialised UNet of ZeroScope's topology.

Prints one JSON line per configuration; docs/gpu.md is made from them. Weights are in the given precision, under
autocast; an fp16 training has a GradScaler besides. Usage: PYTHONPATH=src python scripts/benchmark_zeroscope.py
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from diffusers import UNet3DConditionModel
from torch import Tensor

from motion_inversion.backbone.checkpointing import checkpoint_blocks
from motion_inversion.backbone.temporal_convolution import specialise
from motion_inversion.core.loss import Debiased
from motion_inversion.core.process import Process
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import find_sites
from pretraining.diffusion import build_scheduler

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
BLOCKS = {"all": ("down", "up"), "deep": ("widest",)}
TINY: dict[str, Any] = {
    "block_out_channels": (32, 32, 64, 64),
    "attention_head_dim": 8,
    "cross_attention_dim": 32,
    "norm_num_groups": 8,
}
WARM_UP = 3
GUIDED_STEPS = 10


@dataclass(frozen=True)
class Row:
    """One configuration, measured for so many iterations or seconds, whichever ends first; sizes in pixels."""

    precision: str
    layout: str
    checkpointing: bool
    frames: int
    width: int
    height: int
    iterations: int
    seconds: float

    @property
    def grid(self) -> tuple[int, int, int]:
        """Frames, rows and columns of the latents."""
        return self.frames, self.height // 8, self.width // 8


@dataclass(frozen=True, eq=False)
class Network:
    """The frozen UNet, and what a step needs beside it."""

    unet: UNet3DConditionModel
    schedule: Process
    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> torch.autocast:
        """Mixed precision, for half-precision weights."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def random(self, *shape: int) -> Tensor:
        """A Gaussian tensor of the network's kind."""
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def text(self, count: int) -> Tensor:
        """Random text states of so many prompts."""
        return self.random(count, 77, self.unet.config["cross_attention_dim"])

    def predict(self, latents: Tensor, t: int | Tensor, text: Tensor) -> Tensor:
        """The UNet's output."""
        with self.autocast():
            return self.unet(latents, t, text, return_dict=False)[0]

    def wait(self) -> None:
        """Until all that was queued is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def build(precision: str, device: torch.device, options: dict[str, Any]) -> Network:
    """A network with random weights, made on the device in its final precision."""
    torch.set_default_dtype(DTYPES[precision])
    try:
        with torch.device(device):
            unet = UNet3DConditionModel(**options)
    finally:
        torch.set_default_dtype(torch.float32)
    unet.requires_grad_(False).eval()
    specialise(unet)
    schedule = Process.from_scheduler(build_scheduler())
    schedule = replace(
        schedule,
        alphas_cumprod=process.path.alphas_cumprod.to(device),
        final_alpha_cumprod=schedule.final_alpha_cumprod.to(device),
    )
    return Network(unet, schedule, device, DTYPES[precision])


def training_step(network: Network, row: Row, embeddings: MotionEmbeddings) -> Callable[[], Tensor]:
    """What one iteration of the training does; it returns the loss."""
    optimizer = torch.optim.AdamW(embeddings.parameters(), lr=5e-2, eps=1e-12)
    clean, text, loss_of = network.random(1, 4, *row.grid), network.text(1), Debiased()
    generator = torch.Generator().manual_seed(0)  # on the CPU: drawing the anchor then waits for nothing

    def step() -> Tensor:
        t = torch.randint(1000, (1,), generator=generator).to(network.device)
        noise = torch.randn_like(clean)
        prediction = network.predict(network.schedule.add_noise(clean, noise, t), t, text)
        loss = loss_of(prediction, noise, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def train(network: Network, row: Row) -> tuple[dict[str, Any], MotionEmbeddings]:
    """Warm-up, then timed iterations; whether the losses stayed finite tells whether the figures mean anything."""
    layout = Layout(BLOCKS[row.layout], query_key=True, value=True)
    embeddings = layout.zeros(find_sites(network.unet, *row.grid)).to(network.device)
    with ExitStack() as stack:
        stack.enter_context(inject(network.unet, embeddings))
        stack.enter_context(checkpoint_blocks(network.unet) if row.checkpointing else nullcontext())
        step = training_step(network, row, embeddings)
        losses = [step() for _ in range(WARM_UP)]
        network.wait()
        start = time.perf_counter()
        while len(losses) < WARM_UP + row.iterations and time.perf_counter() - start < row.seconds:
            losses.append(step())
            if len(losses) % 4 == 0:  # else the queue runs ahead of the clock
                network.wait()
        network.wait()
        elapsed = time.perf_counter() - start
    done = len(losses) - WARM_UP
    report = {
        "iterations": done,
        "iterations_per_s": round(done / elapsed, 4),
        "seconds_for_800": round(800 * elapsed / done, 1),
        "finite": all(bool(tensor.isfinite().all()) for tensor in (*losses, *embeddings.parameters())),
        "embedding_parameters": sum(parameter.numel() for parameter in embeddings.parameters()),
    }
    return report, embeddings


@torch.no_grad()
def generate(network: Network, row: Row, embeddings: MotionEmbeddings) -> dict[str, float]:
    """Seconds of a guided DDIM step: one pass over a batch of two, then the step."""
    latents, text, start = network.random(1, 4, *row.grid), network.text(2), 0.0
    with inject(network.unet, embeddings):
        for index in range(GUIDED_STEPS + WARM_UP):
            if index == WARM_UP:
                network.wait()
                start = time.perf_counter()
            t = 981 - 20 * index
            negative, positive = network.predict(torch.cat([latents] * 2), t, text).chunk(2)
            latents = network.schedule.step(latents, negative + 9 * (positive - negative), t, t - 20)
    network.wait()
    return {"seconds_per_guided_step": round((time.perf_counter() - start) / GUIDED_STEPS, 4)}


def memory(device: torch.device) -> dict[str, float]:
    """Peaks since `free`, in GiB."""
    if device.type != "cuda":
        return {}
    allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    return {"peak_allocated_gib": round(allocated / 2**30, 3), "peak_reserved_gib": round(reserved / 2**30, 3)}


def free(device: torch.device) -> None:
    """Gives back what is no longer held, and begins to look for peaks anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def rows(options: argparse.Namespace) -> list[Row]:
    """The table: the paper's setting, then one change at a time."""
    if options.tiny:
        return [Row("fp32", layout, True, 4, 64, 64, 2, options.seconds) for layout in BLOCKS]
    first = Row("fp16", "all", True, 16, 512, 320, options.iterations, options.seconds)
    changes: list[dict[str, Any]] = [{"precision": "bf16"}, {"checkpointing": False}, {"layout": "deep"}]
    return [first, *(replace(first, **change) for change in changes), replace(first, width=400, height=400)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=800, help="at most, for each row")
    parser.add_argument("--seconds", type=float, default=30, help="at most, for each row")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="a toy UNet, to try this script on a CPU")
    options = parser.parse_args()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    for row in rows(options):
        free(device)
        network = build(row.precision, device, TINY if options.tiny else {})
        line = {**asdict(row), "device": name, "torch": torch.__version__}
        try:
            report, embeddings = train(network, row)
            print(json.dumps({**line, **report, **memory(device)}), flush=True)
            free(device)
            print(json.dumps({**line, **generate(network, row, embeddings), **memory(device)}), flush=True)
            del embeddings
        except torch.OutOfMemoryError as error:  # which must not hide the other rows
            print(json.dumps({**line, "error": str(error), **memory(device)}), flush=True)
        del network


if __name__ == "__main__":
    main()
