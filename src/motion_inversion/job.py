"""What a process is told from outside: the signals that stop it, and whether another task of its job does the work."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What ends a process without a word otherwise. Ctrl-C raises KeyboardInterrupt by itself.
_NAMES = ("SIGTERM", "SIGUSR1")


@contextmanager
def stoppable() -> Iterator[None]:
    """In the block, SIGTERM and SIGUSR1 raise SystemExit with 128 + their number, as a shell would tell.

    So files that are being written are put away, and whoever catches it can say a word. Signals that the process
    was told to ignore, or that somebody else handles, stay as they are.
    """
    ours: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        known = [signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__]
        ours = [each for each in known if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _stop)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


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
    raise SystemExit(128 + number)
