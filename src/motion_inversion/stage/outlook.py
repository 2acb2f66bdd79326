"""What a run is going to make and what is there already, told from addresses alone: no weights are loaded."""

import functools
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from motion_inversion.data.clip import Clip
from motion_inversion.reflection.description import Json
from motion_inversion.stage.address import Address
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.bound import shown_as
from motion_inversion.stage.cost import read_cost
from motion_inversion.stage.prepare import prompts
from motion_inversion.stage.request import pairs_of
from motion_inversion.storage.names import MANIFEST, SCORE


@dataclass(frozen=True)
class Expected:
    """A result that a run makes unless it is there.

    stage: the stage that makes it.
    place: its folder.
    there: whether it exists; its checksums are looked at only when it is used.
    cached: whether it isn't there, but the cache has it.
    seconds: what making it may take, by what results of its kind took before; None where there are none.
    """

    stage: str
    place: Path
    there: bool
    cached: bool
    seconds: float | None


def expected(addresses: Sequence[Address], clips: Sequence[Clip], stages: Collection[str]) -> list[Expected]:
    """Every result of these stages once, in their order.

    Raises:
        InputError: footage or weights that can't be read.
    """
    found: dict[Path, Expected] = {}
    for address in addresses:
        for stage, kind, artifact in (each for clip in clips for each in _artifacts(address, clip, clips)):
            if stage in stages and artifact.folder not in found:
                there = artifact.there
                cached = not there and artifact.cached
                seconds = None if there or cached else _seconds(address.root, stage, kind, _steps(artifact.identity))
                found[artifact.folder] = Expected(stage, artifact.folder, there, cached, seconds)
    return list(found.values())


def _artifacts(address: Address, clip: Clip, clips: Sequence[Clip]) -> Iterator[tuple[str, str, Artifact]]:
    """Stage, kind (results of one kind cost alike) and artifact."""
    for prompt in dict.fromkeys(prompts(address, clip)):
        yield "prepare", "text", address.text(prompt)
    yield "prepare", "reference", address.reference(clip)
    if maps := address.control_maps(clip):
        yield "prepare", "control_maps", maps
    if address.noise.needs_inversion:
        yield "prepare", "inversion", address.inverted(clip)
    method = address.method
    if method.fits:
        yield "train", method.name, address.state(clip)
    pairs = pairs_of(clip)
    for pair in pairs:
        yield "generate", method.name, address.sample(clip, *pair)
    for pair in pairs:
        yield "evaluate", method.name, address.score(clip, *pair)
    for shown in shown_as(clip, clips):
        yield "evaluate", method.name, address.bound(clip, shown)


def _steps(identity: Json) -> int:
    """How many iterations a training or a sampling takes; 1 where none are said."""
    said: Any = identity if isinstance(identity, dict) else {}
    for part, key in (("trainer", "max_steps"), ("sampler", "steps")):
        if isinstance(steps := (said.get(part) or {}).get(key), int):
            return steps
    return 1


def _seconds(root: Path, stage: str, kind: str, steps: int) -> float | None:
    each = _per_step(root, stage, kind)
    return None if each is None else each * steps


@functools.cache
def _per_step(root: Path, stage: str, kind: str) -> float | None:
    """Seconds per step of the results of this kind below a folder: their mean; None if none says."""
    label = "*" if stage == "evaluate" else f"{kind}-*"
    costs = [_cost(folder) for folder in root.glob(f"*/{stage}/{label}") if os.path.isfile(folder / MANIFEST)]
    known = [cost for cost in costs if cost is not None]
    return fmean(known) if known else None


def _cost(folder: Path) -> float | None:
    try:
        if cost := read_cost(folder):
            return cost["seconds"] / _steps(json.loads((folder / MANIFEST).read_text())["identity"])
        return float(json.loads((folder / SCORE).read_text())["cost"]["evaluation"]["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
