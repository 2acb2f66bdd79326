"""What a run will need, tried before anything is computed or written: the trainer, a detector, what metrics load."""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.twin import Twin
from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.method.method import HasDetector, HasPlaces
from motion_inversion.method.training.noised import Learning, check_noised
from motion_inversion.method.training.setting import Trained, check_optimizer
from motion_inversion.stage.address import Address
from motion_inversion.stage.outlook import expected

_LOADED: set[tuple[str, str]] = (
    set()
)  # names and versions of metrics that this process has loaded: a sweep loads each once


def require_ready(address: Address, model: Backbone, clips: Sequence[Clip], stages: Sequence[str]) -> None:
    """Tries what the stages will need, beside the clips, as far as they have something to make.

    Raises:
        InputError: for a type that the device computes nothing in, a scheduler that can't be read, steps that the
            noise levels don't hold, a trainer or an optimizer that refuses its settings, a layout that names no block,
            embeddings of another model or size, noise levels that the model hasn't, a loss that has no meaning for its
            clips, a detector without its weights, or a metric without its own.
    """
    if model.config.dtype == "float16" and model.device.type == "cpu":
        raise InputError(
            "model.dtype=float16 takes a GPU: on a CPU accepted are float32 and bfloat16; set model.dtype=float32"
        )
    missing = _missing(address, clips, stages)
    if missing & {"prepare", "train", "generate"}:
        model.part("scheduler")
    if "generate" in missing:
        model.process.timesteps(address.sampler.steps, "sampler.steps")
        if address.noise.needs_inversion:
            model.process.timesteps(address.inversion.steps, "inversion.steps")
    if "train" in missing and address.method.fits:
        _require_fit(address, model, clips)
    if "evaluate" in missing:
        _require_metrics(address)


def _missing(address: Address, clips: Sequence[Clip], stages: Sequence[str]) -> set[str]:
    """The stages that have something to make; all, where footage can't be read, which is for its stage to say."""
    try:
        return {each.stage for each in expected([address], clips, stages) if not each.there}
    except InputError:
        return {*stages}


def _require_fit(address: Address, model: Backbone, clips: Sequence[Clip]) -> None:
    from motion_inversion.method.training.lightning import made

    if address.trainer is not None:
        if isinstance(address.method, Trained):
            check_optimizer(address.method, model.device)
        with tempfile.TemporaryDirectory() as folder:
            made(address.trainer, model.device, model.dtype, Path(folder))
    twin = Twin(model.config)
    if isinstance(address.method, HasPlaces):
        address.method.require_places(twin)
    if isinstance(address.method, Learning):
        check_noised(address.method, twin)
    if isinstance(address.method, HasDetector) and any(clip.control_maps is None for clip in clips):
        address.method.require_detector(model)


def _require_metrics(address: Address) -> None:
    for name, metric in address.metric.items():
        if (tried := (name, metric.version())) not in _LOADED:
            copy.deepcopy(metric).load("cpu")  # a copy: its weights leave memory again until they are needed
            _LOADED.add(tried)
