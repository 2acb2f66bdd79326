"""The same sweep by every launcher: equal results, wherever its jobs run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.singleton import Singleton

from dying import files
from motion_inversion.backbone import device
from motion_inversion.command.conf_files import FileConfigSource, check_files
from motion_inversion.storage.names import COST, LOSSES, MANIFEST
from results import STATE

ROOT = Path(__file__).parents[1]
_PLUGINS = {"joblib": "hydra_joblib_launcher", "submitit": "hydra_submitit_launcher", "ray": "hydra_ray_launcher"}


def _require(launcher: str) -> None:
    try:
        found = find_spec(f"hydra_plugins.{_PLUGINS[launcher]}")
    except ModuleNotFoundError:
        found = None
    if not found:
        pytest.skip(f"needs pip install 'motion-inversion[{launcher}]'")
    if launcher == "submitit":
        _require_slurm()


def _require_slurm() -> None:
    answer = shutil.which("sinfo") and subprocess.run(["sinfo", "-h"], capture_output=True, text=True, check=False)
    if not answer or not answer.stdout:
        pytest.skip("needs a Slurm that answers: scripts/slurm_node.sh starts one")


def _environment() -> dict[str, str]:
    paths = [str(ROOT / "src"), *sys.path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}


def _run(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "motion_inversion", *words]
    return subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)


def _states(output: Path) -> dict[str, bytes]:
    return {name: content for name, content in files(output / "motion_inversion").items() if name.endswith(STATE)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "launcher",
    ["joblib", pytest.param("submitit", marks=pytest.mark.slurm), pytest.param("ray", marks=pytest.mark.ray)],
)
def test_a_sweep_makes_the_same_and_tells_its_failures(
    small: Callable[..., list[str]], finished: Path, tmp_path: Path, launcher: str
):
    _require(launcher)
    # The first job has the settings of `finished`; what the second refuses shows when it runs.
    words = [*small(), f"output={tmp_path / 'output'}", "stages=[prepare,train]"]
    rate = yaml.safe_load((ROOT / "conf/optimizer/adamw.yaml").read_text())["lr"]
    done = _run(tmp_path, ["-m", *words, f"hydra/launcher={launcher}", f"method.optimizer.lr={rate},1e6"])
    assert done.returncode == 2, done.stderr
    first, second = done.stderr.splitlines()[-2:]
    assert first.endswith("error: 1 of 2 jobs failed; repeat the command to make what is missing:")
    assert "job 2: method.optimizer.lr=1000000.0: " in second
    log = Path(second.rpartition("log: ")[2])
    assert "lower method.optimizer.lr" in log.read_text()
    assert _states(tmp_path / "output") == _states(finished)


def test_a_launcher_that_is_not_installed_names_its_extra(
    call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    target = "hydra_plugins.hydra_submitit_launcher.submitit_launcher"
    monkeypatch.setitem(sys.modules, target, None)  # pyright: ignore[reportArgumentType]
    assert call(tmp_path, "hydra/launcher=submitit", "loss=mse,vmc", "-m") == 2
    assert "pip install 'motion-inversion[submitit]'" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("launcher", ["joblib", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_stop_reaches_the_jobs_which_save_their_step_and_go_on_from_it(
    small: Callable[..., list[str]], tmp_path: Path, launcher: str
):
    _require(launcher)
    words = [*small(), "trainer.max_steps=200", "method.checkpoint_every=1000", "stages=[prepare,train]", "seed=0,1"]
    command = [sys.executable, "-m", "motion_inversion", "-m", *words, f"hydra/launcher={launcher}", "output=output"]
    process = subprocess.Popen(command, cwd=tmp_path, env=_environment(), stderr=subprocess.PIPE, text=True)
    trained = f"output/*/*/train/*.part/{LOSSES}"
    _wait(lambda: process.poll() is not None or any(p.read_text().count("\n") > 3 for p in tmp_path.glob(trained)))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 143, told
    assert told.splitlines()[-1] == "motion-inversion: stopped by SIGTERM; repeat the command to resume"
    saved = [path.name for path in tmp_path.glob("output/*/*/train/*.part/step*.ckpt")]
    logs = "".join(path.read_text() for path in tmp_path.glob("output/sweep/*/*.log"))
    assert len(saved) == logs.count("is saved after SIGTERM") > 0
    again = _run(tmp_path, command[3:])
    assert again.returncode == 0, again.stderr
    assert all(f"{name}\n" in again.stderr for name in saved), again.stderr  # resuming at step … from …


def test_a_process_of_a_launcher_reads_files_as_the_command_does():
    check_files()
    Singleton.set_state(Singleton.get_state())  # which registers Hydra's plug-ins again
    assert SourcesRegistry.instance().resolve("file") is FileConfigSource


@pytest.mark.slurm
@pytest.mark.timeout(600)
def test_a_slurm_job_that_is_requeued_ends_as_if_it_had_not_been(small: Callable[..., list[str]], tmp_path: Path):
    _require_slurm()
    words = [*small(), "trainer.max_steps=60", "method.checkpoint_every=7", "stages=[prepare,train]"]
    assert _run(tmp_path, [*words, f"output={tmp_path / 'whole'}"]).returncode == 0
    command = [sys.executable, "-m", "motion_inversion", *words, f"output={tmp_path / 'output'}"]
    script = tmp_path / "job.sh"
    quoted = " ".join(f"'{word}'" for word in command)
    # As docs/cluster.md has it: what was told to stop by USR1 asks to be started again.
    script.write_text(f'#!/bin/bash\nsrun {quoted}\n[ $? -eq 138 ] && scontrol requeue "$SLURM_JOB_ID"\ntrue\n')
    asked = ["sbatch", "--parsable", "--requeue", "--open-mode=append", f"--output={tmp_path / 'log'}", str(script)]
    submitted = subprocess.run(asked, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=True)
    job = submitted.stdout.strip()
    _wait(lambda: any(path.read_text().count("\n") > 3 for path in tmp_path.glob(f"output/*/*/train/*.part/{LOSSES}")))
    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    _wait(lambda: "resuming at step" in (tmp_path / "log").read_text())
    subprocess.run(["scontrol", "requeue", job], check=False)  # as a preemption does, unless it has ended by now
    _wait(lambda: list(tmp_path.glob(f"output/*/*/train/*/{MANIFEST}")) and not _queued(job))
    assert "stopped by SIGUSR1" in (tmp_path / "log").read_text()
    apart = ("step*.ckpt", COST, "plan*.json")
    ours, whole = files(tmp_path / "output", *apart), files(tmp_path / "whole", *apart)
    assert {name: content for name, content in ours.items() if "/train/" in name} == {
        name: content for name, content in whole.items() if "/train/" in name
    }
    assert not [name for name in ours if "hpc" in name or "lightning" in name]


def _queued(job: str) -> bool:
    listed = subprocess.run(["squeue", "-h", "-j", job], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())


def _wait(until: Callable[[], Any]) -> None:
    for _ in range(1500):
        if until():
            return
        time.sleep(0.2)
    raise AssertionError("it took too long")


def test_of_several_gpus_each_process_takes_one_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    taken: list[dict[int, Any]] = []
    found: list[str] = []
    for _ in range(4):  # as four processes would
        taken.append({})
        monkeypatch.setattr(device, "_TAKEN", taken[-1])
        found.append(str(device.device_of("auto")))
        assert str(device.device_of("auto")) == found[-1]  # a process keeps its own
    assert found == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    taken[1][1].release()  # the second process ends
    monkeypatch.setattr(device, "_TAKEN", {})
    assert str(device.device_of("auto")) == "cuda:1"
