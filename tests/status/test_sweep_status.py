"""How far a sweep is, read from its folder and from nothing else."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from motion_inversion.ledger import Ledger, Objective
from motion_inversion.status.status import status
from motion_inversion.status.sweep import Job, Sweep
from motion_inversion.storage.names import JOBS

JOBS_OF_IT = [["a=1", f"b={number}"] for number in range(4)]


def opened(folder: Path, place: Path) -> Ledger:
    """The ledger of a sweep of four jobs, whose results lie at a place."""
    ledger = Ledger(folder)
    built = [SimpleNamespace(folder=place, objectives={"fidelity": True}, reached=dict) for _ in JOBS_OF_IT]
    ledger.open(JOBS_OF_IT, built)
    return ledger


def told(folder: Path) -> list[str]:
    return str(status([str(folder)])).splitlines()


def end(ledger: Ledger, number: int, reached: float, error: BaseException | None = None, seconds: float = 3.0) -> None:
    """Runs a job of the sweep, and notes that it took so long."""
    with contextlib.suppress(BaseException), ledger.job(number, JOBS_OF_IT[number]) as objectives:
        if error:
            raise error
        objectives.append(Objective("fidelity", reached, True))
    path = ledger.folder / f"{number}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": seconds}))


def test_a_sweep_is_told_before_there_is_any_result(tmp_path: Path) -> None:
    sweep, demo = tmp_path / "sweep/1", tmp_path / "demo"
    opened(sweep, demo)
    assert told(demo) == [f"sweep {sweep}: 0 of 4 jobs ended; none at work now"]


def test_failures_the_best_and_the_time_to_go_are_told(tmp_path: Path) -> None:
    sweep, demo = tmp_path / "sweep/1", tmp_path / "demo"
    ledger = opened(sweep, demo)
    end(ledger, 0, 0.25)
    end(ledger, 1, 0.0, RuntimeError("a bug"))
    with ledger.job(2, JOBS_OF_IT[2]):
        lines = told(demo)
        assert len(lines) == 3
        assert lines[0].startswith(f"sweep {sweep}: 2 of 4 jobs ended, 1 failed; 1 at work now, about ")
        assert lines[1] == "best fidelity so far: 0.2500, job 1 (b=0)"
        assert lines[2] == f"failed: job 2 (b=1): RuntimeError: a bug; log: {sweep}/1.log"
        with ledger.job(3, JOBS_OF_IT[3]):
            assert "2 at work now" in told(demo)[0]
    end(ledger, 2, 0.5)
    end(ledger, 3, 0.125)
    lines = told(demo)
    assert lines[:2] == [f"sweep {sweep}: 4 of 4 jobs ended, 1 failed", "best fidelity: 0.5000, job 3 (b=2)"]


@pytest.mark.parametrize(("at_once", "seconds"), [(0, 6), (1, 6), (2, 3)])
def test_the_time_to_go_depends_on_how_many_run_at_once(at_once: int, seconds: float) -> None:
    ended = {0: Job("done", seconds=3.0), 1: Job("failed", seconds=0.5)}
    running = {2 + number: 0.0 for number in range(at_once)}
    assert Sweep(Path(), 4, {}, ended, {}, running).seconds == seconds


@pytest.mark.parametrize("kill", [False, True])
def test_a_job_that_was_stopped_or_killed_has_not_ended(tmp_path: Path, kill: bool) -> None:
    sweep, demo = tmp_path / "sweep/1", tmp_path / "demo"
    ledger = opened(sweep, demo)
    if kill:
        with ledger.job(0, JOBS_OF_IT[0]):
            begun = (sweep / "0.json").read_text()
        (sweep / "0.json").write_text(begun)
    else:
        end(ledger, 0, 0.0, KeyboardInterrupt())
    lines = told(demo)
    assert lines[0] == f"sweep {sweep}: 0 of 4 jobs ended; none at work now"
    assert lines[1].startswith(f"stopped: job 1 (b=0): {'it never ended' if kill else 'it was stopped'}")


def test_a_sweep_belongs_to_its_own_names(tmp_path: Path, finished: Path) -> None:
    ledger = opened(tmp_path / "sweep/1", tmp_path / "demo")
    opened(tmp_path / "sweep/2", tmp_path / "deep/other")
    assert told(tmp_path / "demo")[0].startswith(f"sweep {ledger.folder}: 0 of 4")
    assert told(tmp_path / "deep/other")[0].startswith(f"sweep {tmp_path}/sweep/2: 0 of 4")
    opened(finished / "sweep/1", finished / "another")
    assert told(finished / "motion_inversion")[0] == "2 samples: 2 done, 0 missing, 0 failed"


def test_results_can_be_moved(tmp_path: Path) -> None:
    opened(tmp_path / "out/sweep/1", tmp_path / "out/demo")
    (tmp_path / "out").rename(tmp_path / "moved")
    assert told(tmp_path / "moved/demo")[0].startswith("sweep ")


def test_a_sweep_of_any_size_is_counted_by_its_files(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep/1"
    sweep.mkdir(parents=True)
    (sweep / JOBS).write_text('{"jobs": 1000000000000, "names": ["../../demo"]}')
    for name, text in {"0": '{"state": "done"}', "1": '{"state": "failed"}', "2": '{"state": 3}'}.items():
        (sweep / f"{name}.json").write_text(text)
    found = status([str(tmp_path / "demo")])
    assert found.sweep is not None
    assert next(found.sweep.lines()).startswith(f"sweep {sweep}: 2 of 1000000000000 jobs ended, 1 failed")
    assert len(found.faults) == 1


def test_a_sweep_notes_its_jobs_ahead(call: Callable[..., int], tmp_path: Path) -> None:
    assert call(tmp_path / "out", "seed=0,1", "stages=[prepare]", "name=mine", "-m") == 0
    [path] = (tmp_path / "out/sweep").glob(f"*/{JOBS}")
    noted = json.loads(path.read_text())
    assert (noted["jobs"], noted["overrides"], noted["names"]) == (2, ["seed=0", "seed=1"], ["../../mine"])
    assert told(tmp_path / "out/mine")[0].endswith("2 of 2 jobs ended")
