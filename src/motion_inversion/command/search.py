"""A search by Optuna: the values that can be checked ahead, how many trials there will be, and which way is better."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, ListConfig

from motion_inversion.command.explanation import loader
from motion_inversion.error import InputError
from motion_inversion.ledger import Sought


def is_search(settings: DictConfig) -> bool:
    """Whether Hydra's settings choose a sweeper that learns of each job what to try next."""
    return "n_trials" in settings.sweeper


def check_search(settings: DictConfig, beforehand: Sequence[str], given: Sequence[Override]) -> None:
    """Checks a search before anything is built.

    Args:
        settings: Hydra's own.
        beforehand: What a sweep would have to be given so that its other values compose.
        given: The overrides, intervals to search in among them.

    Raises:
        InputError: a number of trials below one; a sampler that is none, or a plain sweep; a search over choices that
            other values depend on, which Optuna would take as fixed; an interval without room, or below 0 where it is
            searched in by logarithms.
    """
    trials = settings.sweeper.n_trials
    if not isinstance(trials, int) or trials < 1:
        raise InputError(f"hydra.sweeper.n_trials={trials}: at least one is needed; set hydra.sweeper.n_trials=20")
    sampler = settings.sweeper.sampler
    if not isinstance(sampler, DictConfig) or "_target_" not in sampler:
        accepted = ", ".join(loader().get_group_options("hydra/sweeper/sampler"))
        raise InputError(
            f"hydra.sweeper.sampler={sampler} is no sampler; accepted: {accepted}; set hydra/sweeper/sampler=tpe"
        )
    if "Grid" in str(sampler._target_):
        raise InputError("a search of every combination is a plain sweep: set hydra/sweeper=basic")
    if beforehand:
        raise InputError(
            f"a search can't choose among {', '.join(beforehand)} and give values that only some of them have; "
            "search in each by a command of its own"
        )
    for each in given:
        _check_interval(each)


def _check_interval(given: Override) -> None:
    """Raises InputError for an interval that nothing lies in, or of which not everything has a logarithm."""
    interval, key = given.value(), given.get_key_element()
    if not isinstance(interval, IntervalSweep) or interval.start is None or interval.end is None:
        return
    low, high = interval.start, interval.end
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        fixed = f"{key}=interval({high},{low})" if high < low else f"{key}=interval(0.01,0.1)"
        raise InputError(f"{given.input_line}: accepted are two numbers, the lower one first; set '{fixed}'")
    if "log" in interval.tags and low <= 0:
        raise InputError(
            f"{given.input_line}: only numbers above 0 have logarithms; set '{key}=interval({low},{high})', or a lower "
            "end above 0"
        )


def every_value(choices: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Jobs that have each value of each key at least once: as many as the longest list; shorter ones begin again."""
    most = max((len(lines) for lines in choices.values()), default=1)
    return [[lines[k % len(lines)] for lines in choices.values()] for k in range(most)]


def direction(jobs: Sequence[Any], given: Any) -> str:
    """The override that tells Optuna which way the objectives of these jobs are better.

    given: What the command has in its place; None for nothing.

    Raises:
        InputError: jobs without objectives, or other directions than one for each of them.
    """
    objectives = jobs[0].objectives if isinstance(jobs[0], Sought) else {}
    if not objectives:
        raise InputError(
            "hydra/sweeper=optuna_tpe looks for what is best, so it needs to know of what: set "
            "objective=motion_fidelity, or hydra/sweeper=basic for every combination"
        )
    words = ["maximize" if higher else "minimize" for higher in objectives.values()]
    asked = [*given] if isinstance(given, ListConfig) else [given]
    if given is not None and (len(asked) != len(words) or not {*asked} <= {"minimize", "maximize"}):
        raise InputError(
            f"hydra.sweeper.direction={given}: accepted is minimize or maximize for each of {', '.join(objectives)}; "
            "drop it, as metrics say by themselves which way is better"
        )
    return f"hydra.sweeper.direction=[{','.join(words)}]"
