"""Progress of loops that take a while: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.progress import track

from motion_inversion.core.process import Stop

log = logging.getLogger(__name__)

QUIET = 10.0  # seconds between lines


def shown(label: str) -> Callable[[Sequence[Stop]], Iterable[Stop]]:
    """Wraps the steps of a loop so that whoever waits sees how far it is."""

    def wrap(steps: Sequence[Stop]) -> Iterable[Stop]:
        if sys.stderr.isatty():
            return track(steps, label, transient=True)
        return _lines(label, steps)

    return wrap


def _lines(label: str, steps: Sequence[Stop]) -> Iterator[Stop]:
    last = time.monotonic()
    for done, step in enumerate(steps):
        yield step
        if time.monotonic() - last > QUIET:
            last = time.monotonic()
            log.info("%s: step %d of %d", label, done + 1, len(steps))
