"""What finished trainings are to a new one: it goes on from the longest that differs from it in its length alone."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from motion_inversion.error import InputError
from motion_inversion.method.training.checkpoint import latest
from motion_inversion.reflection.description import Json
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.cost import read_cost, write_cost
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import MANIFEST

log = logging.getLogger(__name__)

_LENGTH = "max_steps"


def go_on_from_shorter(state: Artifact, folder: Path) -> None:
    """Puts the last checkpoint of a shorter training into `folder`, unless one of this training's own is there.

    Draws depend on (seed, step) and nothing on the length, so that the end is the same to the last bit. What the
    shorter training cost is part of the cost.

    Raises:
        InputError: if the checkpoint can't be written.
    """
    if latest(folder):
        return
    for steps, shorter in sorted(_shorter(state), key=lambda found: found[0], reverse=True):
        checkpoint = _checkpoint(shorter)
        if checkpoint is None:
            continue
        log.info("going on from the %d steps of %s", steps, shorter.folder)
        with replacing(folder / checkpoint.name) as part:
            shutil.copyfile(checkpoint, part)
        if cost := read_cost(shorter.folder):
            write_cost(folder, {"seconds": cost["seconds"], "memory": cost["memory"], "device": cost["device"]})
        return


def say_if_edited(state: Artifact) -> None:
    """Logs that a training begins although there is one of equal settings, as code of the user's own was edited."""
    own = _code(state.identity)
    for other in _finished(state) if own else ():
        before = _code(other.identity)
        edited = [module for module in own if before.get(module) != own[module]]
        if before and edited and _without_code(other.identity) == _without_code(state.identity):
            log.info("%s was edited since %s was made: training anew", ", ".join(edited), other.folder)
            return


def _code(identity: Json) -> dict[str, Json]:
    """Checksums of the user's own modules, by their names."""
    found = identity.get("code") if isinstance(identity, dict) else None
    return found if isinstance(found, dict) else {}


def _without_code(identity: Json) -> Json:
    return {key: value for key, value in identity.items() if key != "code"} if isinstance(identity, dict) else identity


def _shorter(state: Artifact) -> Iterator[tuple[int, Artifact]]:
    """Finished trainings beside `state` of equal settings but for fewer steps."""
    length, rest = _split(state.identity)
    for other in _finished(state):
        steps, others = _split(other.identity)
        if length and steps and steps < length and others == rest:
            yield steps, other


def _finished(state: Artifact) -> Iterator[Artifact]:
    """Finished trainings of the same method beside `state`."""
    for path in state.parent.glob(f"{state.label}-*/{MANIFEST}"):
        try:
            yield Artifact(state.parent, state.label, json.loads(path.read_text())["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _split(identity: Json) -> tuple[int | None, Json]:
    """The length of the training that an identity tells of, and all else that it tells; None if there is no length."""
    if not (isinstance(identity, dict) and isinstance(trainer := identity.get("trainer"), dict)):
        return None, identity
    steps = trainer.get(_LENGTH)
    others: Json = {**identity, "trainer": {key: value for key, value in trainer.items() if key != _LENGTH}}
    return (steps if isinstance(steps, int) else None), others


def _checkpoint(artifact: Artifact) -> Path | None:
    """The checkpoint that a finished training ended with, if it is as it was."""
    try:
        return latest(artifact.folder) if artifact.exists() else None
    except InputError as error:
        log.warning("%s; not going on from it", error)
        return None
