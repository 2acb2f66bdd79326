"""What a process is told from outside: what stops it, and whether another task of its job does the work."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from motion_inversion.storage.names import LOCK, STOP

# What ends a process without a word otherwise. Ctrl-C raises KeyboardInterrupt by itself.
_NAMES = ("SIGTERM", "SIGUSR1")
_ALL = ("SIGINT", *_NAMES)
_LOOK = 0.5  # seconds between two looks at a file
_GRACE = 3.0  # seconds in which the command, too, has heard of a signal that came to all processes of a group
_commanding: set[Path] = set()  # the folders of sweeps whose command this process is


@contextmanager
def stoppable() -> Iterator[None]:
    """In the block, SIGTERM and SIGUSR1 raise SystemExit with 128 + their number, as a shell would tell.

    So files that are being written are put away, and whoever catches it can say a word. Signals that the process
    was told to ignore, or that somebody else handles, stay as they are.
    """
    ours = [each for each in _signals(_NAMES) if signal.getsignal(each) is signal.SIG_DFL]
    with _handling(dict.fromkeys(ours, _stop)):
        yield


class StoppedError(Exception):
    """A job was ended because the command that it belongs to was told to stop."""


@dataclass(frozen=True)
class Stopping:
    """How the command of a sweep stops its jobs in other processes, on any machine that sees the sweep's folder.

    The command puts a file there, for which each job looks; a job holds a lock there for as long as it runs (its
    `Ledger` does). So no launcher need pass signals on, and the command knows when what runs has been saved.

    folder: of the sweep.
    """

    folder: Path

    @contextmanager
    def commanded(self) -> Iterator[None]:
        """In the command's process: a signal that comes in the block is raised once the jobs that run have ended.

        No further job begins. A second Ctrl-C is raised at once. Whoever handled these signals gets them back after
        the block; those that the process ignores stay ignored.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: SIGTERM or SIGUSR1, with 128 + its number.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.unlink(missing_ok=True)  # of another sweep that was given this folder
        heeded = [each for each in _signals(_ALL) if signal.getsignal(each) is not signal.SIG_IGN]
        heard: list[int] = []

        def command(number: int, frame: FrameType | None) -> None:
            again = bool(heard)
            if again and number != signal.SIGINT:
                return
            heard.append(number)
            with suppress(OSError):  # of a disk that is gone: then nobody is waited for
                self._file.touch()
                while not again and self._is_running():
                    time.sleep(_LOOK)
            _raise(number)

        _commanding.add(self.folder)
        try:
            with _handling(dict.fromkeys(heeded, command)):
                yield
        finally:
            _commanding.discard(self.folder)
            if heard:  # whatever the launcher makes of it: Ray gives an exit with another code
                _raise(heard[-1])

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        """In the process of a job: SIGTERM comes to the block once its command was told to stop.

        A Ctrl-C is the command's to tell: a terminal sends it to every process. Nothing happens in the command's own
        process, where some launchers run their jobs.

        Raises:
            StoppedError: the block was stopped, or isn't to begin. Launchers take this for a failure of the job,
                whereas an exit would end its process, and some would start it again.
        """
        if self.folder in _commanding:
            yield
            return
        over = threading.Event()
        try:
            if self._file.exists():
                raise StoppedError
            threading.Thread(target=self._look, args=(over,), daemon=True).start()
            handlers = {each: signal.SIG_IGN if each is signal.SIGINT else _stop for each in _signals(_ALL)}
            with _handling(handlers):
                yield
        except SystemExit as stop:
            if stopped_by(stop) and self._is_stopped(time.monotonic() + _GRACE):
                raise StoppedError from None
            raise
        finally:
            over.set()

    @property
    def _file(self) -> Path:
        return self.folder / STOP

    def _is_running(self) -> bool:
        return not all(_drop(FileLock(path)) for path in self.folder.glob(f"*{LOCK}"))

    def _is_stopped(self, until: float) -> bool:
        while not (there := self._file.exists()) and time.monotonic() < until:
            time.sleep(_LOOK)
        return there

    def _look(self, over: threading.Event) -> None:
        while not over.wait(_LOOK):
            if self._file.exists():
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                return


def stopped_by(stop: BaseException) -> signal.Signals | None:
    """The signal that raised `stop`; None if none did."""
    if isinstance(stop, KeyboardInterrupt):
        return signal.SIGINT
    codes = {128 + each: each for each in signal.valid_signals() if isinstance(each, signal.Signals)}
    return codes.get(stop.code) if isinstance(stop, SystemExit) and isinstance(stop.code, int) else None


def spare_task() -> str:
    """Why this process has nothing to do: Slurm started the command several times, and the first does all; else ""."""
    tasks, number = (os.environ.get(name, "") for name in ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"))
    if not (tasks.isdigit() and number.isdigit()) or int(tasks) < 2 or number == "0":
        return ""
    return f"task {number} of {tasks} has nothing to do: task 0 runs the job; ask Slurm for one task, --ntasks=1"


def _stop(number: int, frame: FrameType | None) -> None:
    _raise(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _signals(names: Sequence[str]) -> list[signal.Signals]:
    """Those that this system knows; none outside the main thread, where Python handles no signals."""
    here = threading.current_thread() is threading.main_thread()
    return [signal.Signals[name] for name in names if here and name in signal.Signals.__members__]


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """In the block, signals have these handlers; then those that they had before."""
    before = {each: signal.getsignal(each) for each in handlers}
    for each, handler in handlers.items():
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)


def _drop(lock: FileLock) -> bool:
    """Removes a lock that this process has, or that nobody has any more; whether it could."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release(force=True)
    return True
