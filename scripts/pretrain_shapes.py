"""Trains the embedded models from nothing: autoencoder, small CLIP, then text encoder and video UNet; then, from
the video UNet's layers for single frames, an image UNet and its ControlNet.

    python scripts/pretrain_shapes.py vae clip unet dit image controlnet export --work outputs/pretrain

Data are rendered on the fly from seeds; every phase logs to WORK/<phase>.jsonl. The UNet phase saves its state
every few minutes: repeating the command resumes it. `--pause-after` ends a run early without decaying the learning
rate, to go on later. `decoder` goes on with the autoencoder's decoder, which an existing UNet doesn't notice.
Measured costs and results: docs/shapes_model.md.

On a CPU the UNet trains faster in as many processes as there are cores, with one thread each:

    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 scripts/pretrain_shapes.py unet --batch 8 --pool 512 --workers 0

`dit` and `wan` train transformers on the same autoencoder, first with `--lesson directions` and a pause, then on the
whole world.
"""

import argparse
import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from motion_inversion.data.shapes.world import WORDS
from pretraining import autoencoder, contrastive, diffusion, image, transformer
from pretraining.index import write_index
from pretraining.lesson import LESSONS
from pretraining.processes import join, rank, size, wait
from pretraining.progress import Budget
from pretraining.vocabulary import merges_for, write_clip_tokenizer, write_open_clip_vocabulary

PHASES = ("vae", "decoder", "clip", "unet", "dit", "wan", "image", "controlnet", "export")
SHARED = ("unet", "dit", "wan")  # what several processes can train together
SHARED_PARTS = ("vae", "tokenizer", "clip")  # by all models of the shapes world
UNET_PARTS = ("unet", "text_encoder", "scheduler")
IMAGE_PARTS = (*UNET_PARTS, "controlnet")
TRANSFORMER_PARTS = ("transformer", "text_encoder", "scheduler")


def main() -> None:
    """Runs the named phases in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="+", choices=PHASES)
    parser.add_argument("--work", type=Path, default=Path("outputs/pretrain"))
    parser.add_argument("--target", type=Path, default=Path("src/motion_inversion/weights"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10**9, help="at most so many steps a phase")
    parser.add_argument("--seconds", type=float, default=3600.0, help="at most so many seconds a phase")
    parser.add_argument("--pause-after", type=float, default=math.inf, help="seconds after which it pauses")
    parser.add_argument("--batch", type=int, default=128, help="clips a step and process (8 suit a CPU), or pictures")
    parser.add_argument("--rate", type=float, default=1.2e-3, help="peak learning rate of diffusion")
    parser.add_argument("--pool", type=int, default=16384, help="encoded clips kept by unet")
    parser.add_argument("--lesson", choices=LESSONS, default="whole", help="what transformers are shown")
    parser.add_argument("--teacher", type=Path, help="folder of a transformer that wan learns of")
    parser.add_argument("--start", type=Path, help="folder of a model whose weights a new dit or wan begins with")
    arguments = parser.parse_args()
    join()
    if arguments.teacher and "wan" not in arguments.phases:
        parser.error(f"--teacher is for wan, not {' '.join(arguments.phases)}")
    if arguments.start and not {"dit", "wan"} & {*arguments.phases}:
        parser.error(f"--start is for dit and wan, not {' '.join(arguments.phases)}")
    if arguments.start and arguments.teacher:
        parser.error("a new training begins with the weights of --start or of --teacher: drop one")
    alone = len(arguments.phases) == 1 and arguments.phases[0] in SHARED and arguments.device == "cpu"
    if size() > 1 and not alone:
        given = f"{' '.join(arguments.phases)} on {arguments.device}"
        parser.error(
            f"torchrun is for one of {', '.join(SHARED)} with --device cpu, not {given}: "
            f"run python {parser.prog} instead"
        )
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
    elif phase in ("dit", "wan"):
        budget.pause_after = arguments.pause_after
        lesson = LESSONS[arguments.lesson]
        options = (arguments.batch, arguments.rate, arguments.pool, arguments.teacher, arguments.start)
        transformer.train(work, phase, lesson, budget, device, workers, *options)
    elif phase in ("image", "controlnet"):
        train = image.train_unet if phase == "image" else image.train_controlnet
        train(work, budget, device, workers, arguments.batch, arguments.rate)
    else:
        _export_all(work, arguments.target)


def _export_all(work: Path, target: Path) -> None:
    """Exports whatever has been trained: what models share, and a folder for each of them."""
    export(work, target / "shapes_shared", SHARED_PARTS)
    models = {
        "shapes": (work, UNET_PARTS, "TextToVideoSDPipeline"),
        "shapes_image": (work / image.FOLDER, IMAGE_PARTS, "StableDiffusionPipeline"),
        "shapes_dit": (work / "dit", TRANSFORMER_PARTS, "CogVideoXPipeline"),
        "shapes_wan": (work / "wan", TRANSFORMER_PARTS, "WanPipeline"),
    }
    for name, (folder, parts, pipeline) in models.items():
        if all((folder / part).is_dir() for part in parts):
            export(folder, target / name, parts)
            write_index(target / name, pipeline)


def export(work: Path, target: Path, parts: tuple[str, ...]) -> None:
    """Copies trained parts to `target` in half precision, in the diffusers directory layout."""
    for part in parts:
        shutil.rmtree(target / part, ignore_errors=True)
        shutil.copytree(work / part, target / part)
    for path in target.rglob("*.safetensors"):
        tensors = {name: v.half() if v.is_floating_point() else v for name, v in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
