"""Repeats a run from its record, elsewhere, and says whether every byte came out the same."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from motion_inversion import __version__
from motion_inversion.composition import build
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.stage.environment import git
from motion_inversion.stage.run import conditions
from motion_inversion.stage.walk import STAGES
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.names import MANIFEST, RUN, RUN_FORMAT, SCORE

log = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Reproduction:
    """What runs left in a folder, made once more and compared with it.

    Args:
        source: A folder of results, `outputs/<name>`, or the record of one run in it, `run-….json`.
        target: Where to make them again; null is a temporary folder, which is removed afterwards.
        trusted: Packages whose classes the record may name besides.
    """

    source: Path | None
    target: Path | None = None
    trusted: Sequence[str] = ()

    def run(self) -> None:
        """Prints one line per run, and one per file that differs.

        Raises:
            InputError: no record; one that can't be read, or whose configuration can't be built or run any more.
            SystemExit: with code 1, if something differs.
        """
        differing = 0
        for path in self._records():
            record = _read(path)
            with self._workplace() as folder:
                experiment = _again(path, record, folder, self.trusted)
                differing += _report(path, record, experiment, folder)
        if differing:
            raise SystemExit(1)

    def _records(self) -> list[Path]:
        accepted = "accepted is a folder outputs/<name>, or a record of a run in it; set source=outputs/<name>"
        if self.source is None:
            raise InputError(f"nothing to reproduce; {accepted}")
        found = [self.source] if self.source.is_file() else sorted(self.source.glob(RUN.format(digest="*")))
        if not found:
            raise InputError(f"{self.source} holds no {RUN.format(digest='…')}; {accepted}")
        return found

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        if self.target is not None:
            yield self.target
            return
        with tempfile.TemporaryDirectory(prefix="motion-inversion-") as name:
            yield Path(name)


def _read(path: Path) -> dict[str, Any]:
    try:
        record = parse_json(read_text(path, "set source=outputs/<name>"))
        known = record["format"]
        if known == RUN_FORMAT:
            int(record["conditions"]["threads"])
            if not all(isinstance(record[key], dict) for key in ("experiment", "conditions", "checksums")):
                raise ValueError("its experiment, conditions and checksums are no mappings")
            return record
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is no record of a run ({error!r}); set source=outputs/<name>") from error
    raise InputError(f"{path} has format {known!r}, accepted is {RUN_FORMAT}; set source=outputs/<name>")


def _again(path: Path, record: Mapping[str, Any], folder: Path, trusted: Sequence[str]) -> Experiment:
    """The experiment of a record, run again into `folder` with the threads it had, or as many as there are.

    Nothing that the record says is trusted, goes elsewhere or is told to others.
    """
    told = dict(record["experiment"])
    told |= {
        "output": str(folder),
        "cache": None,
        "threads": max(1, min(int(record["conditions"]["threads"]), os.cpu_count() or 1)),
        "logger": None,
        "trust": list(trusted),
    }
    stages = told.get("stages")
    known = [STAGES.index(stage) for stage in stages if stage in STAGES[:-1]] if isinstance(stages, list) else []
    told["stages"] = list(STAGES[: max(known, default=0) + 1])  # whatever a later command left to an earlier one
    try:
        experiment = build(told)
    except InputError as error:
        raise InputError(_of_another_version(path, record["conditions"], str(error))) from error
    if not isinstance(experiment, Experiment):
        raise InputError(f"{path} holds no experiment; set source=outputs/<name>")
    if failure := experiment.make():
        raise failure
    return experiment


def _of_another_version(path: Path, before: Mapping[str, Any], fault: str) -> str:
    """What to do about a record whose configuration can't be built any more."""
    commit, here = str(before.get("commit")), git()
    now = f"{__version__} of commit {here['commit'] if here else 'of no repository'}"
    there = f"{before.get('motion-inversion')} of commit {commit}"
    faults = fault.splitlines()
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    found = _COMMIT.match(commit)
    remedy = f"git checkout {found[0]}" if found else "install that version"
    return (
        f"{path} was written by motion-inversion {there!r}, and this, {now!r}, can't build what it names: {faults[0]}"
        f"{more}; if that is another version: {remedy}, and reproduce it there"
    )


def _report(path: Path, record: Mapping[str, Any], experiment: Experiment, folder: Path) -> int:
    """Prints how the results below `folder` compare with those beside the record; gives how many files differ."""
    theirs, ours = path.parent, folder / experiment.name
    differences, same, absent = _compare(theirs, ours)
    now = conditions(experiment.model.load().device)
    for key in sorted({*record["conditions"], *now}):
        before, after = record["conditions"].get(key), now.get(key)
        if before != after:
            print(f"{path.name}: {key} was {before}, is {after}")
    for difference in differences:
        print(f"{path.name}: {difference}")
    lost = f"; {absent} are not there to compare with" if absent else ""
    if not same and not differences:
        raise InputError(
            f"{path}: nothing that was made again lies beside it: the model's weights, the clips or the code have "
            f"changed since, or the results were deleted; checksums then: {record['checksums']}"
        )
    verdict = (
        f"{len(differences)} of {same + len(differences)} files differ" if differences else f"{same} files, all same"
    )
    print(f"{path.name}: {verdict}{lost}")
    return len(differences)


def _compare(theirs: Path, ours: Path) -> tuple[list[str], int, int]:
    """What differs, how many files are the same, and how many there are no originals of."""
    differences: list[str] = []
    same = absent = 0
    for manifest in sorted(ours.rglob(MANIFEST)):
        place = manifest.parent.relative_to(ours)
        for name in json.loads(manifest.read_text())["files"]:
            before, after = theirs / place / name, ours / place / name
            if not before.is_file():
                absent += 1
            elif difference := _difference(before, after):
                differences.append(f"{place / name}: {difference}")
            else:
                same += 1
    return differences, same, absent


def _difference(before: Path, after: Path) -> str:
    """In words; "" for none. Of scores only what was measured counts: seconds and versions are told besides."""
    try:
        if before.name == SCORE:
            first, second = (parse_json(path.read_text())["metrics"] for path in (before, after))
            changed = [name for name in first if first[name] != second.get(name)]
            told = [f"{name} was {first[name]['value']}, is {second.get(name, {}).get('value')}" for name in changed]
            return ", ".join(told)
        if before.read_bytes() == after.read_bytes():
            return ""
        if before.suffix == ".safetensors":
            return _tensor_difference(load_file(before), load_file(after))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        return f"it can't be read ({error})"
    return "other bytes"


def _tensor_difference(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> str:
    if {name: tensor.shape for name, tensor in before.items()} != {
        name: tensor.shape for name, tensor in after.items()
    }:
        return "tensors of other names or shapes"
    apart = {name: (before[name].float() - after[name].float()).abs().max().item() for name in before}
    worst = max(apart, key=lambda name: apart[name])
    return f"{worst} by up to {apart[worst]:.3g}" if apart[worst] else "the same numbers, other metadata"
