"""Methods one after the other on one loaded model, and states in another process."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.motion_director import MotionDirector
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.motion_inversion_hybrid import MotionInversionHybrid
from motion_inversion.method.vmc import Vmc

_ELSEWHERE = """
import pickle, sys, torch
torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    config, jobs, noise, request = pickle.load(file)
model = config.load()
with open(sys.argv[2], "wb") as file:
    pickle.dump([method.sample(model, state, noise, request) for method, state in jobs], file)
"""


def test_a_method_leaves_nothing_to_the_next_and_its_state_is_all_another_process_needs(
    model: VideoModel,
    method: MotionInversion,
    motion_director: MotionDirector,
    vmc: Vmc,
    hybrid: MotionInversionHybrid,
    reference: Reference,
    fitting: Callable[..., Fitting],
    brief: tuple[Tensor, Request],
    tmp_path: Path,
):
    methods = (method, motion_director, vmc, hybrid)

    def run(index: int, folder: str) -> tuple[bytes, Tensor]:
        """The state file after a step, and a sample."""
        work = tmp_path / folder / str(index)
        work.mkdir(parents=True)
        methods[index].fit(model, reference, replace(fitting(max_steps=1), folder=work, state=work / "state"))
        return (work / "state").read_bytes(), methods[index].sample(model, work / "state", *brief)

    first = [run(index, "first") for index in (0, 1, 2, 3)]
    for index in (2, 0):
        state, sample = run(index, "again")
        assert state == first[index][0]
        assert torch.equal(sample, first[index][1])

    jobs = [(plain, tmp_path / "first" / str(index) / "state") for index, plain in enumerate(methods)]
    with (tmp_path / "jobs").open("wb") as file:
        pickle.dump((model.config, jobs, *brief), file)
    command = [sys.executable, "-c", _ELSEWHERE, str(tmp_path / "jobs"), str(tmp_path / "samples")]
    subprocess.run(command, check=True, timeout=250, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    with (tmp_path / "samples").open("rb") as file:
        elsewhere = pickle.load(file)
    assert all(torch.equal(sample, other) for (_, sample), other in zip(first, elsewhere, strict=True))
