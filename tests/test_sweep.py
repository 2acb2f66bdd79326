"""What the jobs of a sweep share: a note of how each ended, and one summary after the last."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from motion_inversion.error import InputError
from motion_inversion.ledger import Ledger, SweepError
from motion_inversion.sweep import LaunchError, run, summed_up

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
    with summed_up([Job("a", 0), Job("b", 1), Other(), Job("a", 2), Job("", 3)], None):
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
    with pytest.raises(RuntimeError, match="one job"), summed_up([Job("a")], None):
        fail(RuntimeError)()
    assert DONE == ["summary of a"]


def test_the_first_failure_is_the_one_that_counts() -> None:
    with pytest.raises(RuntimeError, match="one job"), summed_up([Job("refused")], None):
        fail(RuntimeError)()
    with pytest.raises(InputError, match="no scores"), summed_up([Job("refused")], None):
        pass


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_not_summed_up(stop: type[BaseException]) -> None:
    with pytest.raises(stop), summed_up([Job("a")], None):
        fail(stop)()
    assert DONE == []


def end(ledger: Ledger, number: int, error: Exception | None = None) -> None:
    with ledger.job(number, ["a=1", f"b={number}"]):
        logging.getLogger("motion_inversion").warning("in job %d", number)
        if error:
            raise error


def test_every_job_that_failed_is_told_with_its_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ledger = Ledger(tmp_path / "sweep")
    ledger.open([["a=1", f"b={number}"] for number in range(4)])
    end(ledger, 0)
    with pytest.raises(InputError):
        end(ledger, 1, InputError("no clip; set dataset.path=…"))
    with pytest.raises(RuntimeError):
        end(ledger, 3, RuntimeError("a bug\nof two lines"))
    failure = ledger.failures()
    assert failure is not None and not failure.refused
    assert str(failure).splitlines() == [
        "3 of 4 jobs failed; repeat the command to make what is missing:",
        f"job 2: b=1: no clip; set dataset.path=…; log: {tmp_path}/sweep/1.log",
        f"job 4: b=3: RuntimeError: a bug of two lines; log: {tmp_path}/sweep/3.log",
        "not begun: job 3",
    ]
    own = (tmp_path / "sweep/3.log").read_text()
    assert "in job 3" in own and "Traceback" in own and "in job 1" not in own
    assert "job 2 of 4 begins: b=1" in caplog.text and "2 of 4 jobs ended, 1 failed; about" in caplog.text
    end(ledger, 2)
    end(ledger, 3)
    failure = ledger.failures()
    assert failure is not None and failure.refused  # bad input alone is left
    end(ledger, 1)
    assert ledger.failures() is None
    assert caplog.messages[-1] == "4 of 4 jobs ended"


def test_a_sweep_in_the_folder_of_an_earlier_one_removes_its_notes_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([[f"b={number}"] for number in range(4)])
    for number in range(4):
        end(ledger, number)
    theirs = [tmp_path / name for name in ("000003.json", "2017_train.json", "5.json", "²")]
    for path in theirs:
        path.write_text("{}")
    ledger.open([["b=0"], ["b=1"]])
    assert not list(tmp_path.glob("[0-3].json"))
    assert [path.read_text() for path in theirs] == ["{}"] * 4
    (tmp_path / "1.json").write_text("mine")
    with pytest.raises(InputError, match=r"1\.json is no note of a sweep's job"):
        ledger.open([["b=0"], ["b=1"]])
    assert (tmp_path / "1.json").read_text() == "mine"


def test_a_job_that_was_killed_never_ended(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"], ["b=1"]])
    with ledger.job(0, ["b=0"]):
        begun = (tmp_path / "0.json").read_text()
        assert (tmp_path / "0.lock").exists()
    assert not (tmp_path / "0.lock").exists()
    (tmp_path / "0.json").write_text(begun)
    end(ledger, 1)
    assert str(ledger.failures()).splitlines()[1].startswith("job 1: its process was killed")


@pytest.mark.parametrize("name", ["000123.json", "0.log", "0.json", "jobs.json"])
def test_a_folder_of_something_else_is_refused_and_stays(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / name).write_text('{"jobs": 12, "common": []}')
    words = ["loss=mse,vmc", f"hydra.sweep.dir={folder}", "-m"]
    for flags in ([], ["--dry-run"]):
        assert call(tmp_path / "out", *words, *flags) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"hydra.sweep.dir={folder} holds what no sweep wrote; accepted are" in line
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, '{"jobs": 12, "common": []}')]
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device of a full disk")
def test_a_full_disk_is_told_by_what_stops_a_job_and_not_by_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"], ["b=1"]])
    (tmp_path / "1.log").symlink_to("/dev/full")
    with pytest.raises(InputError, match="no room"):
        end(ledger, 1, InputError("no room"))
    assert "Logging error" not in capsys.readouterr().err


def test_a_folder_of_a_sweep_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"], ["b=1"]])
    (tmp_path / "1.log").mkdir()
    with pytest.raises(InputError, match=r"^can't write .*1\.log: Is a directory; set output=…"):
        end(ledger, 1)


def test_the_failures_of_a_sweep_come_after_its_summary(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"], ["b=1"]])
    with pytest.raises(SweepError, match="^1 of 2 jobs failed"), summed_up([Job("a")], ledger):
        end(ledger, 0)
        end(ledger, 1, RuntimeError("one job"))
    assert DONE == ["summary of a"]


def test_a_job_whose_process_was_killed_has_its_log(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"]])
    (tmp_path / "0.log").touch()
    assert str(ledger.failures()).splitlines()[1:] == [f"job 1: its process was killed; log: {tmp_path}/0.log"]


def launch_error(cause: Exception) -> LaunchError:
    error = LaunchError("hydra/launcher")
    error.__cause__ = cause
    return error


def test_what_could_begin_no_job_was_given_something_bad(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"], ["b=1"]])
    told = r"hydra/launcher failed by itself: ConnectionError: no such host; no job was begun"
    with pytest.raises(InputError, match=told), summed_up([], ledger):
        raise launch_error(ConnectionError("no such\nhost"))
    with pytest.raises(InputError, match="hydra/sweeper failed by itself: KeyError: 'UP'"), summed_up([], ledger):
        raise KeyError("UP")
    with pytest.raises(InputError, match="^no GPU$"), summed_up([], ledger):
        raise InputError("no GPU")


def test_the_cause_of_jobs_that_were_not_begun_comes_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"], ["b=1"]])
    with pytest.raises(InputError):
        end(ledger, 0, InputError("no clip"))
    with pytest.raises(SweepError) as failure, summed_up([], ledger):
        raise launch_error(OSError("a worker is gone"))
    lines = str(failure.value).splitlines()
    assert lines[0] == "hydra/launcher failed by itself: OSError: a worker is gone"
    assert lines[-1] == "not begun: job 2" and not failure.value.refused


def test_the_failures_of_jobs_say_why_a_search_has_no_best(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open([["b=0"]])
    with pytest.raises(InputError):
        end(ledger, 0, InputError("no clip"))
    with pytest.raises(SweepError) as failure, summed_up([], ledger):
        raise ValueError("no trials are completed yet")
    assert "completed" not in str(failure.value) and failure.value.refused


def test_of_an_error_the_terminal_has_a_line_and_the_log_its_traceback(tmp_path: Path) -> None:
    ledger, terminal = Ledger(tmp_path), io.StringIO()
    ledger.open([["b=0"]])
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(RuntimeError):
            end(ledger, 0, RuntimeError("a bug\nof 100 % two lines"))
    finally:
        logging.getLogger().removeHandler(handler)
    [told] = [line for line in terminal.getvalue().splitlines() if "bug" in line]
    assert told.endswith("[1/1] ERROR motion_inversion.ledger: this job failed: RuntimeError: a bug of 100 % two lines")
    assert "Traceback" not in terminal.getvalue() and "Traceback" in (tmp_path / "0.log").read_text()
