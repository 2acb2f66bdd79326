"""What became of each job of a sweep, noted in its folder: whoever reads it there needs nothing else."""

import contextlib
import copy
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import DONE, FAILED, JOB_FORMAT, JOBS, LOCK, RUNNING, STOPPED, SWEEP_FORMAT

log = logging.getLogger(__name__)


@runtime_checkable
class Sought(Protocol):
    """A job that can say what a search is to improve, and how far it came."""

    @property
    def objectives(self) -> Mapping[str, bool]:
        """Names, in their order, and whether higher is better."""
        ...

    def reached(self) -> Mapping[str, float]:
        """Of a job that was made: the values, by those names."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A job whose results lie in a folder."""

    @property
    def folder(self) -> Path: ...


@dataclass(frozen=True)
class Objective:
    """The value that a job gave of what a search is to improve."""

    name: str
    value: float
    higher_is_better: bool


class SweepError(Exception):
    """Jobs of a sweep that failed: a line for each.

    refused: whether bad input is all that stopped them.
    """

    def __init__(self, lines: Sequence[str], refused: bool) -> None:
        super().__init__("\n".join(lines))
        self.refused = refused


class _Log(logging.FileHandler):
    """A file that a full disk cuts short without a word: what stops the job says so, once."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Lets what isn't the disk's be told as ever."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Writes what there is room for."""
        with contextlib.suppress(OSError):
            super().close()


