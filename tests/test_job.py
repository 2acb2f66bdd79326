"""Signals that stop the command, and tasks of one Slurm job."""

import os
import signal

import pytest

from motion_inversion.job import spare_task, stoppable, stopped_by


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_an_exit_with_its_code(number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as stop, stoppable():
        os.kill(os.getpid(), number)
    assert stop.value.code == 128 + number
    assert stopped_by(stop.value) is number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_signals_that_are_handled_or_ignored_stay_so() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
    assert heard == [signal.SIGUSR1]


def test_other_exits_are_by_no_signal() -> None:
    assert stopped_by(KeyboardInterrupt()) is signal.SIGINT
    assert [stopped_by(SystemExit(code)) for code in (None, 0, 1, 2, "a word")] == [None] * 5


@pytest.mark.parametrize(
    ("tasks", "number", "spare"),
    [("", "", False), ("1", "0", False), ("4", "0", False), ("4", "3", True), ("4", "", False)],
)
def test_one_task_of_a_job_does_the_work(monkeypatch: pytest.MonkeyPatch, tasks: str, number: str, spare: bool) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", tasks)
    monkeypatch.setenv("SLURM_PROCID", number)
    assert bool(spare_task()) == spare
