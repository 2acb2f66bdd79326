"""Prepared reference → the method's state: for Motion Inversion, its motion embeddings."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents
from motion_inversion.data.clip import Clip
from motion_inversion.data.video import read_exact, write_video
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.training.logger import LoggerFactory
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import VIDEO, made, read_condition, read_tensor
from motion_inversion.stage.cost import metered
from motion_inversion.stage.progress import shown
from motion_inversion.stage.request import initial_noise, sampling_request
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import COST

log = logging.getLogger(__name__)

_WORK = "training"  # inside the workplace: what an interrupted training goes on from
_THREADS = "threads.json"
_BEGUN = ("last.ckpt", "loss.csv")  # of a training that has made a step
_TRANSIENT = ("last.ckpt", _THREADS)


def train(address: Address, model: Backbone, clip: Clip, loggers: tuple[LoggerFactory, ...]) -> None:
    """Fits the method to a clip, unless that is done or the method has nothing to fit.

    Raises:
        InputError: if the clip isn't prepared, or training diverges.
    """
    method = address.method
    if not method.fits:
        return
    with address.state(clip).making() as folder:
        if folder:
            with _nothing_left_of_a_refusal(folder), metered(folder, model.device) as fitted:
                fitted["parameters"] = _fit(address, model, clip, loggers, folder)
                fitted["size"] = (folder / method.state_file).stat().st_size


@contextmanager
def _nothing_left_of_a_refusal(folder: Path) -> Iterator[None]:
    """Empties the workplace of a fit that was refused before its first step: there is nothing to go on from."""
    try:
        yield
    except (InputError, FloatingPointError):
        if not any((folder / _WORK / name).exists() for name in _BEGUN):
            shutil.rmtree(folder / _WORK, ignore_errors=True)
            (folder / COST).unlink(missing_ok=True)
        raise


def _fit(address: Address, model: Backbone, clip: Clip, loggers: tuple[LoggerFactory, ...], folder: Path) -> int:
    method, control_maps = address.method, address.control_maps(clip)
    reference = Reference(
        latents=read_tensor(address.reference(clip), "latents"),
        condition=read_condition(address.text(address.training_prompt(clip))),
        motion=clip.motion,
        video=read_exact(made(address.reference(clip), "prepare").folder / VIDEO),
        control_maps=read_exact(made(control_maps, "prepare").folder / VIDEO) if control_maps else None,
    )
    log.info("%s: fitting %s", clip.name, method.name)
    work = folder / _WORK
    work.mkdir(exist_ok=True)
    show = _preview(address, model, clip, work / "preview")
    state = folder / method.state_file
    trainer, progress = address.trainer or _no_trainer, shown(f"{clip.name}: fitting {method.name}")
    with _same_threads(work / _THREADS):
        count = method.fit(model, reference, Fitting(work, state, trainer, address.seed, loggers, show, progress))
    for kept in (path for path in work.iterdir() if path.name not in _TRANSIENT):
        shutil.move(kept, folder / kept.name)
    shutil.rmtree(work)
    return count


def _no_trainer(**settings: object) -> None:
    """What a method gets that lists no trainer in its defaults."""
    raise AssertionError("a method that trains lists a trainer in its defaults")


@contextmanager
def _same_threads(path: Path) -> Iterator[None]:
    """A resumed training runs with the threads it began with: sums in another order round differently."""
    given = torch.get_num_threads()
    if path.exists():
        torch.set_num_threads(int(json.loads(path.read_text())["threads"]))
    else:
        with replacing(path) as part:
            part.write_text(json.dumps({"threads": given}))
    try:
        yield
    finally:
        torch.set_num_threads(given)


def _preview(
    address: Address, model: Backbone, clip: Clip, folder: Path
) -> Callable[[int, Callable[[Latents, Request], Latents]], None]:
    """Shows what the first target prompt would look like by now, through the code path of generation."""

    def show(step: int, sample: Callable[[Latents, Request], Latents]) -> None:
        pairs = [(clip.prompts[0], clip.seeds[0])]
        latents = sample(initial_noise(address, model, clip, pairs), sampling_request(address, clip, pairs))
        write_video(folder / f"step{step:05d}.mp4", model.decode(latents), model.config.fps)

    return show
