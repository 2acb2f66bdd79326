"""Signals that stop the command, and tasks of one Slurm job."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from filelock import FileLock

from motion_inversion.job import StoppedError, Stopping, spare_task, stoppable, stopped_by

_BEGUN, _SAVED = "begun", "saved"


def _work(folder: Path) -> None:
    """A job in a process of its own, which notes that it was stopped, after a while."""
    try:
        with Stopping(folder).obeyed(), FileLock(folder / "0.lock"):  # which the ledger holds
            (folder / _BEGUN).touch()
            time.sleep(60)
    except StoppedError:
        (folder / _SAVED).touch()


def _save_slowly(folder: Path) -> None:
    try:
        with Stopping(folder).obeyed(), FileLock(folder / "0.lock"):  # which the ledger holds
            (folder / _BEGUN).touch()
            try:
                time.sleep(60)
            finally:
                time.sleep(1.5)
                (folder / _SAVED).touch()
    except StoppedError:
        pass


@contextmanager
def _elsewhere(work: Callable[[Path], None], folder: Path) -> Iterator[BaseProcess]:
    process = get_context("fork").Process(target=work, args=(folder,))
    process.start()
    try:
        while not (folder / _BEGUN).exists():
            assert process.is_alive()
            time.sleep(0.01)
        yield process
    finally:
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_of_the_command_waits_for_its_jobs_to_save(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with _elsewhere(_save_slowly, tmp_path), pytest.raises(SystemExit) as stop, Stopping(tmp_path).commanded():
        os.kill(os.getpid(), number)
    assert stop.value.code == code
    assert (tmp_path / _SAVED).exists()
    assert not list(tmp_path.glob("*.lock"))


def test_a_second_interrupt_waits_for_nobody(tmp_path: Path) -> None:
    with _elsewhere(_save_slowly, tmp_path), pytest.raises(KeyboardInterrupt), Stopping(tmp_path).commanded():
        again = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        again.start()
        os.kill(os.getpid(), signal.SIGINT)
    assert not (tmp_path / _SAVED).exists()


def test_a_job_that_was_killed_is_not_waited_for(tmp_path: Path) -> None:
    with _elsewhere(_work, tmp_path) as process, pytest.raises(SystemExit), Stopping(tmp_path).commanded():
        process.kill()
        process.join()
        os.kill(os.getpid(), signal.SIGTERM)
    assert not (tmp_path / _SAVED).exists()


def test_what_a_launcher_makes_of_the_exit_does_not_matter(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop, Stopping(tmp_path).commanded():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            raise SystemExit(1) from None
    assert stop.value.code == 143


def test_a_job_of_a_stopped_sweep_does_not_begin_and_another_sweep_of_the_folder_is_not_stopped(tmp_path: Path) -> None:
    stopping = Stopping(tmp_path)
    with pytest.raises(SystemExit), stopping.commanded():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(StoppedError), stopping.obeyed():
        pytest.fail("it began")
    with stopping.commanded():
        pass
    with stopping.obeyed():
        pass


def test_an_interrupt_of_all_processes_is_the_commands_to_tell(tmp_path: Path) -> None:
    with Stopping(tmp_path).obeyed():
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(SystemExit) as stop, Stopping(tmp_path).obeyed():  # not by the command
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.value.code == 143


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
