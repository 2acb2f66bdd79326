"""What the jobs of a sweep share: one summary after the last."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from motion_inversion.error import InputError
from motion_inversion.sweep import run, summed_up

DONE: list[str] = []


@dataclass(frozen=True)
class Summary:
    name: str

    def run(self) -> None:
        if self.name == "refused":
            raise InputError("no scores")
        DONE.append(f"summary of {self.name}")


@dataclass(frozen=True)
class Job:
    name: str
    number: int = 0
    failure: InputError | None = None

    def run(self) -> None:
        DONE.append(f"run {self.name}")

    def make(self) -> InputError | None:
        DONE.append(f"make {self.name} {self.number}")
        return self.failure

    def summary(self) -> Summary | None:
        return Summary(self.name) if self.name else None


class Other:
    """A job of which nothing is summed up."""

    def run(self) -> None:
        DONE.append("run other")


@pytest.fixture(autouse=True)
def _afresh() -> None:
    DONE.clear()


def test_jobs_alike_are_summed_up_once() -> None:
    with summed_up([Job("a", 0), Job("b", 1), Other(), Job("a", 2), Job("", 3)]):
        assert DONE == []
    assert DONE == ["summary of a", "summary of b"]


def test_a_job_of_a_sweep_leaves_its_summary_out() -> None:
    for sweeping in (False, True):
        run(Job("a"), sweeping)
        run(Other(), sweeping)
    assert DONE == ["run a", "run other", "make a 0", "run other"]
    with pytest.raises(InputError, match="half of it"):
        run(Job("a", failure=InputError("half of it")), sweeping=True)


def fail(error: type[BaseException]) -> Callable[[], None]:
    def failing() -> None:
        raise error("one job")

    return failing


def test_a_failure_goes_on_after_the_summary() -> None:
    with pytest.raises(RuntimeError, match="one job"), summed_up([Job("a")]):
        fail(RuntimeError)()
    assert DONE == ["summary of a"]


def test_the_first_failure_is_the_one_that_counts() -> None:
    with pytest.raises(RuntimeError, match="one job"), summed_up([Job("refused")]):
        fail(RuntimeError)()
    with pytest.raises(InputError, match="no scores"), summed_up([Job("refused")]):
        pass


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_not_summed_up(stop: type[BaseException]) -> None:
    with pytest.raises(stop), summed_up([Job("a")]):
        fail(stop)()
    assert DONE == []
