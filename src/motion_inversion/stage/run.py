"""What is written down of a run: all that another needs to make the same bytes, or to say why it can't."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from motion_inversion.backbone.model import Model
from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.reflection.description import Json, describe, digest
from motion_inversion.stage.address import Address
from motion_inversion.stage.environment import changes, environment, git
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import RUN, RUN_FORMAT


def write_run(address: Address, clips: Sequence[Clip], experiment: object, device: torch.device) -> Path:
    """Writes the record of a run below its results, and gives its file.

    It holds the configuration with everything resolved, the command's words, `conditions`, and checksums of the model
    and of every clip's footage. A run that is repeated under the same conditions writes the same file; another commit
    or another number of threads is a file of its own.

    Raises:
        InputError: if the file can't be written.
    """
    told = describe(experiment, whole=True)
    assert isinstance(told, dict)
    record: dict[str, Json] = {
        "experiment": {
            key: value for key, value in told.items() if key not in ("output", "cache")
        },  # results can be moved
        "conditions": dict(conditions(device)),
        "checksums": {"model": address.model.fingerprint, **{clip.name: _footage(address, clip) for clip in clips}},
    }
    path = address.root / RUN.format(digest=digest(record))
    if not path.exists():
        content = {"format": RUN_FORMAT, "command": sys.argv[1:], **record, "changes": changes()}
        with replacing(path) as part:
            part.write_text(json.dumps(content, indent=2) + "\n")
    return path


def earlier_dtype(root: Path, model: Model) -> str | None:
    """The precision of the first run below `root` of a model of this name and place; None if none is written down."""
    records = sorted(root.glob(RUN.format(digest="*")), key=lambda path: (path.stat().st_mtime_ns, path.name))
    for path in records:
        with suppress(InputError, ValueError, KeyError, TypeError):
            told = parse_json(read_text(path, "delete it"))["experiment"]["model"]
            if (told["name"], told["path"]) == (model.name, model.path):
                return str(told["dtype"])
    return None


def _footage(address: Address, clip: Clip) -> str | None:
    try:
        return address.footage(clip)
    except InputError:  # it can't be read, which is for the stages to say
        return None


def conditions(device: torch.device) -> dict[str, str]:
    """What equal bytes may depend on beside the configuration: versions, device, threads, and the code's commit."""
    state = git()
    commit = state["commit"] if state else "of no repository"
    if patch := changes():
        commit += f" with changes {digest(patch)}"
    return {**environment(device), "commit": commit}
