"""A job that an agent of a Weights & Biases sweep starts, which learns what it reached: docs/wandb_sweep.yaml."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from motion_inversion.error import InputError
from motion_inversion.ledger import Sought
from motion_inversion.sweep import reached

_SWEEP = "WANDB_SWEEP_ID"
_GIVEN = ("WANDB_RUN_ID", _SWEEP, "WANDB_SWEEP_PARAM_PATH")  # what an agent tells the program that it starts


def check_agent(several: bool) -> None:
    """Raises InputError for `several` jobs where an agent asks for one."""
    if several and _SWEEP in os.environ:
        raise InputError("an agent of Weights & Biases starts one job at a time; drop -m from the sweep's command")


@contextmanager
def answering(job: Any) -> Iterator[None]:
    """Tells the agent, if one started this process, what the job reached once the block has run it.

    The run that the agent opened is for that alone: what the block sends goes to runs of its own.

    Raises:
        InputError: if an agent asks, and the job has no objective.
    """
    if _SWEEP not in os.environ:
        yield
        return
    if not isinstance(job, Sought) or not job.objectives:
        raise InputError(
            "a sweep of Weights & Biases learns from an objective, and this job has none; set "
            "objective=motion_fidelity in the sweep's command"
        )
    given = {name: os.environ.pop(name) for name in _GIVEN if name in os.environ}
    try:
        yield
    finally:
        os.environ |= given
    import wandb  # takes a second, which no other job should wait for

    wandb.teardown()  # it reads the environment once, and may have done so meanwhile
    with wandb.init(settings=wandb.Settings(silent=True, console="off")) as run:
        run.log({each.name: each.value for each in reached(job)})
