"""How far a sweep is, from what its jobs note in its folder."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge
from filelock import FileLock, Timeout

from motion_inversion.status.reading import duration, read
from motion_inversion.storage.names import DONE, FAILED, JOBS, LOCK, RUNNING, STOPPED, SWEEPS


@dataclass(frozen=True)
class _Noted:
    jobs: Annotated[int, Ge(0)]
    names: tuple[str, ...] = ()
    objectives: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a job noted: its state, its name among the jobs, what stopped it, its seconds, and what it reached."""

    state: str
    name: str = ""
    error: str = ""
    seconds: Annotated[float, Ge(0)] = 0.0
    reached: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """The jobs of a sweep, by their numbers from 0.

    folder: where they note how they ended.
    jobs: how many it has.
    objectives: what a search looks for, and whether higher is better.
    ended: those that came to an end of their own, by what they noted.
    stopped: those that a signal ended, or whose process died.
    running: those whose process works, with the seconds that it has so far.
    """

    folder: Path
    jobs: int
    objectives: Mapping[str, bool]
    ended: Mapping[int, Job]
    stopped: Mapping[int, Job]
    running: Mapping[int, float]

    @property
    def failed(self) -> dict[int, Job]:
        """Those that ended in an error."""
        return {number: job for number, job in self.ended.items() if job.state == FAILED}

    @property
    def to_come(self) -> int:
        """How many have not ended, those that run among them."""
        return self.jobs - len(self.ended)

    @property
    def seconds(self) -> float | None:
        """Until the last ends, if as many go on running at once as do; of one alone if none does. None if unknown.

        A job takes the mean of those that are done; of those that failed if there are no others.
        """
        done = [job.seconds for job in self.ended.values() if job.state == DONE]
        known = done or [job.seconds for job in self.ended.values()]
        if not known:
            return None
        mean = sum(known) / len(known)
        begun = sum(max(0.0, mean - spent) for spent in self.running.values())
        return (begun + mean * (self.to_come - len(self.running))) / max(1, len(self.running))

    def lines(self) -> Iterator[str]:
        """What there is to say of it."""
        told = f"sweep {self.folder}: {len(self.ended)} of {self.jobs} jobs ended"
        told += f", {len(self.failed)} failed" if self.failed else ""
        if self.to_come:
            left = f", about {duration(self.seconds)} to go" if self.seconds is not None else ""
            told += f"; {len(self.running) or 'none'} at work now{left}"
        yield told
        for name, higher in self.objectives.items():
            values = {number: job.reached[name] for number, job in self.ended.items() if name in job.reached}
            if values:
                best = (max if higher else min)(values, key=values.__getitem__)
                far = " so far" if self.to_come else ""
                yield f"best {name}{far}: {values[best]:.4f}, {self._named(best, self.ended[best])}"
        for number, job in sorted({**self.failed, **self.stopped}.items()):
            word = "failed" if number in self.ended else "stopped"
            log = self.folder / f"{number}.log"
            yield f"{word}: {self._named(number, job)}: {job.error}; log: {log}"

    def _named(self, number: int, job: Job) -> str:
        return f"job {number + 1}{f' ({job.name})' if job.name else ''}"


def last_sweep(folder: Path, faults: list[str]) -> Sweep | None:
    """The last sweep that was begun to make results in a folder, whether that is there yet or not; None if none was.

    It is looked for where sweeps are kept unless `hydra.sweep.dir` says otherwise: below `output`.
    """
    try:
        own = Path(os.path.realpath(folder))
        found = [path for above in own.parents for path in above.glob(f"{SWEEPS}/*/{JOBS}")]
    except (OSError, ValueError):  # of what can't be a folder
        return None
    for path in sorted(found, key=_begun, reverse=True):
        top = os.path.realpath(path.parent)
        noted = read(path, _Noted, faults)
        if noted and any(os.path.normpath(os.path.join(top, name)) == str(own) for name in noted.names):
            return _sweep(path.parent, noted, faults)
    return None


def is_held(lock: Path) -> bool:
    """Whether a process holds a lock; one that has gone is held by none."""
    try:
        if lock.is_file():
            FileLock(lock).acquire(blocking=False).lock.release()
    except Timeout:
        return True
    except OSError:  # it was removed meanwhile
        pass
    return False


def _sweep(folder: Path, noted: _Noted, faults: list[str]) -> Sweep:
    found = {int(path.stem): path for path in folder.glob("[0-9]*.json") if path.stem.isdecimal()}
    numbers = sorted(number for number, path in found.items() if number < noted.jobs and path.stem == str(number))
    jobs = {number: job for number in numbers if (job := read(found[number], Job, faults))}
    begun = {number: job for number, job in jobs.items() if job.state == RUNNING}
    held = [number for number in begun if is_held(folder / f"{number}{LOCK}")]
    running = {number: max(0.0, time.time() - _begun(found[number])) for number in held}  # clocks may differ
    ended = {number: job for number, job in jobs.items() if job.state in (DONE, FAILED)}
    stopped = {number: job for number, job in jobs.items() if job.state == STOPPED or number in begun}
    stopped = {number: job for number, job in stopped.items() if number not in running}
    return Sweep(folder, noted.jobs, noted.objectives, ended, stopped, running)


def _begun(path: Path) -> float:
    """When a note was written; 0 of one that has gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
