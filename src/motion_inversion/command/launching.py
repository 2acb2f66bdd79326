"""The launch of a sweep's jobs: what stops those that run elsewhere, and what becomes of a failure."""

import functools
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from motion_inversion.error import InputError
from motion_inversion.job import Stopping, stopped_by
from motion_inversion.sweep import JobError, LaunchError

_ASIDE = ("JoblibLauncher", "RayLauncher")  # whose jobs are other processes, which end with the command
_RAY = "RayLauncher"
_STORE = 78_643_200  # bytes that a Ray of the command's own shares among its processes; no job puts anything there
_PATIENCE = 10.0  # seconds for an answer

# Our launchers have the names of their packages' own, which Hydra checks ours against: in each process anew.
warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
# Ray reads these when it is imported: each line of a job is printed once, in its place, without colours.
os.environ |= {"RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0"}


def runs_aside(settings: Any) -> bool:
    """Whether Hydra's settings choose a launcher whose jobs the command stops by a file in the sweep's folder."""
    return str(settings.launcher._target_).rpartition(".")[2] in _ASIDE


@contextmanager
def launching(stopping: Stopping) -> Iterator[None]:
    """In the block, whichever launcher Hydra calls passes on what stops the command, and tells failures apart.

    Raises, from the launcher's call:
        JobError: a job failed.
        LaunchError: the launcher itself did.
        InputError: for what no machine of Ray's can ever run.
    """
    kinds: Any = Plugins.instance().discover(Launcher)
    before = {kind: kind.launch for kind in kinds}
    for kind, launch in before.items():
        kind.launch = _heeding(launch, stopping)
    try:
        yield
    finally:
        for kind, launch in before.items():
            kind.launch = launch
        if ray := sys.modules.get("ray"):  # whose jobs' last lines would come after what is said next
            ray.shutdown()


class _Failed(JobReturn):
    """What a job that failed gives: Hydra's own would print it once more."""

    @property
    def return_value(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] (it is read alone)
        error = self._return_value
        raise JobError(" ".join(f"{type(error).__name__}: {error}".split())) from error


def _heeding(launch: Callable[..., Sequence[JobReturn]], stopping: Stopping) -> Callable[..., Sequence[JobReturn]]:
    @functools.wraps(launch)
    def heeding(self: Any, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        kind = type(self).__name__
        try:
            if kind == _RAY:
                begin_ray(self.ray_cfg)
            with stopping.commanded() if kind in _ASIDE else nullcontext():
                returns = launch(self, job_overrides, initial_job_idx)
        except InputError:
            raise
        except Exception as error:
            raise LaunchError("hydra/launcher") from error
        return [_Failed(**vars(each)) if each.status is JobStatus.FAILED else each for each in returns]

    return heeding


def begin_ray(settings: DictConfig) -> None:
    """Joins or starts a Ray, unless this process has. Raises InputError if no machine of it can run the jobs."""
    import ray  # takes a second

    if not ray.is_initialized():
        init: Any = OmegaConf.to_container(settings.init, resolve=True)
        _require_host(str(init.get("address")))
        own = init.get("address") in (None, "local") and "RAY_ADDRESS" not in os.environ
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**({"object_store_memory": _STORE} if own else {}) | init)
        except SystemExit as stop:
            if stopped_by(stop):
                raise
            raise SystemExit(128 + signal.SIGTERM) from stop  # a handler that Ray has put there has a code of its own
        finally:
            signal.signal(signal.SIGTERM, before)
    wanted: Any = OmegaConf.to_container(settings.remote, resolve=True)
    asked = {"CPU": wanted.get("num_cpus"), "GPU": wanted.get("num_gpus"), "memory": wanted.get("memory")}
    asked |= wanted.get("resources") or {}
    needs = {name: count for name, count in asked.items() if count}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(machine.get(name, 0) >= count for name, count in needs.items()) for machine in machines):
        return
    best = {name: max((machine.get(name, 0) for machine in machines), default=0) for name in needs}
    told = ", ".join(f"{name} {count:g} (at most {best[name]:g})" for name, count in needs.items())
    raise InputError(
        f"no machine of this Ray can run a job that needs {told}; lower num_cpus, num_gpus, memory or resources "
        "of hydra.launcher.ray.remote, as in hydra.launcher.ray.remote.num_gpus=0"
    )


def _require_host(address: str) -> None:
    """Raises InputError for HOST:PORT that nobody answers at: Ray would try for minutes."""
    host, port = address.rpartition(":")[::2]
    if "/" in host or not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError, ValueError) as error:
        where = "hydra.launcher.ray.init.address"
        raise InputError(
            f"{where}={address}: no Ray answers there ({error}); set {where}=auto for the cluster that this machine "
            "belongs to, or drop it for a Ray of the command's own"
        ) from error
