"""Seconds and memory, noted beside what they were spent on."""

import json
from pathlib import Path

import pytest

from motion_inversion.stage import cost as module
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.cost import Cost, Meter, metered, read_cost, write_cost
from motion_inversion.storage.names import COST, MANIFEST


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows its last entry."""
    times = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: times[-1])
    return times


def test_time_is_shared_among_what_was_made_at_once(clock: list[float]):
    meter = Meter("cpu")
    clock.append(6.0)
    assert meter.read()["seconds"] == 6
    assert meter.read(among=4)["seconds"] == 1.5
    memory = meter.read()["memory"]
    assert memory is not None and 10 < memory < 10**6  # Python alone takes more than 10 MiB


def test_an_interrupted_work_costs_what_all_its_parts_cost(clock: list[float], tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), metered(tmp_path, "cpu"):
        clock.append(2.0)
        raise KeyboardInterrupt
    with metered(tmp_path, "cpu"):
        clock.append(5.0)
    found = read_cost(tmp_path)
    assert found is not None and found["seconds"] == 5


def test_what_a_fit_made_is_noted_once_it_is_made(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), metered(tmp_path, "cpu"):
        raise KeyboardInterrupt
    cut = read_cost(tmp_path)
    assert cut is not None and not {"parameters", "size"} & cut.keys()
    with metered(tmp_path, "cpu") as fitted:
        fitted["parameters"] = 12
        fitted["size"] = 100
    found = read_cost(tmp_path)
    assert found is not None and (found.get("parameters"), found.get("size")) == (12, 100)


def test_the_highest_peak_of_the_parts_counts(clock: list[float], tmp_path: Path):
    write_cost(tmp_path, Cost(seconds=1.0, memory=1e9, device="a"))
    with metered(tmp_path, "cpu"):
        clock.append(1.0)
    found = read_cost(tmp_path)
    assert found is not None and (found["seconds"], found["memory"]) == (2, 1e9)


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_a_cost_that_is_lost_is_none(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / COST).write_text(content)
    assert read_cost(tmp_path) is None


def test_a_cost_is_no_part_of_what_an_artifact_is(tmp_path: Path):
    artifact = Artifact(tmp_path, "thing", {"seed": 1})
    with artifact.making("a.txt") as folder:
        assert folder
        (folder / "a.txt").write_text("a")
        write_cost(folder, Cost(seconds=1.0, memory=None, device="a"))
    assert list(json.loads((artifact.folder / MANIFEST).read_text())["files"]) == ["a.txt"]
    (artifact.folder / COST).unlink()
    assert artifact.exists()
