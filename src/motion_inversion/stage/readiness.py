"""What a run will need, tried before anything is computed or written: the trainer, a detector, what metrics load."""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

from motion_inversion.backbone.model import Backbone
from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.method.method import HasDetector
from motion_inversion.method.training.setting import Trained, check_optimizer
from motion_inversion.stage.address import Address
from motion_inversion.stage.request import pairs_of

_LOADED: set[tuple[str, str]] = (
    set()
)  # names and versions of metrics that this process has loaded: a sweep loads each once


def require_ready(address: Address, model: Backbone, clips: Sequence[Clip], stages: Sequence[str]) -> None:
    """Tries what the stages will need beside the model and the clips.

    Raises:
        InputError: for a type that the device computes nothing in, steps that the noise levels don't hold, a trainer or
            an optimizer that refuses its settings, a detector without its weights, or a metric without its own.
    """
    if model.config.dtype == "float16" and model.device.type == "cpu":
        raise InputError(
            "model.dtype=float16 takes a GPU: on a CPU accepted are float32 and bfloat16; set model.dtype=float32"
        )
    if "generate" in stages and not all(_sampled(address, clip) for clip in clips):
        model.process.timesteps(address.sampler.steps, "sampler.steps")
        if address.noise.needs_inversion:
            model.process.timesteps(address.inversion.steps, "inversion.steps")
    if "train" in stages and address.method.fits and not all(_fitted(address, clip) for clip in clips):
        _require_fit(address, model, clips)
    if "evaluate" in stages and not all(_scored(address, clip) for clip in clips):
        _require_metrics(address)


def _fitted(address: Address, clip: Clip) -> bool:
    try:
        return address.state(clip).folder.exists()
    except InputError:  # footage that can't be read, which is for the stage to say
        return False


def _sampled(address: Address, clip: Clip) -> bool:
    try:
        return all(address.sample(clip, *pair).folder.exists() for pair in pairs_of(clip))
    except InputError:
        return False


def _scored(address: Address, clip: Clip) -> bool:
    try:
        return all(address.score(clip, *pair).folder.exists() for pair in pairs_of(clip))
    except InputError:
        return False


def _require_fit(address: Address, model: Backbone, clips: Sequence[Clip]) -> None:
    from motion_inversion.method.training.lightning import made

    if address.trainer is not None:
        if isinstance(address.method, Trained):
            check_optimizer(address.method)
        with tempfile.TemporaryDirectory() as folder:
            made(address.trainer, model.device, model.dtype, Path(folder))
    if isinstance(address.method, HasDetector) and any(clip.control_maps is None for clip in clips):
        address.method.require_detector(model)


def _require_metrics(address: Address) -> None:
    for name, metric in address.metric.items():
        if (tried := (name, metric.version())) not in _LOADED:
            copy.deepcopy(metric).load("cpu")  # a copy: its weights leave memory again until they are needed
            _LOADED.add(tried)
