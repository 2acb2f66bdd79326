"""Trains the embedded models from nothing: autoencoder, small CLIP, then text encoder and video UNet; then, from
the video UNet's layers for single frames, an image UNet and its ControlNet.

    python scripts/pretrain_shapes.py vae clip unet sheet image controlnet export --work outputs/pretrain

Data are rendered on the fly from seeds; every phase logs to WORK/<phase>.jsonl. The UNet phase saves its state
every few minutes: repeating the command resumes it. `--pause-after` ends a run early without decaying the learning
rate, to go on later. `decoder` goes on with the autoencoder's decoder, which an existing UNet doesn't notice.
Measured costs and results: docs/shapes_model.md.

On a CPU the UNet trains faster in as many processes as there are cores, with one thread each:

    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 scripts/pretrain_shapes.py unet --batch 8 --pool 512 --workers 0
"""

import argparse
import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from motion_inversion.data.world import WORDS
from pretraining import autoencoder, contrastive, diffusion, image, sheet
from pretraining.index import write_index
from pretraining.processes import join, rank, size, wait
from pretraining.progress import Budget
from pretraining.vocabulary import merges_for, write_clip_tokenizer, write_open_clip_vocabulary

PHASES = ("vae", "decoder", "clip", "unet", "sheet", "image", "controlnet", "export")
VIDEO_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler", "clip")
IMAGE_PARTS = ("unet", "text_encoder", "scheduler", "controlnet")  # it shares the others


def main() -> None:
    """Runs the named phases in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="+", choices=PHASES)
    parser.add_argument("--work", type=Path, default=Path("outputs/pretrain"))
    parser.add_argument("--target", type=Path, default=Path("src/motion_inversion/weights/shapes"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10**9, help="at most so many steps a phase")
    parser.add_argument("--seconds", type=float, default=3600.0, help="at most so many seconds a phase")
    parser.add_argument("--pause-after", type=float, default=math.inf, help="seconds after which unet pauses")
    parser.add_argument("--batch", type=int, default=128, help="clips a step and process (8 suit a CPU), or pictures")
    parser.add_argument("--rate", type=float, default=1.2e-3, help="peak learning rate of diffusion")
    parser.add_argument("--pool", type=int, default=16384, help="encoded clips kept by unet")
    arguments = parser.parse_args()
    join()
    if size() > 1 and (arguments.phases != ["unet"] or arguments.device != "cpu"):
        given = f"{' '.join(arguments.phases)} on {arguments.device}"
        parser.error(f"torchrun is for unet --device cpu alone, not {given}: run python {parser.prog} instead")
    torch.set_float32_matmul_precision("high")
    if rank() == 0:
        _write_vocabulary(arguments.work)
    wait()
    for phase in arguments.phases:
        _run(phase, arguments)


def _write_vocabulary(work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    rules = merges_for(WORDS)
    write_clip_tokenizer(work / "tokenizer", rules)
    write_open_clip_vocabulary(work / "clip/bpe_simple_vocab.txt.gz", rules)


def _run(phase: str, arguments: argparse.Namespace) -> None:
    work, device, workers = arguments.work, arguments.device, arguments.workers
    budget = Budget(arguments.steps, arguments.seconds)
    if phase == "vae":
        autoencoder.train(work, budget, device, workers)
    elif phase == "decoder":
        autoencoder.refine(work, budget, device, workers)
    elif phase == "clip":
        contrastive.train(work, budget, device, workers)
    elif phase == "unet":
        budget.pause_after = arguments.pause_after
        options = (arguments.batch, arguments.rate, arguments.pool)
        diffusion.train(work, budget, device, workers, *options)
    elif phase == "sheet":
        sheet.write(work, device)
    elif phase in ("image", "controlnet"):
        train = image.train_unet if phase == "image" else image.train_controlnet
        train(work, budget, device, workers, arguments.batch, arguments.rate)
    else:
        export(work, arguments.target, VIDEO_PARTS)
        if (work / image.FOLDER / "controlnet").exists():
            export(work / image.FOLDER, arguments.target.with_name(arguments.target.name + "_image"), IMAGE_PARTS)


def export(work: Path, target: Path, parts: tuple[str, ...]) -> None:
    """Copies trained parts to `target` in half precision, in the diffusers directory layout."""
    for part in parts:
        shutil.rmtree(target / part, ignore_errors=True)
        shutil.copytree(work / part, target / part)
    for path in target.rglob("*.safetensors"):
        tensors = {name: v.half() if v.is_floating_point() else v for name, v in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
    write_index(target, "StableDiffusionPipeline" if "controlnet" in parts else "TextToVideoSDPipeline")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
