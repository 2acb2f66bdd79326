"""How far the runs of a folder are, from the files alone: what is done, missing, failed and being made."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from motion_inversion.error import InputError
from motion_inversion.reflection.annotation import shortened
from motion_inversion.status.reading import REPEAT, duration, read, text_of
from motion_inversion.status.sweep import Sweep, is_held, last_sweep
from motion_inversion.storage.names import COST, LOCK, LOSSES, PLAN, SCORE, UNFINISHED

_EXAMPLE = "give the folder of one that evaluates, as in outputs/demo"
_HELP = """Says how far an experiment is, from files alone: the jobs of its last sweep, which of them failed and how
long the others may take; what samples are done, missing, failed and being made; and what the scores say so far.

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
class Status:
    """Samples that the plans of a folder name, by their places, and what is being made.

    done: those with scores.
    failed: why others have none.
    missing: the rest.
    running: artifacts that a process is making, with the steps of a training.
    seconds: of work to go, by what a sample has cost so far; None if nothing has been made.
    sweep: the last sweep that makes results of this folder, if there was one.
    tables: of what was scored, "" if there is nothing to compare.
    faults: a line on each file that can't be used, and is left out.
    """

    done: frozenset[str]
    failed: dict[str, str]
    missing: frozenset[str]
    running: tuple[str, ...]
    seconds: float | None
    sweep: Sweep | None
    tables: str
    faults: tuple[str, ...]

    def __str__(self) -> str:
        total = len(self.done) + len(self.failed) + len(self.missing)
        counts = f"{len(self.done)} done, {len(self.missing)} missing, {len(self.failed)} failed"
        going = self.sweep is not None and self.sweep.to_come > 0
        samples = f"{total} samples{' of the jobs that have begun' if going else ''}: {counts}"
        if self.seconds is not None and (self.missing or self.failed) and not going:
            samples += f"; about {duration(self.seconds)} of work to go"
        lines = [*(self.sweep.lines() if self.sweep else ()), *([samples] if total or not self.sweep else [])]
        lines += [f"running: {name}" for name in self.running]
        lines += [f"failed: {place}: {reason}" for place, reason in self.failed.items()]
        lines += [f"left out: {fault}" for fault in self.faults]
        lines += ["", self.tables] if self.tables else []
        return "\n".join(lines).encode(errors="backslashreplace").decode()  # JSON can hold what no terminal takes


def status(words: Sequence[str]) -> Status:
    """Of the folder that is the only word. A request for help is answered, and ends the process.

    Raises:
        InputError: another number of words, or a folder that can't be read or has no plan, and that no sweep makes.
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
    faults: list[str] = []
    sweep = last_sweep(folder, faults)
    if not sweep:
        _require_readable(folder)
    paths = sorted(folder.glob(PLAN.format(digest="*")))
    if not (paths or sweep):
        raise InputError(f"{folder} holds no plan of an experiment; {_EXAMPLE}")
    plans = [plan for path in paths if (plan := read(path, _Plan, faults))]
    planned = {sample.video: sample.clip for plan in plans for sample in plan.samples}
    reasons = {place: reason for plan in plans for place, reason in plan.failures.items()}
    done = frozenset(place for place in _scored(folder, faults) if place in planned)
    failed = {
        place: reasons.get(place) or reasons[clip]
        for place, clip in planned.items()
        if place not in done and (place in reasons or clip in reasons)
    }
    missing = frozenset(planned).difference(done, failed)
    costs = [read(path, _Cost, faults) for path in sorted(folder.glob(f"*/*/*/{COST}"))]
    spent = sum(cost.seconds for cost in costs if cost)
    to_go = spent / len(done) * (len(missing) + len(failed)) if done else None
    running = tuple(_running(folder, faults))
    tables = _tables(folder) if len(done) > 1 else ""
    return Status(done, failed, missing, running, to_go, sweep, tables, tuple(faults))


def _tables(folder: Path) -> str:
    """What the scores of a folder say by each swept axis, as text; "" if nothing varies, or no score can be used."""
    from motion_inversion.report.collect import collect  # NumPy and Rich, which no other part of this needs
    from motion_inversion.report.table import tabulate
    from motion_inversion.report.terminal import brief, printed

    try:
        found = collect(folder)
    except InputError:
        return ""
    scored = [record for record in found.records if not record.missing]  # missing ones are counted above
    table = tabulate(scored)
    return printed(lambda console: brief(table, scored, console)).rstrip()


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
        if path.parent.name.endswith(UNFINISHED) or not (score := read(path, _Score, faults)):
            continue
        video = Path(os.path.normpath(path.parent / score.video))
        if video.is_relative_to(top):
            yield video.relative_to(top).as_posix()
        else:
            faults.append(f"{path}: it shows {shortened(repr(score.video))}, outside of {top}; {REPEAT}")


def _running(folder: Path, faults: list[str]) -> Iterator[str]:
    for lock in sorted(folder.glob(f"**/*{UNFINISHED}/{LOCK}")):
        if is_held(lock):
            losses = text_of(lock.parent / LOSSES, faults)
            steps = f", step {losses.count(chr(10)) - 1}" if losses else ""
            yield f"{lock.parent.relative_to(folder).as_posix().removesuffix(UNFINISHED)}{steps}"
