"""How many cores a run may take."""

import math
from pathlib import Path

import pytest

from motion_inversion import machine


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"])
def test_a_job_takes_no_more_cores_than_its_launcher_allots(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for each in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "3")
    assert machine.idle_cores() == 3
    monkeypatch.setenv(name, "20")
    assert machine.idle_cores() == 8


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where control groups are, of a process in /pod/job of both versions; eight cores, and no launcher."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for each in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.setenv(each, "8")
    (tmp_path / "membership").write_text("3:cpuset:/pod/job\n2:cpu,cpuacct:/pod/job\n0::/pod/job\n")
    return tmp_path / "groups"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"cpu.{name}").write_text(content)


@pytest.mark.parametrize(("limit", "cores"), [("max 100000\n", 8), ("300000 100000\n", 3), ("50000 100000\n", 1)])
def test_a_containers_limit_counts(groups: Path, limit: str, cores: int):
    write(groups / "pod/job", max=limit)
    assert machine.idle_cores() == cores


def test_less_than_a_whole_core_does_not_count(groups: Path):
    write(groups / "pod/job", max="250000 100000\n")
    assert machine.quota() == 2.5
    assert machine.idle_cores() == 2


def test_the_least_limit_of_all_groups_above_counts(groups: Path):
    write(groups / "pod/job", max="600000 100000\n")
    write(groups / "pod", max="max 100000\n")
    write(groups, max="400000 200000\n")
    assert machine.idle_cores() == 2


@pytest.mark.parametrize(("allowed", "cores"), [("-1\n", 8), ("200000\n", 4)])
def test_the_first_versions_limit_counts(groups: Path, allowed: str, cores: int):
    write(groups / "cpu,cpuacct/pod", cfs_quota_us=allowed, cfs_period_us="50000\n")
    assert machine.idle_cores() == cores


def test_limits_of_other_groups_do_not(groups: Path):
    write(groups / "other", max="100000 100000\n")
    write(groups / "cpuset/pod/job", cfs_quota_us="50000\n", cfs_period_us="50000\n")
    assert machine.quota() == math.inf


@pytest.mark.parametrize("limit", ["", "none\n", "100000 0\n", "100000\n"])
def test_what_no_kernel_writes_is_no_limit(groups: Path, limit: str):
    write(groups / "pod/job", max=limit)
    assert machine.quota() == math.inf


def test_without_control_groups_there_is_no_limit(groups: Path):
    machine._MEMBERSHIP.unlink()
    assert machine.idle_cores() == 8
