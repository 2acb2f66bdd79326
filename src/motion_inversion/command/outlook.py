"""What the jobs of a command would make: told by --dry-run, before anything is computed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from motion_inversion.command.economy import as_overrides
from motion_inversion.error import InputError


@runtime_checkable
class Result(Protocol):
    """A result that a job makes unless it is there."""

    @property
    def stage(self) -> str: ...
    @property
    def place(self) -> Path: ...
    @property
    def there(self) -> bool: ...
    @property
    def cached(self) -> bool: ...
    @property
    def seconds(self) -> float | None: ...


@runtime_checkable
class Foreseen(Protocol):
    """A job that can tell ahead what it makes."""

    def outlook(self) -> Sequence[Result]:
        """Every result, whether there or not; nothing is computed."""
        ...

    def footprint(self) -> str:
        """A line on the memory that it takes; no weights are loaded."""
        ...


def outlook(
    jobs: Sequence[Any], overrides: Sequence[Sequence[str]], picks: Sequence[Mapping[str, Any]] | None = None
) -> str:
    """By job and stage: what is there, what is to be made, what a job before makes, and the time as far as known.

    Of what is to be made, the memory that it takes is said, too; in full once for jobs that take the same.

    Args:
        jobs: The jobs.
        overrides: Those of each; a job is called by those that others don't have.
        picks: What was picked for each.

    Raises:
        InputError: what stops a job before it makes anything, or a job that makes no results of its own.
    """
    common = set(overrides[0]).intersection(*overrides)
    lines: list[str] = []
    made: dict[Path, int] = {}
    footprints: dict[str, int] = {}
    seconds: list[float | None] = []
    for number, (job, words) in enumerate(zip(jobs, overrides, strict=True), 1):
        if not isinstance(job, Foreseen):
            raise InputError("--dry-run lists what an experiment makes, and this is none; drop --dry-run")
        picked = " ".join(as_overrides(picks[number - 1])) if picks else ""
        named = " ".join(word for word in words if word not in common)
        lines.append(f"job {number} of {len(jobs)}{f': {named}' if named else ''}")
        every = sorted(job.outlook(), key=_order)
        for stage, results in groupby(every, key=lambda each: each.stage):
            each = list(results)
            missing = [result for result in each if not (result.there or result.cached)]
            shared = [result for result in missing if result.place in made]
            own = [result for result in missing if result.place not in made]
            made |= {result.place: number for result in own}
            seconds += [result.seconds for result in own]
            lines.append(_stage_line(stage, each, own, shared))
        lines += [f"  picked    {picked}"] if picked else []
        if not all(each.there for each in every):
            footprint = job.footprint()
            first = footprints.setdefault(footprint, number)
            lines.append(f"  memory    {footprint if first == number else f'as job {first}'}")
    known = [each for each in seconds if each is not None]
    lines.append(_total(len(seconds), known))
    return "\n".join(lines) + "\n"


def _order(result: Result) -> int:
    return ("prepare", "train", "generate", "evaluate").index(result.stage)


def _stage_line(stage: str, every: Sequence[Result], own: Sequence[Result], shared: Sequence[Result]) -> str:
    there, cached = sum(result.there for result in every), sum(result.cached for result in every)
    told = [f"{there:>3} there", f"{len(own):>3} to make"]
    told += [f"{cached} in the cache"] if cached else []
    told += [f"{len(shared)} made by jobs before"] if shared else []
    known = [result.seconds for result in own if result.seconds is not None]
    told += [f"about {_clock(sum(known))}"] if known and len(known) == len(own) else []
    return f"  {stage:<9} {', '.join(told)}"


def _total(count: int, known: Sequence[float]) -> str:
    if not count:
        return "nothing left to do: everything is there"
    if not known:
        return f"to make: {count} results; none of their kind are there to say how long that takes"
    unknown = f" and {count - len(known)} of which no earlier one says" if len(known) < count else ""
    return f"to make: {count} results, about {_clock(sum(known))} by what earlier ones took{unknown}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
