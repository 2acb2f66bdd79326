"""Single precision against bfloat16 on one core of a CPU, with fused attention and with plain products.

    python scripts/benchmark_precision.py --network shapes shapes_dit unet --steps 5
    python scripts/benchmark_precision.py --losses 150

Every setting runs in a process of its own, whose peak of memory is told beside the CPU seconds of a training step.
`unet` has random weights, widths of 64, 128, 256 and 256, and latents of 16 frames of 20×32; the others are the shapes
models. `--losses` trains the demo's first clip in both precisions instead, and prints the mean losses of each third.
Where the CPU has no bfloat16 of its own, that training computes products in float32 and rounds what comes out, which is
what instructions for bfloat16 do; timings there are of torch's own, slow kernels.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import hydra
import torch
from diffusers import UNet3DConditionModel
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from benchmark_step import CONF, WARM_UP, Clock, Work, bare, prepare
from motion_inversion.backbone import attention
from motion_inversion.backbone.attention import ExplicitAttention
from motion_inversion.backbone.device import has_bfloat16
from motion_inversion.backbone.model import Model
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.composition import build
from motion_inversion.core.loss import compared
from motion_inversion.core.seed import generator
from motion_inversion.embedding.inject import inject
from motion_inversion.method.method import Reference
from motion_inversion.method.motion_inversion import MotionInversion
from pretraining.diffusion import build_scheduler
from random_backbone import RandomBackbone

NETWORKS = ("shapes", "shapes_dit", "unet")
DTYPES = ("float32", "bfloat16")
WIDTHS = (64, 128, 256, 256)
TEXT = (77, 256)
_PRODUCTS = {
    *(torch.ops.aten.mm, torch.ops.aten.bmm, torch.ops.aten.addmm, torch.ops.aten.baddbmm),
    *(torch.ops.aten.convolution, torch.ops.aten.convolution_backward),
}


class Rounded(TorchDispatchMode):
    """While the context lasts, products of bfloat16 are computed in float32, and what comes out is rounded."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        options = dict(kwargs or {})
        if func.overloadpacket not in _PRODUCTS or not any(_is_half(each) for each in args):
            return func(*args, **options)
        made = func(*tree_map(lambda each: each.float() if _is_half(each) else each, args), **options)
        return tree_map(lambda each: each.bfloat16() if isinstance(each, Tensor) else each, made)


def _is_half(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype is torch.bfloat16


def work_of(network: str, dtype: str) -> Work:
    """The demo's method on a reference of random latents."""
    if network != "unet":
        words = [f"model={network}", f"model.dtype={dtype}", "model.device=cpu"]
        return prepare(argparse.Namespace(steps=1, overrides=words))
    work = prepare(argparse.Namespace(steps=1, overrides=["model.device=cpu"]))
    config = Model("unet", "", UNet3D(), 16, 256, 160, dtype, device="cpu")  # pyright: ignore[reportArgumentType]
    options = {"block_out_channels": WIDTHS, "cross_attention_dim": TEXT[1], "attention_head_dim": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RandomBackbone(config, UNet3DConditionModel, options, TEXT, {"scheduler": build_scheduler()})
        latents = torch.randn(model.latent_shape)
        reference = Reference(latents, model.text(), "object", work.reference.video)
    return replace(work, model=model, reference=reference)


def measure(network: str, dtype: str, explicit: bool, steps: int) -> None:
    """Prints the mean CPU seconds of a step, and GiB at the process's peak."""
    attention.has_bfloat16 = lambda kind: False  # what is measured is chosen here
    work, clock = work_of(network, dtype), Clock(torch.device("cpu"))
    with ExplicitAttention() if explicit else nullcontext():
        bare(work, steps + WARM_UP + 1, clock)
    seconds = clock.seconds()[1]
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))


def losses(dtype: str, steps: int) -> list[float]:
    """The loss of each step of the demo's first clip."""
    words = ["experiment=demo", "model.device=cpu", f"model.dtype={dtype}"]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        experiment = build(hydra.compose("config", words))
    method, model, clip = experiment.method, experiment.model.load(), experiment.dataset.clips()[0]
    assert isinstance(method, MotionInversion)
    emulated = dtype == "bfloat16" and not has_bfloat16("cpu")
    computing: AbstractContextManager[Any] = Rounded() if emulated else nullcontext()
    explicit: AbstractContextManager[Any] = ExplicitAttention() if dtype == "bfloat16" else nullcontext()
    found: list[float] = []
    size = model.config.frames, model.config.width, model.config.height
    with computing, explicit:
        latents, told = model.encode(clip.footage.read(*size)), model.embed([clip.source_prompt])
        embeddings, process = method.layout.zeros(model.sites()), model.process
        optimizer = method.optimizer(embeddings.parameters())
        with inject(model.network, embeddings):
            for index in range(steps):
                draw = generator(experiment.seed, "draw", index)
                t = method.timestep(1, process.levels, draw)
                noise = torch.randn(latents.shape[1:], generator=draw)[None]
                noisy, target = process.add_noise(latents, noise, t), process.target(latents, noise, t)
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                    prediction = model.predict(noisy, t, told)
                    on = compared(method.loss)
                    ours, theirs = (process.read(on, each, noisy, t) for each in (prediction, target))
                    loss = method.loss(ours, theirs, draw)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                found.append(loss.item())
    return found


def main() -> None:
    """One line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--losses", type=int, default=0, help="compare the losses of so many steps instead")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.measure:
        network, dtype, kind = given.measure
        return measure(network, dtype, kind == "explicit", given.steps)
    print(f"torch {torch.__version__}, bfloat16 of the CPU's own: {has_bfloat16('cpu')}")
    if given.losses:
        found = {dtype: torch.tensor(losses(dtype, given.losses)) for dtype in DTYPES}
        for dtype, values in found.items():
            print(dtype, *(f"{third.mean():.6f}" for third in values.chunk(3)))
        ratio = found["bfloat16"] / found["float32"]
        print(f"bfloat16 / float32, step by step: {ratio.mean():.4f} ({ratio.min():.4f} to {ratio.max():.4f})")
        return
    for _ in range(given.rounds):
        for network in given.network:
            for dtype in given.dtype:
                for kind in ("fused", "explicit"):
                    words = [__file__, "--steps", str(given.steps), "--measure", network, dtype, kind]
                    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
                    seconds, memory = json.loads(done.stdout.splitlines()[-1])
                    print(f"{network} {dtype} {kind}: {seconds:.3f} CPU s a step, {memory:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