class _Line(logging.Formatter):
    """What others write to has one line of an error: its traceback is in the job's log."""

    def format(self, record: logging.LogRecord) -> str:
        """Joins the lines of the message; MOTION_INVERSION_DEBUG=1 has the traceback here, too."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None or os.environ.get("MOTION_INVERSION_DEBUG") == "1":
            return super().format(record)
        brief = copy.copy(record)
        brief.msg = " ".join(f"{record.getMessage()}: {type(error).__name__}: {error}".split())
        brief.args = brief.exc_info = brief.exc_text = None
        return super().format(brief)


@dataclass(frozen=True)
class Ledger:
    """What became of each job of a sweep: a JSON file and a log of each, wherever it ran.

    folder: of the sweep, which all of its jobs can write to.
    """

    folder: Path

    def open(self, jobs: Sequence[Sequence[str]], built: Sequence[Any] = (), trials: int = 0) -> None:
        """Notes the jobs by their overrides, whose results they make and what they seek: all before the first begins.

        What an earlier sweep in this folder noted of its jobs is removed, and nothing else.

        Args:
            jobs: The overrides of each; of a search, some that have every value that it may choose.
            built: The object of each.
            trials: How many jobs a search will run; 0 for the jobs themselves.

        Raises InputError if the folder can't be written, or holds what is no sweep's.
        """
        earlier, count = self.check(), trials or len(jobs)
        if strange := next((path for path in map(self._file, range(count)) if path.exists() and not _ours(path)), None):
            raise InputError(f"{strange} is no note of a sweep's job, and would be written over; move it elsewhere")
        common = [word for word in jobs[0] if all(word in job for job in jobs)] if len(jobs) > 1 else []
        top = os.path.realpath(self.folder)
        places = dict.fromkeys(os.path.realpath(job.folder) for job in built if isinstance(job, Placed))
        content = {
            "format": SWEEP_FORMAT,
            "jobs": count,
            "names": [Path(os.path.relpath(place, top)).as_posix() for place in places],  # all can be moved together
            "objectives": dict(built[0].objectives) if built and isinstance(built[0], Sought) else {},
            "common": common,
            "overrides": [] if trials else [_name(job, common) for job in jobs],
        }
        found = [path for path in self.folder.glob("[0-9]*.json") if path.stem.isdecimal()]
        for path in found:
            if (number := int(path.stem)) < earlier and path == self._file(number) and _ours(path):
                path.unlink()
        with replacing(self.folder / JOBS) as part:
            part.write_text(json.dumps(content) + "\n")

    def check(self) -> int:
        """How many jobs an earlier sweep in this folder had; 0 of a folder that is empty, or isn't there.

        Raises InputError for a folder that holds something else.
        """
        try:
            if not self.folder.exists() or not any(self.folder.iterdir()):
                return 0
        except OSError as error:
            raise InputError(f"can't look at hydra.sweep.dir={self.folder}: {error.strerror}; drop it") from error
        noted = _ours(self.folder / JOBS, SWEEP_FORMAT)
        if noted and isinstance(noted.get("jobs"), int):
            return noted["jobs"]
        raise InputError(
            f"hydra.sweep.dir={self.folder} holds what no sweep wrote; accepted are a folder that is new or empty, and "
            f"one of an earlier sweep: set hydra.sweep.dir={self.folder / 'sweep'}, or drop it"
        )

    @contextlib.contextmanager
    def job(self, number: int, overrides: Sequence[str]) -> Iterator[list[Objective]]:
        """Notes that the block runs and how it ends, and keeps its log; says how far the sweep is.

        The block adds what it reached. A lock beside the note is held as long as it runs.
        """
        total, common = self._jobs()
        name = _name(overrides, common)
        before = [(shared, shared.formatter) for shared in logging.getLogger().handlers]
        start, handler = time.monotonic(), self._logging(number, total)
        lock = FileLock(self._file(number).with_suffix(LOCK))
        log.info("job %d of %d begins: %s", number + 1, total, name)
        objectives: list[Objective] = []
        state: dict[str, Any] = {"format": JOB_FORMAT, "name": name, "refused": False, "reached": {}}
        try:
            with contextlib.suppress(Timeout):  # of a process that another sweep in this folder has
                lock.acquire(blocking=False)
            killed = "it never ended: its process was killed, or goes on elsewhere"
            self._note(number, {**state, "state": RUNNING, "error": killed, "seconds": 0})
            state |= {"state": STOPPED, "error": "it was stopped"}
            yield objectives
            state |= {"state": DONE, "error": ""}
        except InputError as error:
            log.error("%s", error)
            state |= {"state": FAILED, "refused": True, "error": str(error)}
            raise
        except Exception as error:
            log.exception("this job failed")
            state |= {"state": FAILED, "error": f"{type(error).__name__}: {error}"}
            raise
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()
            for shared, form in before:
                shared.setFormatter(form)
            reached = {each.name: each.value for each in objectives}
            self._note(number, {**state, "reached": reached, "seconds": round(time.monotonic() - start, 3)})
            lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink()
            self._tell(total, objectives)

    def _note(self, number: int, state: Mapping[str, Any]) -> None:
        with replacing(self._file(number)) as part:
            part.write_text(json.dumps(state) + "\n")

    def failures(self) -> SweepError | None:
        """All jobs that failed, or of which nothing was heard; None if there are none."""
        total, _ = self._jobs()
        found = [self._read(number) for number in range(total)]
        failed = [(number, state) for number, state in enumerate(found) if not state or state["state"] != DONE]
        if not failed:
            return None
        lines = [f"{len(failed)} of {total} jobs failed; repeat the command to make what is missing:"]
        for number, state in failed:
            told = " ".join(f"{state['name']}: {state['error']}".split()) if state else "its process was killed"
            if state or self._log_of(number).exists():
                lines.append(f"job {number + 1}: {told}; log: {self._log_of(number)}")
        if absent := [str(number + 1) for number, state in failed if not (state or self._log_of(number).exists())]:
            lines.append(f"not begun: {'job' if len(absent) == 1 else 'jobs'} {', '.join(absent)}")
        return SweepError(lines, all(state and state["refused"] for _, state in failed))

    @property
    def begun(self) -> bool:
        """Whether any job was."""
        return any(self._log_of(number).exists() for number in range(self._jobs()[0]))

    @property
    def ended(self) -> bool:
        """Whether each job was run to an end, be it a failure."""
        return all(self._read(number) for number in range(self._jobs()[0]))

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def _log_of(self, number: int) -> Path:
        return self._file(number).with_suffix(".log")

    def _jobs(self) -> tuple[int, list[str]]:
        noted = json.loads((self.folder / JOBS).read_text())
        return noted["jobs"], noted["common"]

    def _read(self, number: int) -> dict[str, Any] | None:
        """What a job noted at its end; None if it hasn't come to that."""
        try:
            noted = json.loads(self._file(number).read_text())
        except (OSError, ValueError):
            return None
        return None if noted["state"] == RUNNING else noted

    def _logging(self, number: int, total: int) -> logging.Handler:
        """A log file of the job's own; elsewhere, where others write too, its lines have its number."""
        for shared in logging.getLogger().handlers:
            form = f"%(asctime)s [{number + 1}/{total}] %(levelname)s %(name)s: %(message)s"
            shared.setFormatter(_Line(form, "%H:%M:%S"))
        path = self._log_of(number)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handler = _Log(path, encoding="utf-8")
        except OSError as error:
            raise InputError(f"can't write {path}: {error.strerror}; set output=… to a folder you can write") from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        return handler

    def _tell(self, total: int, objectives: Sequence[Objective]) -> None:
        states = {number: state for number in range(total) if (state := self._read(number))}
        ended = {number: state for number, state in states.items() if state["state"] in (DONE, FAILED)}
        for each in objectives:
            log.info("reached: %s %.4f", each.name, each.value)
            values = {k: state["reached"][each.name] for k, state in ended.items() if each.name in state["reached"]}
            best = (max if each.higher_is_better else min)(values, key=values.__getitem__)
            log.info("best %s so far: %.4f, job %d: %s", each.name, values[best], best + 1, ended[best]["name"])
        told = f"{len(ended)} of {total} jobs ended"
        if failed := sum(state["state"] == FAILED for state in ended.values()):
            told += f", {failed} failed"
        if ended and len(ended) < total:
            left = (total - len(ended)) * sum(state["seconds"] for state in ended.values()) / len(ended)
            told += f"; about {left:.0f} s of work to go"
        log.info("%s", told)


def _name(overrides: Sequence[str], common: Sequence[str]) -> str:
    """A job by what others don't have."""
    return " ".join(word for word in overrides if word not in common and word[:1] != "~")


def _ours(path: Path, form: str = JOB_FORMAT) -> dict[str, Any] | None:
    """What a file says that a sweep wrote in this format; None if it is another's, or isn't there."""
    try:
        noted = parse_json(read_text(path, "delete it"))
    except (InputError, ValueError, OSError):
        return None
    return noted if isinstance(noted, dict) and noted.get("format") == form else None
