"""Owns work shared among processes, whose logs are one and which end with the process that started them."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from logging.handlers import QueueHandler, QueueListener
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LEAST = 4  # pieces of work below which processes take longer to start than they save


def each(work: Callable[[T], R], given: Sequence[T], processes: int) -> Iterator[R]:
    """What `work` gives for each, in their order; it and they are sent to other processes if these are several.

    Raises: what `work` raises, and the rest isn't begun.
    """
    if processes < 2 or len(given) < _LEAST:
        yield from map(work, given)
        return
    context = get_context("spawn")  # a fork would copy the locks of torch's threads as they are held
    lines = context.Queue()
    listener = QueueListener(lines, _Relay())
    listener.start()
    pool = ProcessPoolExecutor(min(processes, len(given)), context, _start, (lines, logging.getLogger().level))
    try:
        yield from pool.map(work, given)
    finally:
        pool.shutdown(cancel_futures=True)
        listener.stop()


class _Relay(logging.Handler):
    """Gives a line of another process to the logger of its name."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _start(lines: Any, level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    root = logging.getLogger()
    root.addHandler(QueueHandler(lines))
    root.setLevel(level)


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
    os._exit(1)
