"""Work of several processes: results in order, one log, and errors as they were raised."""

import logging
import os

import pytest

from motion_inversion.error import InputError
from motion_inversion.report.figure.crew import each

log = logging.getLogger(__name__)


def doubled(number: int) -> tuple[int, int]:
    if number < 0:
        raise InputError(f"{number} is too little")
    log.warning("doubling %d", number)
    return 2 * number, os.getpid()


def test_results_come_in_order_and_lines_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    found = [*each(doubled, range(6), 2)]
    assert [number for number, _ in found] == [0, 2, 4, 6, 8, 10]
    assert os.getpid() not in {process for _, process in found}
    assert sorted(record.getMessage() for record in caplog.records) == [f"doubling {k}" for k in range(6)]


def test_an_error_is_raised_as_it_was() -> None:
    with pytest.raises(InputError, match="-1 is too little"):
        list(each(doubled, [1, 2, 3, -1], 2))


def test_one_process_or_little_work_starts_none() -> None:
    assert {process for _, process in [*each(doubled, range(6), 1), *each(doubled, range(2), 2)]} == {os.getpid()}
