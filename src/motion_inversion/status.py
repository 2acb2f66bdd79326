"""How far the runs of a folder are, from the files alone: what is done, missing, failed and being made."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from annotated_types import Ge
from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.reflection.annotation import shortened
from motion_inversion.reflection.structure import structure
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.names import COST, JOBS, LOCK, LOSSES, PLAN, SCORE, UNFINISHED

T = TypeVar("T")

_REPEAT = "if you can't mend it, delete it and run again"
_EXAMPLE = "give the folder of one that evaluates, as in outputs/demo"
_HELP = """Says how far an experiment is, from the files in its folder: what is done, missing, failed and being made.

    motion-inversion status outputs/demo

Nothing is changed, and what runs goes on. A file that can't be used is left out, with a line that names it.
"""


@dataclass(frozen=True)
class _Sample:
    clip: str
    video: str


@dataclass(frozen=True)
class _Plan:
    samples: tuple[_Sample, ...]
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Score:
    video: str


@dataclass(frozen=True)
class _Cost:
    seconds: Annotated[float, Ge(0)]


@dataclass(frozen=True)
class _Sweep:
    jobs: Annotated[int, Ge(0)]


@dataclass(frozen=True)
class _Job:
    state: str


@dataclass(frozen=True)
class Status:
    """Samples that the plans of a folder name, by their places, and what is being made.

    done: those with scores.
    failed: why others have none.
    missing: the rest.
    running: artifacts that a process is making, with the steps of a training.
    seconds: of work to go, by what a sample has cost so far; None if nothing has been made.
    sweep: a line on the last sweep beside the folder, "" if there was none.
    faults: a line on each file that can't be used, and is left out.
    """

    done: frozenset[str]
    failed: dict[str, str]
    missing: frozenset[str]
    running: tuple[str, ...]
    seconds: float | None
    sweep: str
    faults: tuple[str, ...]

    def __str__(self) -> str:
        total = len(self.done) + len(self.failed) + len(self.missing)
        counts = f"{len(self.done)} done, {len(self.missing)} missing, {len(self.failed)} failed"
        lines = [f"{total} samples: {counts}"]
        if self.seconds is not None and (self.missing or self.failed):
            lines[0] += f"; about {_duration(self.seconds)} of work to go"
        lines += [f"running: {name}" for name in self.running]
        lines += [f"failed: {place}: {reason}" for place, reason in self.failed.items()]
        lines += [self.sweep] if self.sweep else []
        lines += [f"left out: {fault}" for fault in self.faults]
        return "\n".join(lines).encode(errors="backslashreplace").decode()  # JSON can hold what no terminal takes


def status(words: Sequence[str]) -> Status:
    """Of the folder that is the only word. A request for help is answered, and ends the process.

    Raises:
        InputError: another number of words, or a folder that can't be read or has no plan.
    """
    parser = argparse.ArgumentParser(
        "motion-inversion status",
        usage="%(prog)s [-h] folder",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="*", help="of an experiment that evaluates: output=… and name=… make it")
    given = parser.parse_args(words).folder
    if len(given) != 1:
        raise InputError(f"status takes one folder, given are {len(given)}; as in motion-inversion status outputs/demo")
    folder = Path(given[0])
    _require_readable(folder)
    paths = sorted(folder.glob(PLAN.format(digest="*")))
    if not paths:
        raise InputError(f"{folder} holds no plan of an experiment; {_EXAMPLE}")
    faults: list[str] = []
    plans = [plan for path in paths if (plan := _read(path, _Plan, faults))]
    planned = {sample.video: sample.clip for plan in plans for sample in plan.samples}
    reasons = {place: reason for plan in plans for place, reason in plan.failures.items()}
    done = frozenset(place for place in _scored(folder, faults) if place in planned)
    failed = {
        place: reasons.get(place) or reasons[clip]
        for place, clip in planned.items()
        if place not in done and (place in reasons or clip in reasons)
    }
    missing = frozenset(planned).difference(done, failed)
    costs = [_read(path, _Cost, faults) for path in sorted(folder.glob(f"*/*/*/{COST}"))]
    spent = sum(cost.seconds for cost in costs if cost)
    to_go = spent / len(done) * (len(missing) + len(failed)) if done else None
    running = tuple(_running(folder, faults))
    sweep = _sweep(folder.parent / "sweep", faults)
    return Status(done, failed, missing, running, to_go, sweep, tuple(faults))


def _require_readable(folder: Path) -> None:
    """Raises InputError for what is no folder whose names can be listed."""
    try:
        os.listdir(folder)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"can't look at {shortened(str(folder))}: {reason}; {_EXAMPLE}") from error


def _scored(folder: Path, faults: list[str]) -> Iterator[str]:
    top = os.path.normpath(folder)
    for path in sorted(folder.glob(f"*/evaluate/*/{SCORE}")):
        if path.parent.name.endswith(UNFINISHED) or not (score := _read(path, _Score, faults)):
            continue
        video = Path(os.path.normpath(path.parent / score.video))
        if video.is_relative_to(top):
            yield video.relative_to(top).as_posix()
        else:
            faults.append(f"{path}: it shows {shortened(repr(score.video))}, outside of {top}; {_REPEAT}")


def _running(folder: Path, faults: list[str]) -> Iterator[str]:
    for lock in sorted(folder.glob(f"**/*{UNFINISHED}/{LOCK}")):
        try:
            FileLock(lock).acquire(blocking=False).lock.release()
        except Timeout:
            losses = _text(lock.parent / LOSSES, faults)
            steps = f", step {losses.count(chr(10)) - 1}" if losses else ""
            yield f"{lock.parent.relative_to(folder).as_posix().removesuffix(UNFINISHED)}{steps}"
        except OSError:  # it was finished meanwhile
            continue


def _sweep(folder: Path, faults: list[str]) -> str:
    for noted in sorted(folder.glob(f"*/{JOBS}"), reverse=True):
        if not (sweep := _read(noted, _Sweep, faults)):
            continue
        found = {int(path.stem) for path in noted.parent.glob("[0-9]*.json") if path.stem.isdecimal()}
        numbers = sorted(number for number in found if number < sweep.jobs)
        ended = [job for number in numbers if (job := _read(noted.with_name(f"{number}.json"), _Job, faults))]
        failed = sum(job.state == "failed" for job in ended)
        return f"last sweep, {noted.parent}: {len(ended)} of {sweep.jobs} jobs ended, {failed} failed"
    return ""


def _read(path: Path, cls: type[T], faults: list[str]) -> T | None:
    """What a JSON file says of the fields of a dataclass; None if it can't be used, which is a fault."""
    text = _text(path, faults)
    if text is None:
        return None
    try:
        return structure(cls, parse_json(text), others=True)
    except ValueError as error:
        faults.append(f"{path}: {error}; {_REPEAT}")
    return None


def _text(path: Path, faults: list[str]) -> str | None:
    """The text of a file; None if it is gone, as one that is finished meanwhile may be, or can't be read: a fault."""
    try:
        return read_text(path, _REPEAT)
    except InputError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            faults.append(str(error))
    return None


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
