"""What the jobs of a sweep have in common: they are summed up once, after the last of them."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from motion_inversion.error import InputError

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


def run(job: Any, sweeping: bool) -> None:
    """Runs a job; one that is part of a sweep without its summary."""
    if not (sweeping and isinstance(job, Part)):
        job.run()
    elif failure := job.make():
        raise failure


@contextlib.contextmanager
def summed_up(jobs: Sequence[Any]) -> Iterator[None]:
    """Sums up the jobs when the block that runs them ends, by the failure of some as well; but not if interrupted.

    No callback of Hydra's: it calls none after a failure, and turns what they raise into warnings.
    """
    try:
        yield
    except Exception:
        try:
            _sum_up(jobs)
        except InputError as error:
            log.error("%s", error)
        raise
    _sum_up(jobs)


def _sum_up(jobs: Sequence[Any]) -> None:
    """Equal summaries once."""
    summaries = [job.summary() for job in jobs if isinstance(job, Part)]
    for k, summary in enumerate(summaries):
        if summary is not None and summary not in summaries[:k]:
            summary.run()
