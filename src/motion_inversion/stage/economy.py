"""What a run has to do without to stay within a limit of memory, by estimates alone."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from motion_inversion.backbone.autoencoder import of_pictures
from motion_inversion.backbone.model import Model
from motion_inversion.backbone.twin import Twin
from motion_inversion.embedding.budget import size, smaller_layouts
from motion_inversion.embedding.layout import Layout
from motion_inversion.error import InputError
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.stage.address import Address
from motion_inversion.stage.memory import Estimate

CARDS = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 40.0, 48.0, 80.0, 141.0)
"""GiB of memory that GPUs come with, and that a process on a CPU is content with."""
_SHARE = {"cuda": 0.05, "cpu": 0.12}
"""What kernels' work space and gaps between tensors take besides, of an estimate."""
_CONTEXT = {"cuda": 0.5, "cpu": 0.0}
"""GiB of CUDA itself; a process is part of its estimate."""
_LAYOUT = "method.layout"
_KEYS = ("model.checkpointing", _LAYOUT, "batch", "model.chunk", "model.offload")


def limit_of(memory: str) -> float:
    """GiB. Raises InputError for what is no size such as 8gb."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?gi?b", memory.strip().lower())
    if not found or not float(found[1]):
        cards = ", ".join(f"{card}gb" for card in (8, 12, 16, 24, 80))
        raise InputError(f"memory={memory}: accepted are sizes such as {cards}, and null for no limit; set memory=24gb")
    return float(found[1])


@dataclass(frozen=True)
class Economy:
    """Settings that keep a run within a limit.

    picks: the values by their keys, of those that differ from the configuration's; estimate: what it takes then.
    """

    picks: Mapping[str, Any]
    estimate: Estimate


def economise(estimate: Estimate, memory: str, fixed: Collection[str]) -> Economy:
    """The fastest and finest settings within a limit: what suffices of all that may be changed.

    In this order: no checkpointing; checkpointing; coarser value embeddings, then in early blocks alone, then none;
    fewer clips sampled at once. Before that, where encoding or decoding asks for it: text encoders on the CPU, and
    fewer frames through an autoencoder of pictures at once. Keys in `fixed`, the user's own, keep their values;
    `method.layout` stands for all of it.

    Raises:
        InputError: if nothing suffices, with what would: a shorter or smaller clip, or a larger limit.
    """
    bytes_ = _usable(limit_of(memory), estimate.device)
    if found := _within(estimate, bytes_, fixed):
        return found
    least = _least(estimate, fixed)
    stage, most = max(least.need().stages.items(), key=lambda each: each[1])
    model = estimate.model
    raise InputError(
        f"memory={memory} is too little for {model.name} with {model.frames} frames of {model.width}×{model.height}: "
        f"{stage} takes {size(most)}, the least there is{_kept(fixed)}; {_remedy(estimate, least, bytes_, fixed)}"
    )


def _usable(limit: float, device: str) -> float:
    """Bytes of an estimate that stays within GiB of a device."""
    return (limit - _CONTEXT[device]) * 2**30 / (1 + _SHARE[device])


def _within(estimate: Estimate, limit: float, fixed: Collection[str]) -> Economy | None:
    if estimate.weights + estimate.base > limit:
        return None
    chunks = (each for offload in _offloads(estimate, fixed) for each in _chunks(offload, fixed))
    chunk = next((each for each in chunks if _codes(each, limit, fixed)), None)
    if chunk is None:
        return None
    [*_, smallest] = _layouts(chunk, fixed)
    hopeless: set[bool] = set()  # checkpointings that no layout fits into
    for layout in _layouts(chunk, fixed):
        for trained in _checkpointings(layout, fixed):
            checkpointing = trained.model.checkpointing
            if checkpointing in hopeless or _surely_more(trained, limit):
                continue
            if not _trains(trained, limit):
                hopeless |= (
                    set() if _trains(_changed(smallest, checkpointing=checkpointing), limit) else {checkpointing}
                )
                continue
            for sampled in _batches(trained, fixed):
                if max(sampled.sampling, sampled.decoding) <= limit:
                    return Economy(_differences(estimate, sampled), sampled)
            break  # another checkpointing changes nothing of sampling
    return None


def _codes(estimate: Estimate, limit: float, fixed: Collection[str]) -> bool:
    """Whether clips can be encoded, and decoded beside as few others as may be."""
    [*_, alone] = _batches(estimate, fixed)
    return max(estimate.encoding, alone.decoding) <= limit


def _trains(estimate: Estimate, limit: float) -> bool:
    return estimate.training is None or estimate.training.most <= limit


def _surely_more(estimate: Estimate, limit: float) -> bool:
    """Whether what is learnt is too much by itself, so that the rest need not be computed."""
    return estimate.training is not None and estimate.weights + estimate.learnt + estimate.base > limit


def _least(estimate: Estimate, fixed: Collection[str]) -> Estimate:
    """What takes least of all that may be chosen."""
    [*_, estimate] = _offloads(estimate, fixed)
    [*_, estimate] = _chunks(estimate, fixed)
    [*_, estimate] = _layouts(estimate, fixed)
    [*_, estimate] = _checkpointings(estimate, fixed)
    [*_, estimate] = _batches(estimate, fixed)
    return estimate


def _offloads(estimate: Estimate, fixed: Collection[str]) -> Iterator[Estimate]:
    yield estimate
    if estimate.device == "cuda" and "model.offload" not in fixed and not estimate.model.offload:
        yield _changed(estimate, offload=True)


def _chunks(estimate: Estimate, fixed: Collection[str]) -> Iterator[Estimate]:
    chunk = estimate.model.chunk
    yield estimate
    if "model.chunk" in fixed or not of_pictures(Twin(estimate.model).part("vae")):
        return
    while chunk > 1:
        chunk //= 2
        yield _changed(estimate, chunk=chunk)


def _layouts(estimate: Estimate, fixed: Collection[str]) -> Iterator[Estimate]:
    yield estimate
    method = estimate.method
    if method is None or method.embeddings is not None or _LAYOUT in fixed:
        return
    for smaller in smaller_layouts(method.layout):
        yield _with_layout(estimate, method, smaller)


def _checkpointings(estimate: Estimate, fixed: Collection[str]) -> Iterator[Estimate]:
    for checkpointing in (estimate.model.checkpointing,) if "model.checkpointing" in fixed else (False, True):
        yield _changed(estimate, checkpointing=checkpointing)


def _batches(estimate: Estimate, fixed: Collection[str]) -> Iterator[Estimate]:
    batch = estimate.batch
    yield estimate
    while "batch" not in fixed and batch > 1:
        batch //= 2
        yield Estimate(estimate.address, estimate.device, batch)


def _changed(estimate: Estimate, **changes: Any) -> Estimate:
    """That of a model with other settings."""
    return _at(estimate, replace(estimate.model, **changes))


def _at(estimate: Estimate, model: Model) -> Estimate:
    return Estimate(replace(estimate.address, model=model), estimate.device, estimate.batch)


def _with_layout(estimate: Estimate, method: MotionInversion, layout: Layout) -> Estimate:
    address: Address = replace(estimate.address, method=replace(method, layout=layout))
    return Estimate(address, estimate.device, estimate.batch)


def _differences(before: Estimate, after: Estimate) -> dict[str, Any]:
    """The settings of one that another has otherwise, by their keys."""
    values = [_settings(each) for each in (before, after)]
    return {key: value for key, value in values[1].items() if value != values[0].get(key)}


def _settings(estimate: Estimate) -> dict[str, Any]:
    model, method = estimate.model, estimate.method
    settings: dict[str, Any] = {"model.checkpointing": model.checkpointing, "batch": estimate.batch}
    settings |= {"model.chunk": model.chunk, "model.offload": model.offload}
    if method is not None:
        layout = method.layout
        settings[f"{_LAYOUT}.value"] = layout.value
        settings[f"{_LAYOUT}.value_blocks"] = list(layout.value_blocks) if layout.value_blocks else None
        settings[f"{_LAYOUT}.value_grid"] = layout.value_grid
    return settings


def _kept(fixed: Collection[str]) -> str:
    given = [key for key in _KEYS if key in fixed]
    return f" with {', '.join(given)} as given" if given else ""


def _remedy(estimate: Estimate, least: Estimate, limit: float, fixed: Collection[str]) -> str:
    """What would do: a shorter or smaller clip, and the next limit."""
    needed = max(least.need().stages.values())
    card = next((card for card in CARDS if _usable(card, estimate.device) >= needed), None)
    given = math.ceil(needed / 2**30 * (1 + _SHARE[estimate.device]) + _CONTEXT[estimate.device])
    told = [f"memory={card or given:g}gb"]
    told += ["a model of fewer parameters"] if least.weights + least.base > limit else _fitting(least, limit)
    own = [f"another {key}" for key in _KEYS if key in fixed]
    return f"would do: {', or '.join([*told, *own])}"


def _fitting(least: Estimate, limit: float) -> list[str]:
    """The overrides of the first smaller clip that fits: of half the length, half the sides, both, or a quarter."""
    model = least.model
    for length, sides in ((2, 1), (1, 2), (2, 2), (4, 2), (4, 4)):
        candidate = _accepted(model, model.frames // length, sides)
        if candidate and _fits(_at(least, candidate), limit):
            every = ("frames", "width", "height")
            changed = [side for side in every if getattr(candidate, side) != getattr(model, side)]
            return [" ".join(f"model.{side}={getattr(candidate, side)}" for side in changed)]
    return []


def _fits(estimate: Estimate, limit: float) -> bool:
    """Whether every stage stays within bytes; the first that doesn't ends it."""
    stages = (estimate.encoding, estimate.decoding) if estimate.weights + estimate.base <= limit else (math.inf,)
    return max(stages) <= limit and _trains(estimate, limit) and estimate.sampling <= limit


def _accepted(model: Model, frames: int, divisor: int) -> Model | None:
    """The model at the nearest length and size below these that it takes; sides are divided."""
    multiple = model.family.compression.multiple
    width, height = (side // divisor // multiple * multiple for side in (model.width, model.height))
    for count in range(frames, 1, -1):
        with suppress(InputError):
            return replace(model, frames=count, width=width, height=height)
    return None
