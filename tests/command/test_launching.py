"""What no launcher can run with is refused before a sweep begins."""

import sys
from contextlib import nullcontext
from types import ModuleType

import pytest
from omegaconf import OmegaConf

from motion_inversion.command.launcher import check_chosen, check_launching
from motion_inversion.command.launching import begin_ray
from motion_inversion.error import InputError


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"n_jobs": 0},
            r"hydra.launcher.n_jobs=0: accepted are numbers from 1 to 4096, and -1 .* set hydra.launcher.n_jobs=1",
        ),
        ({"n_jobs": -5}, "n_jobs=-5: accepted"),
        ({"n_jobs": 1_000_000}, "n_jobs=1000000: accepted"),
        ({"timeout_min": -1}, "timeout_min=-1: accepted are numbers from 1 on; set hydra.launcher.timeout_min=1"),
        ({"ray": {"remote": {"num_cpus": -1}}}, "hydra.launcher.ray.remote.num_cpus=-1: accepted are numbers from 0"),
        ({"nodes": True}, "nodes=True: accepted"),
        ({"n_jobs": [1, 2]}, r"n_jobs=\[1, 2\]: accepted"),
        ({"backend": "nix"}, "hydra.launcher.backend=nix: accepted: loky; set hydra.launcher.backend=loky"),
        ({"mem_gb": float("nan")}, "mem_gb=nan: accepted"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_launching(settings, "hydra.launcher")


def test_what_the_plugins_mean_by_default_passes() -> None:
    ray = {"remote": {"num_cpus": 1, "num_gpus": 0.5, "max_retries": -1}}
    check_launching(
        {"n_jobs": -1, "gpus_per_node": None, "mem_gb": "${other}", "verbose": -3, "ray": ray}, "hydra.launcher"
    )


@pytest.mark.parametrize("library", ["joblib", "submitit", "optuna", "ray"])
def test_a_plugin_whose_library_is_broken_is_told(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    part = "sweeper" if library == "optuna" else "launcher"
    module = f"hydra_plugins.hydra_{library}_{part}.{library}_{part}"
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    monkeypatch.setitem(sys.modules, library, None)  # pyright: ignore[reportArgumentType]
    chosen = {"runtime": {"choices": {f"hydra/{part}": "mine"}}, part: {"_target_": f"{module}.It"}}
    with pytest.raises(InputError, match=rf"hydra/{part}=mine needs .*: pip install 'motion-inversion\[{library}\]'"):
        check_chosen(OmegaConf.create(chosen), part)


def test_a_ray_that_is_nowhere_is_told_at_once() -> None:
    pytest.importorskip("ray", reason="needs pip install 'motion-inversion[ray]'")
    settings = OmegaConf.create({"init": {"address": "nowhere.invalid:1"}, "remote": {}})
    with pytest.raises(InputError, match="ray.init.address=nowhere.invalid:1: no Ray answers there"):
        begin_ray(settings)


def machines(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="needs pip install 'motion-inversion[ray]'")
    found = [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": each} for each in found])


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"num_cpus": 1, "num_gpus": 5}, r"needs CPU 1 \(at most 64\), GPU 5 \(at most 1\); lower"),
        ({"num_cpus": 64, "num_gpus": 1}, "no machine of this Ray can run a job"),  # of one machine alone
        ({"resources": {"tpu": 1}}, r"tpu 1 \(at most 0\)"),
        ({"num_cpus": 64}, None),
        ({"num_cpus": 8, "num_gpus": 0.5}, None),
        ({}, None),
    ],
)
def test_a_job_that_no_machine_of_ray_can_run(
    monkeypatch: pytest.MonkeyPatch, wanted: dict[str, object], told: str | None
) -> None:
    machines(monkeypatch)
    with pytest.raises(InputError, match=told) if told else nullcontext():
        begin_ray(OmegaConf.create({"init": {}, "remote": wanted}))
