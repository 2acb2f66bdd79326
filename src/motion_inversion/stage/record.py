"""What is noted of every sample beside its scores: its axes in words, and its whole configuration."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from motion_inversion.core.sampler import Ddim
from motion_inversion.data.clip import Clip
from motion_inversion.method.training.trainer import settings_of
from motion_inversion.reflection.description import Json, describe, digest
from motion_inversion.stage.address import Address

_PLACE = {"_target_", "path", "sha256", "counted"}  # what says where footage lies
# What a method's settings say of a training, which there is none of where embeddings are given.
_TRAINING = {
    "layout",
    "loss",
    "optimizer",
    "timestep",
    "batch_size",
    "spatial",
    "iterations",
    "training_seed",
    "train_mode",
}


def axes(address: Address) -> dict[str, str]:
    """The axes of an experiment in a word each, to group by: `noise: blend`, `sampler: ddim(steps=20)`.

    The fields of the method are axes of their own. What a sample doesn't depend on is absent: the frozen model has no
    loss or a training's seed, random noise needs no inversion, and what is given was not learnt as the settings say.
    """
    sampler = replace(address.sampler, guidance=Ddim().guidance)  # which is an axis of its own
    found: dict[str, Any] = {"model": address.model.name, "noise": address.noise, "sampler": sampler}
    found["guidance"] = address.sampler.guidance
    if address.noise.needs_inversion:
        found["inversion"] = address.inversion
    if address.method.fits:
        found["training_seed"] = address.seed
        if given := settings_of(address.trainer):
            found["iterations"] = given.get("max_steps")
    if dataclasses.is_dataclass(address.method):
        found |= {name: getattr(address.method, name) for name in _telling(address.method)}
    hidden = {"embeddings", "resample"} if found.get("embeddings") is None else _TRAINING
    return {name: word(value) for name, value in found.items() if name not in hidden}


def dataset(clip: Clip) -> dict[str, Json]:
    """How a clip's footage is cut or drawn and what goes with it, but for its prompts and seeds, which have places of
    their own. The footage's content is known by its checksum, wherever it lies."""
    cut = describe(clip.footage, whole=True)
    assert isinstance(cut, dict)
    told = {key: value for key, value in cut.items() if key not in _PLACE}
    maps = describe(clip.control_maps, whole=True)
    return told | {
        "appearance_invariant_prompt": clip.appearance_invariant_prompt,
        "control_maps": digest(maps) if maps else None,
    }


def word(value: object) -> str:
    """A short name of an object: its own, if it has one (`__str__`), else its class and what differs from defaults."""
    if isinstance(value, functools.partial):
        name, arguments = value.func.__name__, _unusual(value.func, value.keywords)
    elif dataclasses.is_dataclass(value) and type(value).__str__ is object.__str__:
        fields = {key: getattr(value, key) for key in _telling(value)}
        name, arguments = type(value).__name__, _unusual(type(value), fields)
    elif isinstance(value, list | tuple):
        return "+".join(map(word, value))
    else:
        return str(value)
    snake = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name).lower()  # AdamW is adamw
    inside = ",".join(f"{key}={word(argument)}" for key, argument in arguments.items())
    return f"{snake}({inside})" if inside else snake


def _telling(value: Any) -> list[str]:
    """The fields of a dataclass that change what it makes."""
    return [field.name for field in dataclasses.fields(value) if field.metadata.get("digest", True)]


def _unusual(target: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that differ from the target's defaults."""
    usual = {name: parameter.default for name, parameter in inspect.signature(target).parameters.items()}
    given = ((key, value, usual.get(key, inspect.Parameter.empty)) for key, value in arguments.items())
    return {key: value for key, value, default in given if value != default and word(value) != word(default)}


def configuration(address: Address) -> Json:
    """Everything the sample was made with, in the form of the nodes that build it; what changes no result, too."""
    parts = ("model", "method", "noise", "inversion", "sampler", "prompt_prefix", "negative_prompt", "seed", "trainer")
    described: Json = {part: describe(getattr(address, part), whole=True) for part in parts}
    return described
