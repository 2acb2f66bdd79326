"""What the jobs of a sweep have in common: how each runs, and one summary after the last."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from motion_inversion.error import InputError
from motion_inversion.ledger import Ledger, Objective, Sought, SweepError

log = logging.getLogger(__name__)


@runtime_checkable
class Part(Protocol):
    """A job that leaves the summary to the sweep it is part of."""

    def make(self) -> Exception | None:
        """Everything but the summary; gives what stopped some of it."""
        ...

    def summary(self) -> Any:
        """What sums up this job and others alike when its `run` is called; None for nothing."""
        ...


class JobError(Exception):
    """A job of a sweep failed, as its ledger tells."""


class LaunchError(Exception):
    """What starts the jobs of a sweep failed itself, by its cause. The message names the setting that chose it."""


def run(job: Any, sweeping: bool) -> None:
    """Runs a job; one that is part of a sweep without its summary."""
    if not (sweeping and isinstance(job, Part)):
        job.run()
    elif failure := job.make():
        raise failure


def reached(job: Any) -> list[Objective]:
    """How far a job came that has been made; nothing if it has no objectives."""
    if not isinstance(job, Sought):
        return []
    return [Objective(name, value, job.objectives[name]) for name, value in job.reached().items()]


@contextlib.contextmanager
def summed_up(jobs: Sequence[Any], ledger: Ledger | None) -> Iterator[None]:
    """Sums up the jobs when the block that runs them ends, by the failure of some as well; but not if interrupted.

    No callback of Hydra's: it calls none after a failure, and turns what they raise into warnings.

    Raises:
        SweepError: some jobs failed, or what starts or chooses them did after the first had begun.
        InputError: it did before, so that what it was given is to blame.
    """
    try:
        yield
    except Exception as error:
        try:
            _sum_up(jobs)
        except InputError as unsummed:
            log.error("%s", unsummed)
        if not ledger:
            raise
        raise _failure(error, ledger) from error
    _sum_up(jobs)
    if ledger and (failure := ledger.failures()):  # a search goes on after a trial that failed
        raise failure


def _failure(error: Exception, ledger: Ledger) -> Exception:
    """What is told of a sweep that ended by an error: the failures of its jobs, and the cause if that is no job's."""
    failure = ledger.failures()
    if isinstance(error, JobError) or (failure and ledger.ended):
        return failure or error
    begun = ledger.begun
    if isinstance(error, InputError):
        return SweepError([str(error), *str(failure or "").splitlines()], True) if begun else error
    cause = error.__cause__ if isinstance(error, LaunchError) and error.__cause__ else error
    where = str(error) if isinstance(error, LaunchError) else "hydra/sweeper"
    told = " ".join(f"{where} failed by itself: {type(cause).__name__}: {cause}".split())
    if not begun:
        return InputError(f"{told}; no job was begun; mend what it was given, or drop it")
    return SweepError([told, *str(failure or "").splitlines()], False)


def _sum_up(jobs: Sequence[Any]) -> None:
    """Equal summaries once."""
    summaries = [job.summary() for job in jobs if isinstance(job, Part)]
    for k, summary in enumerate(summaries):
        if summary is not None and summary not in summaries[:k]:
            summary.run()
