"""Numbers that no launcher can run with are refused before a sweep begins."""

import pytest

from motion_inversion.command.launcher import check_launching
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
        ({"mem_gb": float("nan")}, "mem_gb=nan: accepted"),
    ],
)
def test_a_number_out_of_range_is_named(settings: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_launching(settings, "hydra.launcher")


def test_what_the_plugins_mean_by_default_passes() -> None:
    ray = {"remote": {"num_cpus": 1, "num_gpus": 0.5, "max_retries": -1}}
    check_launching(
        {"n_jobs": -1, "gpus_per_node": None, "mem_gb": "${other}", "verbose": -3, "ray": ray}, "hydra.launcher"
    )
