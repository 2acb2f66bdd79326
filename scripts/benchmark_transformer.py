"""Time and memory of Motion Inversion at full size, on transformers with random weights.

    python scripts/benchmark_transformer.py wan --frames 17 --width 512 --height 320 --steps 1

Prints one JSON line: seconds of each training step (loss, gradients, AdamW), the peak memory of the GPU or of the
process, and the number of embedded parameters. Weights are bfloat16, blocks are checkpointed.
"""

import argparse
import json
import resource
import time
from typing import Any

import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    WanTransformer3DModel,
)

from motion_inversion.backbone.cogvideox import CogVideoX
from motion_inversion.backbone.model import Model
from motion_inversion.backbone.wan import Wan
from motion_inversion.core.loss import Debiased
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from random_backbone import RandomBackbone

TEXT_WIDTH = 4096  # of T5 and UMT5
# The published sizes of Wan 2.1 1.3B and of CogVideoX-2B.
NETWORKS: dict[str, tuple[Any, type[Any], dict[str, Any]]] = {
    "wan": (
        Wan(),
        WanTransformer3DModel,
        {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960, "text_dim": TEXT_WIDTH},
    ),
    "cogvideox": (CogVideoX(), CogVideoXTransformer3DModel, {"num_layers": 30, "text_embed_dim": TEXT_WIDTH}),
}
SCHEDULERS = {
    "wan": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
    "cogvideox": lambda: CogVideoXDDIMScheduler(prediction_type="v_prediction", clip_sample=False),
}


class _Tokenizer:
    """As long as the family's text: all that sites ask of it."""

    model_max_length = 10**9


def random_model(name: str, frames: int, width: int, height: int, device: str) -> RandomBackbone:
    """The network of this name, in bfloat16."""
    family, network, options = NETWORKS[name]
    config = Model(name, "", family, frames, width, height, "bfloat16", device=device, checkpointing=True)
    parts = {"scheduler": SCHEDULERS[name](), "tokenizer": _Tokenizer()}
    return RandomBackbone(config, network, options, (family.length, TEXT_WIDTH), parts)


def measure(model: RandomBackbone, layout: Layout, steps: int) -> dict[str, Any]:
    """Seconds of `steps` training steps, and what they took."""
    embeddings = layout.zeros(model.sites()).to(model.device)
    optimizer, loss_of = torch.optim.AdamW(embeddings.parameters(), lr=5e-2), Debiased()
    draw = torch.Generator().manual_seed(0)
    clean, text, seconds, losses = torch.randn(model.latent_shape, device=model.device), model.text(), [], []
    with inject(model.network, embeddings), model.checkpointed():
        for _ in range(steps):
            start = time.perf_counter()
            t = torch.randint(model.process.levels, (1,), generator=draw).to(model.device)
            noise = torch.randn_like(clean)
            prediction = model.predict(model.process.add_noise(clean, noise, t), t, text)
            loss = loss_of(prediction, model.process.target(clean, noise, t), draw)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())  # waits for the GPU
            seconds.append(round(time.perf_counter() - start, 2))
    cuda = model.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        "losses": losses,
        "finite": all(bool(parameter.isfinite().all()) for parameter in embeddings.parameters()),
        "embedding_parameters": sum(parameter.numel() for parameter in embeddings.parameters()),
        "peak_gib": round(peak / 2**30, 2),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
    }


def main() -> None:
    """Builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--value-blocks", nargs="+", default=["early"])
    parser.add_argument("--value-grid", type=int, default=1)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    size = arguments.frames, arguments.width, arguments.height
    layout = Layout(["all"], True, True, tuple(arguments.value_blocks), arguments.value_grid)
    row = measure(random_model(arguments.network, *size, arguments.device), layout, arguments.steps)
    print(json.dumps({"network": arguments.network, "size": size, "layout": str(layout), **row}))


if __name__ == "__main__":
    main()
