"""State and prompts → clips: lossless video for metrics, mp4 and a strip of frames for people."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from motion_inversion.backbone.model import Backbone
from motion_inversion.data.clip import Clip
from motion_inversion.data.picture import save_png, strip
from motion_inversion.data.video import Video, read_exact, write_gif, write_lossless, write_video
from motion_inversion.error import InputError
from motion_inversion.method.state import STATE
from motion_inversion.stage.address import Address
from motion_inversion.stage.artifact import Artifact, making_together
from motion_inversion.stage.content import ANIMATION, STRIP, VIDEO, VIEW, made
from motion_inversion.stage.cost import Cost, Meter, write_cost
from motion_inversion.stage.progress import shown
from motion_inversion.stage.request import Pair, initial_noise, pairs_of, sampling_request

log = logging.getLogger(__name__)

_FILES = (VIDEO, VIEW, STRIP)


def generate(address: Address, model: Backbone, clip: Clip, batch: int, gif: bool) -> None:
    """Generates every target prompt with every seed, `batch` clips at a time, as far as they are missing.

    Raises:
        InputError: if the clip isn't prepared or the method not fitted, or the state is for another model.
    """
    samples = {pair: address.sample(clip, *pair) for pair in pairs_of(clip)}
    try:
        for pairs in _batches(samples, batch):
            _generate(address, model, clip, pairs)
    finally:
        model.release(STATE)
    if gif:
        for folder in (sample.folder for sample in samples.values()):
            if not (folder / ANIMATION).exists():
                write_gif(folder / ANIMATION, read_exact(folder / VIDEO), model.config.fps)


def _batches(samples: Mapping[Pair, Artifact], most: int) -> Iterator[list[Pair]]:
    """What is sampled together: those that are missing, `most` at a time.

    One that is missing is sampled again with those that it was sampled with before: alone, its last bits would be
    others.
    """
    missing = [pair for pair, sample in samples.items() if not sample.settled(*_FILES)]
    named = {sample.name: pair for pair, sample in samples.items()}
    for sample in samples.values():
        before = [named.get(name) for name in sample.made_with]
        again = [pair for pair in before if pair]
        if len(again) == len(before) <= most and set(missing) & set(again):
            yield again
            missing = [pair for pair in missing if pair not in again]
    for start in range(0, len(missing), most):
        yield missing[start : start + most]


def _generate(address: Address, model: Backbone, clip: Clip, pairs: list[Pair]) -> None:
    method = address.method
    state = made(address.state(clip), "train").folder / method.state_file if method.fits else None
    noise = initial_noise(address, model, clip, pairs)
    label = f"{clip.name}: sampling {len(pairs)} clips with {method.name}"
    log.info(label)
    request = sampling_request(address, clip, pairs, shown(label))
    meter = Meter(model.device)
    latents = method.sample(model, state, noise, request)
    videos = [model.decode(clean) for clean in latents.split(1)]
    for video in videos:
        _require_whole(video, model)
    cost = meter.read(among=len(pairs))
    reference = read_exact(made(address.reference(clip), "prepare").folder / VIDEO)
    samples = [address.sample(clip, *pair) for pair in pairs]
    # What was sampled together differs in its last bits from what is sampled alone.
    with making_together(samples, *_FILES) as folders:
        for pair, video, folder in zip(pairs, videos, folders, strict=True):
            if folder:  # or it was made by another process since this one looked
                _write(address, folder, pair, video, reference, cost)


def _require_whole(video: Video, model: Backbone) -> None:
    """Raises InputError for a clip of another length or size than the model's: none is kept that isn't whole."""
    config = model.config
    wanted = (config.frames, config.height, config.width)
    if video.shape[:3] != wanted:
        raise InputError(
            f"{config.name} made {_sides(*video.shape[:3])} where {_sides(*wanted)} were asked for: the folder's "
            "autoencoder doesn't fit its network; choose the model= that fits model.path"
        )


def _sides(frames: int, height: int, width: int) -> str:
    return f"{frames} frames of {width}×{height}"


def _write(address: Address, folder: Path, pair: Pair, video: Video, reference: Video, cost: Cost) -> None:
    write_cost(folder, cost)
    write_lossless(folder / VIDEO, video, address.model.fps)
    write_video(folder / VIEW, video, address.model.fps)
    save_png(folder / STRIP, strip([("reference", reference), (pair[0], video)]))
