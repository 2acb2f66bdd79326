"""What of the machine is free to be used."""

import os
import time
from pathlib import Path

_GLANCE = 0.3  # seconds of looking at how busy the machine is
_ALLOTTED = ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK")  # what launchers tell a job that shares a machine


def idle_cores() -> int:
    """Cores that have nothing to do, of those this process may use: more threads than that slow a step down.

    A launcher that runs jobs side by side allots some to each, whether idle or not.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allotted = [int(value) for name in _ALLOTTED if (value := os.environ.get(name, "")).isdigit() and int(value)]
    if allotted:
        return min(allowed, *allotted)
    before = _idle_seconds()
    time.sleep(_GLANCE)
    return min(allowed, max(1, round((_idle_seconds() - before) / _GLANCE))) if before else allowed


def _idle_seconds() -> float:
    """How long the machine's cores have idled, added up; 0 where the system doesn't tell."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return 0.0
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")
