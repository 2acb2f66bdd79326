"""How many cores a run may take."""

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
