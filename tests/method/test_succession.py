"""Methods one after the other on one loaded model, and states in another process."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.sampler import OdeInversion
from motion_inversion.method.control_a_video.detector import Canny
from motion_inversion.method.control_a_video.method import ControlAVideo
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.motion_director import MotionDirector
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.motion_inversion_hybrid import MotionInversionHybrid
from motion_inversion.method.tokenflow.method import TokenFlow
from motion_inversion.method.tokenflow.sdedit import TokenFlowSdedit
from motion_inversion.method.tune_a_video.method import TuneAVideo
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


@pytest.fixture
def assert_independent(
    reference: Reference, fitting: Callable[..., Fitting], brief: tuple[Tensor, Request], tmp_path: Path
) -> Callable[[Backbone, Sequence[Any]], None]:
    """(model, methods): a method leaves nothing to the next, and its state is all that another process needs."""

    def assert_independent(model: Backbone, methods: Sequence[Any]) -> None:
        def run(index: int, folder: str) -> tuple[bytes, Tensor]:
            """The state file after a step, and a sample."""
            work = tmp_path / folder / str(index)
            work.mkdir(parents=True)
            methods[index].fit(model, reference, replace(fitting(max_steps=1), folder=work, state=work / "state"))
            return (work / "state").read_bytes(), methods[index].sample(model, work / "state", *brief)

        first = [run(index, "first") for index in range(len(methods))]
        for index in (len(methods) // 2, 0):
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

    return assert_independent


def test_methods_on_a_video_model(
    assert_independent: Callable[..., None],
    model: Backbone,
    method: MotionInversion,
    motion_director: MotionDirector,
    vmc: Vmc,
    hybrid: MotionInversionHybrid,
):
    assert_independent(model, (method, motion_director, vmc, hybrid))


def test_methods_on_an_image_model(
    assert_independent: Callable[..., None], image_model: Backbone, tune_a_video: TuneAVideo
):
    other = replace(tune_a_video, frame_pooled_groupnorm=False, tuned_inversion=OdeInversion(1))
    flow = (TokenFlow(1, 1, batch=2), TokenFlowSdedit(1, 1, batch=2))
    assert_independent(image_model, (tune_a_video, ControlAVideo(Canny(), first_frame_steps=1), other, *flow))
