"""How far the runs of a folder are, from the files alone: what is done, missing, failed and being made."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.storage.names import COST, JOBS, LOCK, LOSSES, PLAN, SCORE, UNFINISHED


@dataclass(frozen=True)
class Status:
    """Samples that the plans of a folder name, by their places, and what is being made.

    done: those with scores.
    failed: why others have none.
    missing: the rest.
    running: artifacts that a process is making, with the steps of a training.
    seconds: of work to go, by what a sample has cost so far; None if nothing has been made.
    sweep: a line on the last sweep beside the folder, "" if there was none.
    """

    done: frozenset[str]
    failed: dict[str, str]
    missing: frozenset[str]
    running: tuple[str, ...]
    seconds: float | None
    sweep: str

    def __str__(self) -> str:
        total = len(self.done) + len(self.failed) + len(self.missing)
        counts = f"{len(self.done)} done, {len(self.missing)} missing, {len(self.failed)} failed"
        lines = [f"{total} samples: {counts}"]
        if self.seconds is not None and (self.missing or self.failed):
            lines[0] += f"; about {_duration(self.seconds)} of work to go"
        lines += [f"running: {name}" for name in self.running]
        lines += [f"failed: {place}: {reason}" for place, reason in self.failed.items()]
        return "\n".join([*lines, *([self.sweep] if self.sweep else [])])


def status(words: Sequence[str]) -> Status:
    """Of the folder that is the only word.

    Raises:
        InputError: another number of words, or a folder without a plan.
    """
    if len(words) != 1:
        raise InputError(f"status takes one folder, given are {len(words)}; as in motion-inversion status outputs/demo")
    folder = Path(words[0])
    plans = [_read(path) for path in sorted(folder.glob(PLAN.format(digest="*")))]
    if not plans:
        raise InputError(
            f"{folder} holds no plan of an experiment; give the folder of one that evaluates, as in outputs/demo"
        )
    planned = {sample["video"]: sample["clip"] for plan in plans for sample in plan.get("samples", ())}
    reasons = {place: reason for plan in plans for place, reason in plan.get("failures", {}).items()}
    done = frozenset(place for place in _scored(folder) if place in planned)
    failed = {
        place: str(reasons.get(place) or reasons[clip])
        for place, clip in planned.items()
        if place not in done and (place in reasons or clip in reasons)
    }
    missing = frozenset(planned).difference(done, failed)
    spent = sum(_read(path).get("seconds", 0.0) for path in folder.glob(f"*/*/*/{COST}"))
    to_go = spent / len(done) * (len(missing) + len(failed)) if done else None
    return Status(done, failed, missing, tuple(_running(folder)), to_go, _sweep(folder.parent / "sweep"))


def _scored(folder: Path) -> Iterator[str]:
    for path in folder.glob(f"*/evaluate/*/{SCORE}"):
        if not path.parent.name.endswith(UNFINISHED) and (video := _read(path).get("video")):
            yield Path(os.path.normpath(path.parent / video)).relative_to(os.path.normpath(folder)).as_posix()


def _running(folder: Path) -> Iterator[str]:
    for lock in sorted(folder.glob(f"**/*{UNFINISHED}/{LOCK}")):
        try:
            FileLock(lock).acquire(blocking=False).lock.release()
        except Timeout:
            steps = ""
            with suppress(OSError):  # there is none yet, or it may not be read
                steps = f", step {(lock.parent / LOSSES).read_text().count(chr(10)) - 1}"
            yield f"{lock.parent.relative_to(folder).as_posix().removesuffix(UNFINISHED)}{steps}"
        except OSError:  # it was finished meanwhile
            continue


def _sweep(folder: Path) -> str:
    for noted in sorted(folder.glob(f"*/{JOBS}"), reverse=True):
        total = _read(noted).get("jobs", 0)
        ended = [_read(noted.with_name(f"{number}.json")) for number in range(total)]
        failed = sum(state.get("state") == "failed" for state in ended)
        return f"last sweep, {noted.parent}: {sum(map(bool, ended))} of {total} jobs ended, {failed} failed"
    return ""


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty if it can't be read, as one that is being replaced may be."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
