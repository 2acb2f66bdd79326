"""What of the machine is free to be used."""

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

_GLANCE = 0.3  # seconds of looking at how busy the machine is
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_ALLOTTED = ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK")  # what launchers tell a job that shares a machine


def idle_cores() -> int:
    """Cores that have nothing to do, of those this process may use: more threads than that slow a step down.

    A launcher that runs jobs side by side allots some to each, whether idle or not. Of a container's share of a core,
    what is less than a whole one doesn't count: threads that wait for it hold up the others.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = max(1, int(min(allowed, quota())))
    allotted = [int(value) for name in _ALLOTTED if (value := os.environ.get(name, "")).isdigit() and int(value)]
    if allotted:
        return min(allowed, *allotted)
    before = _idle_seconds()
    time.sleep(_GLANCE)
    return min(allowed, max(1, round((_idle_seconds() - before) / _GLANCE))) if before else allowed


def quota() -> float:
    """How many cores' time this process's control groups have between them, as a container's limit sets it.

    Of a group's and all those above it, the least; infinite where none is set. Read are cpu.max of version 2, and
    cpu.cfs_quota_us and cpu.cfs_period_us of version 1.
    """
    return min((_share(group) for group in _groups()), default=math.inf)


def _groups() -> Iterator[Path]:
    """The folders of the groups that this process is in, and of those above them, as far as they are to be seen."""
    for line in _read(_MEMBERSHIP).splitlines():
        _, controllers, name = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            inside = Path(name.lstrip("/"))
            for place in (inside, *inside.parents):  # in a container the first may be the machine's name for it
                yield _CGROUPS / controllers / place


def _share(group: Path) -> float:
    """The cores' time of one group; infinite if it has no limit."""
    words = _read(group / "cpu.max").split()
    if not words:
        words = [_read(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    if len(words) != 2 or not all(word.isdigit() for word in words) or not int(words[1]):
        return math.inf
    limit, period = map(int, words)
    return limit / period


def _read(path: Path) -> str:
    """What a file of the system says; nothing if there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _idle_seconds() -> float:
    """How long the machine's cores have idled, added up; 0 where the system doesn't tell."""
    fields = _read(Path("/proc/stat")).partition("\n")[0].split()
    return int(fields[4]) / os.sysconf("SC_CLK_TCK") if fields else 0.0
