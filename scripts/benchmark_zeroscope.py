"""Speed and memory of Motion Inversion at full size, on a randomly initialised UNet of ZeroScope's topology.

Prints one JSON line per configuration; docs/gpu.md is made from them. Weights are in the given precision, under
autocast; an fp16 training has a GradScaler besides. Usage: PYTHONPATH=src python scripts/benchmark_zeroscope.py
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from diffusers import UNet3DConditionModel
from torch import Tensor

from motion_inversion.backbone.model import Model, Precision
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.core.condition import Condition
from motion_inversion.core.loss import Debiased
from motion_inversion.core.process import Time
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from pretraining.diffusion import build_scheduler
from random_backbone import RandomBackbone

DTYPES: dict[str, Precision] = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}
BLOCKS = {"all": ("all",), "deep": ("widest",)}
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

    def model(self, device: str) -> Model:
        """What the configuration would say of it."""
        size = self.frames, self.width, self.height
        return Model(
            "random", "", UNet3D(), *size, DTYPES[self.precision], device=device, checkpointing=self.checkpointing
        )


class RandomUNet(RandomBackbone):
    """ZeroScope's UNet, or a smaller one."""

    def __init__(self, config: Model, options: dict[str, Any]) -> None:
        width = options.get("cross_attention_dim", 1024)
        super().__init__(config, UNet3DConditionModel, options, (77, width), {"scheduler": build_scheduler()})

    def predict(self, latents: Tensor, t: Time, condition: Condition) -> Tensor:
        """The UNet's output, in mixed precision where its weights are in half of it."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return super().predict(latents, t, condition)

    def latents(self) -> Tensor:
        """Gaussian ones of one clip."""
        return torch.randn(self.latent_shape, device=self.device)

    def wait(self) -> None:
        """Until all that was queued is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def training_step(model: RandomUNet, embeddings: MotionEmbeddings) -> Callable[[], Tensor]:
    """What one iteration of the training does; it returns the loss."""
    optimizer = torch.optim.AdamW(embeddings.parameters(), lr=5e-2, eps=1e-12)
    clean, text, loss_of = model.latents(), model.text(), Debiased()
    generator = torch.Generator().manual_seed(0)  # on the CPU: drawing the anchor then waits for nothing

    def step() -> Tensor:
        t = torch.randint(model.process.levels, (1,), generator=generator).to(model.device)
        noise = torch.randn_like(clean)
        prediction = model.predict(model.process.add_noise(clean, noise, t), t, text)
        loss = loss_of(prediction, noise, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def train(model: RandomUNet, row: Row) -> tuple[dict[str, Any], MotionEmbeddings]:
    """Warm-up, then timed iterations; whether the losses stayed finite tells whether the figures mean anything."""
    layout = Layout(BLOCKS[row.layout], query_key=True, value=True)
    embeddings = layout.zeros(model.sites()).to(model.device)
    with inject(model.network, embeddings), model.checkpointed():
        step = training_step(model, embeddings)
        losses = [step() for _ in range(WARM_UP)]
        model.wait()
        start = time.perf_counter()
        while len(losses) < WARM_UP + row.iterations and time.perf_counter() - start < row.seconds:
            losses.append(step())
            if len(losses) % 4 == 0:  # else the queue runs ahead of the clock
                model.wait()
        model.wait()
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
def generate(model: RandomUNet, embeddings: MotionEmbeddings) -> dict[str, float]:
    """Seconds of a guided DDIM step: one pass over a batch of two, then the step."""
    latents, text, negative, start = model.latents(), model.text(), model.text(), 0.0
    with inject(model.network, embeddings):
        for index, (t, t_next) in enumerate(model.process.transitions(50)[: GUIDED_STEPS + WARM_UP]):
            if index == WARM_UP:
                model.wait()
                start = time.perf_counter()
            latents = model.process.step(latents, model.guided(latents, t, text, negative, 9.0), t, t_next)
    model.wait()
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
        model = RandomUNet(row.model(options.device), TINY if options.tiny else {})
        line = {**asdict(row), "device": name, "torch": torch.__version__}
        try:
            report, embeddings = train(model, row)
            print(json.dumps({**line, **report, **memory(device)}), flush=True)
            free(device)
            print(json.dumps({**line, **generate(model, embeddings), **memory(device)}), flush=True)
            del embeddings
        except torch.OutOfMemoryError as error:  # which must not hide the other rows
            print(json.dumps({**line, "error": str(error), **memory(device)}), flush=True)
        del model


if __name__ == "__main__":
    main()
