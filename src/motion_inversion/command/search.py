"""A search by Optuna: the values that can be checked ahead, how many trials there will be, and which way is better."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from motion_inversion.error import InputError
from motion_inversion.sweep import Sought


def is_search(settings: DictConfig) -> bool:
    """Whether Hydra's settings choose a sweeper that learns of each job what to try next."""
    return "n_trials" in settings.sweeper


def check_search(settings: DictConfig, beforehand: Sequence[str]) -> None:
    """Checks a search before anything is built.

    Args:
        settings: Hydra's own.
        beforehand: What a sweep would have to be given so that its other values compose.

    Raises:
        InputError: a number of trials below one; a sampler that is a plain sweep; a search over choices that other
            values depend on, which Optuna would take as fixed.
    """
    trials = settings.sweeper.n_trials
    if not isinstance(trials, int) or trials < 1:
        raise InputError(f"hydra.sweeper.n_trials={trials}: at least one is needed; set hydra.sweeper.n_trials=20")
    if "Grid" in str(settings.sweeper.sampler._target_):
        raise InputError("a search of every combination is a plain sweep: set hydra/sweeper=basic")
    if beforehand:
        raise InputError(
            f"a search can't choose among {', '.join(beforehand)} and give values that only some of them have; "
            "search in each by a command of its own"
        )


def every_value(choices: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Jobs that have each value of each key at least once: as many as the longest list; shorter ones begin again."""
    most = max((len(lines) for lines in choices.values()), default=1)
    return [[lines[k % len(lines)] for lines in choices.values()] for k in range(most)]


def direction(jobs: Sequence[Any]) -> str:
    """The override that tells Optuna which way the objectives of these jobs are better.

    Raises:
        InputError: jobs without objectives.
    """
    objectives = jobs[0].objectives if isinstance(jobs[0], Sought) else {}
    if not objectives:
        raise InputError(
            "hydra/sweeper=optuna_tpe looks for what is best, so it needs to know of what: set "
            "objective=motion_fidelity, or hydra/sweeper=basic for every combination"
        )
    words = ["maximize" if higher else "minimize" for higher in objectives.values()]
    return f"hydra.sweeper.direction=[{','.join(words)}]"
