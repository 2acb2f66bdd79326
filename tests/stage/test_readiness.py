"""What is tried before anything is computed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from motion_inversion.backbone.model import Model
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.method.control_a_video.detector import Canny, Depth
from motion_inversion.method.control_a_video.method import ControlAVideo
from motion_inversion.metric.tracker.dis import Dis
from motion_inversion.stage import readiness


def nothing(*_: Any, **__: Any) -> None:
    raise InputError("no such weights; set tracker=dis")


def test_a_metric_that_cannot_be_loaded_is_refused_before_anything_is_made(
    compose: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readiness, "_LOADED", set())
    monkeypatch.setattr(Dis, "load", nothing)
    with pytest.raises(InputError, match="no such weights"):
        compose(tmp_path / "made").run()
    assert not (tmp_path / "made").exists()
    compose(tmp_path / "made", "stages=[prepare]").run()  # which needs no metric


def test_metrics_are_loaded_once_and_leave_memory_again(
    compose: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    loaded: list[torch.device | str] = []
    monkeypatch.setattr(readiness, "_LOADED", set())
    monkeypatch.setattr(Dis, "load", lambda tracker, device: loaded.append(device) or tracker)
    experiment = compose(tmp_path)
    for _ in range(2):
        model, clips = experiment.model.load(), experiment.dataset.clips()
        readiness.require_ready(experiment._address(), model, clips, ["evaluate"])
    assert loaded == ["cpu"]
    [metric] = experiment.metric.values()
    assert vars(metric)["_track"] is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["timestep=range", "method.timestep.low=0", "method.timestep.high=1001"], "this model accepts up to 1000"),
        (["loss=debiased", "method.loss.anchor=4"], "in clips of 4 frames, 0 to 3; set"),
        (["loss=vmc", "model.frames=2", "method.loss.absolute=true"], "is 0 for clips of two latent frames"),
        (["method=lora", "loss=debiased", "method.loss.anchor=4"], "in clips of 4 frames, 0 to 3; set"),
    ],
)
def test_a_loss_or_noise_levels_that_a_model_has_no_use_for_are_refused_before_anything_is_made(
    compose: Callable[..., Experiment], tmp_path: Path, words: list[str], line: str
):
    with pytest.raises(InputError, match=line):
        compose(tmp_path / "made", *words).run()
    assert not (tmp_path / "made").exists()


def test_half_precision_takes_a_gpu(compose: Callable[..., Experiment], tmp_path: Path):
    with pytest.raises(InputError, match=r"model\.dtype=float16 takes a GPU: .*; set model\.dtype=float32"):
        compose(tmp_path / "made", "model.dtype=float16", "model.device=cpu").run()
    assert not (tmp_path / "made").exists()


def test_a_detector_without_its_weights_is_refused_first(
    compose: Callable[..., Experiment], tiny_image_model: Path, tmp_path: Path
):
    (tmp_path / "empty").mkdir()
    image = Model("tiny", str(tiny_image_model), UNet2D(controlnet="depth"), 4, 64, 64, device="cpu")
    method = ControlAVideo(Depth(str(tmp_path / "empty")))
    experiment = replace(compose(tmp_path / "made", "method=none"), model=image, method=method)
    with pytest.raises(InputError, match=r"^method\.detector\.path=.* is no DPT network"):
        experiment.run()
    with pytest.raises(InputError, match=r"the ControlNet follows depth .*, the detector finds canny"):
        replace(experiment, method=ControlAVideo(Canny())).run()
    assert not (tmp_path / "made").exists()
