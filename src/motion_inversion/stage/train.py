"""Prepared reference → the method's state: for Motion Inversion, its motion embeddings."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents
from motion_inversion.data.clip import Clip
from motion_inversion.data.video import read_exact, write_video
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.training.checkpoint import CHECKPOINTS, latest
from motion_inversion.method.training.logger import FOLDERS, LoggerFactory
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import VIDEO, made, read_condition, read_tensor
from motion_inversion.stage.cost import metered
from motion_inversion.stage.extension import go_on_from_shorter, say_if_edited
from motion_inversion.stage.logged import identity
from motion_inversion.stage.progress import shown
from motion_inversion.stage.request import initial_noise, sampling_request
from motion_inversion.storage.file import remove
from motion_inversion.storage.names import LOCK, LOSSES

log = logging.getLogger(__name__)

_PREVIEWS = "preview"
_BESIDE = (_PREVIEWS, *FOLDERS, CHECKPOINTS)  # what differs from run to run


def train(address: Address, model: Backbone, clip: Clip, loggers: tuple[LoggerFactory, ...], where: str = "") -> None:
    """Fits the method to a clip, unless that is done or the method has nothing to fit.

    `where` says of which clip progress is told: its name unless given.

    Raises:
        InputError: if the clip isn't prepared, or training diverges.
    """
    method, state = address.method, address.state(clip)
    if not method.fits:
        return
    with state.making(method.state_file, LOSSES, beside=_BESIDE) as folder:
        if folder:
            say_if_edited(state)
            go_on_from_shorter(state, folder)
            with _nothing_left_of_a_refusal(folder), metered(folder, model.device) as fitted:
                fitted["parameters"] = _fit(address, model, clip, loggers, folder, where or clip.name)
                fitted["size"] = (folder / method.state_file).stat().st_size


@contextmanager
def _nothing_left_of_a_refusal(folder: Path) -> Iterator[None]:
    """Empties the workplace of a fit that was refused before its first step: there is nothing to go on from."""
    try:
        yield
    except (InputError, FloatingPointError):
        if latest(folder) is None and not (folder / LOSSES).exists():
            for path in (path for path in folder.iterdir() if path.name != LOCK):
                remove(path)
        raise


def _fit(
    address: Address, model: Backbone, clip: Clip, loggers: tuple[LoggerFactory, ...], folder: Path, where: str
) -> int:
    method, control_maps = address.method, address.control_maps(clip)
    reference = Reference(
        latents=read_tensor(address.reference(clip), "latents"),
        condition=read_condition(address.text(address.training_prompt(clip))),
        motion=clip.motion,
        video=read_exact(made(address.reference(clip), "prepare").folder / VIDEO),
        control_maps=read_exact(made(control_maps, "prepare").folder / VIDEO) if control_maps else None,
    )
    log.info("%s: fitting %s", clip.name, method.name)
    show = _preview(address, model, clip, folder / _PREVIEWS)
    state = folder / method.state_file
    trainer, label = address.trainer or _no_trainer, f"clip {where} · {method.name}"
    fitting = Fitting(folder, state, trainer, address.seed, loggers, show, shown(label), label, identity(address, clip))
    return method.fit(model, reference, fitting)


def _no_trainer(**settings: object) -> None:
    """What a method gets that lists no trainer in its defaults."""
    raise AssertionError("a method that trains lists a trainer in its defaults")


def _preview(
    address: Address, model: Backbone, clip: Clip, folder: Path
) -> Callable[[int, Callable[[Latents, Request], Latents]], Pixels]:
    """Shows what the first target prompt would look like by now, through the code path of generation."""

    def show(step: int, sample: Callable[[Latents, Request], Latents]) -> Pixels:
        pairs = [(clip.prompts[0], clip.seeds[0])]
        latents = sample(initial_noise(address, model, clip, pairs), sampling_request(address, clip, pairs))
        video = model.decode(latents)
        write_video(folder / f"step{step:05d}.mp4", video, model.config.fps)
        return video

    return show
