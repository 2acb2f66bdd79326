"""What is noted of every sample beside its scores: its axes in words, and its whole configuration."""

import dataclasses
import functools
import re
from typing import Any

from motion_inversion.core.description import Json, describe
from motion_inversion.stage.address import Address


def axes(address: Address) -> dict[str, str]:
    """The axes of an experiment in a word each, to group by: `noise: blend`, `sampler: ddim(steps=20)`.

    The fields of the method are axes of their own. What a sample doesn't depend on is absent: no control has a
    loss or a training's seed, and random noise needs no inversion.
    """
    found: dict[str, Any] = {"model": address.model.name, "noise": address.noise, "sampler": address.sampler}
    found["guidance"] = address.model.guidance
    if address.noise.needs_inversion:
        found["inversion"] = address.inversion
    if address.method.fits:
        found["training_seed"] = address.seed
        if isinstance(address.trainer, functools.partial):
            found["iterations"] = address.trainer.keywords.get("max_steps")
    if dataclasses.is_dataclass(address.method):
        found |= {field.name: getattr(address.method, field.name) for field in dataclasses.fields(address.method)}
    hidden = {"embeddings", "resample", "checkpoint_every", "preview_every"}
    return {name: word(value) for name, value in found.items() if name not in hidden}


def word(value: object) -> str:
    """A short name of an object: its class, and the arguments that differ from the class's defaults."""
    if isinstance(value, functools.partial):
        name, arguments = value.func.__name__, value.keywords
    elif dataclasses.is_dataclass(value):
        name = type(value).__name__
        arguments = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
    elif isinstance(value, list | tuple):
        return "+".join(map(word, value))
    else:
        return str(value)
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    inside = ",".join(f"{key}={word(argument)}" for key, argument in arguments.items())
    return f"{snake}({inside})" if inside else snake


def configuration(address: Address) -> Json:
    """Everything the sample was made with, in the form of the nodes that build it; what changes no result, too."""
    parts = ("model", "method", "noise", "inversion", "sampler", "prompt_prefix", "negative_prompt", "seed", "trainer")
    described: Json = {part: describe(getattr(address, part), whole=True) for part in parts}
    return described
