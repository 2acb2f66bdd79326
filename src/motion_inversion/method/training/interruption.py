"""Signals that ask a training to stop wait until its step is done and saved."""

import signal
import threading
from types import FrameType
from typing import Any

# Ctrl-C; what Slurm and others send ahead of a kill; what a user may ask Slurm to send before the time limit.
_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
SIGNALS = tuple(signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__)


class HeldSignals:
    """Holds signals back inside a `with` block until `release`, which gives them to those who handled them before.

    Those may stop the process, requeue its job (as submitit does), or do nothing: then the block goes on. Where
    nobody did, the process exits with 128 + the signal's number, as a shell would tell. A second Ctrl-C is not held.
    Those that the process ignores stay ignored.
    Outside the main thread, where Python handles no signals, nothing happens.

    waiting: the signal that is held back; None if none is.
    """

    def __init__(self) -> None:
        self.waiting: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "HeldSignals":
        self.waiting = None
        if threading.current_thread() is threading.main_thread():
            before = {each: signal.getsignal(each) for each in SIGNALS}
            self._before = {each: handler for each, handler in before.items() if handler is not signal.SIG_IGN}
        self.hold()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._restore()
        if kind is None or issubclass(kind, Exception):
            self._deliver()

    def hold(self) -> None:
        """From now on, also if another library has put its own handlers in place."""
        for each in self._before:
            signal.signal(each, self._keep)

    def release(self) -> None:
        """Gives the signal that waits, if one does, to whoever handled it before.

        Raises:
            SystemExit: nobody did. Besides, whatever the handler raises: KeyboardInterrupt for Ctrl-C.
        """
        self._restore()
        self._deliver()
        self.hold()

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self.waiting and number == signal.SIGINT:
            self._restore()
            raise KeyboardInterrupt
        self.waiting = signal.Signals(number)

    def _restore(self) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)

    def _deliver(self) -> None:
        number, self.waiting = self.waiting, None
        if number is None:
            return
        handler = self._before[number]
        if callable(handler):
            handler(number, None)
        else:
            raise SystemExit(128 + number)
