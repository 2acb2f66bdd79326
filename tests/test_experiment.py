"""The whole pipeline on a random model: what a run leaves, and what a repeated or a changed one does."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.method.control_a_video.detector import Canny
from motion_inversion.method.control_a_video.method import ControlAVideo
from motion_inversion.method.tokenflow.method import TokenFlow
from motion_inversion.method.training.module import MotionLearning
from motion_inversion.storage.names import COST
from results import STATE, assert_same_training, only

Compose = Callable[..., Experiment]


def files(output: Path) -> dict[str, int]:
    """Every file below the stages with the time of its last change."""
    found = (path for path in output.glob("*/*/**/*") if path.is_file() and "report" not in path.parts)
    return {path.relative_to(output).as_posix(): path.stat().st_mtime_ns for path in found}


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(*inputs: object) -> Tensor:
        raise AssertionError("the model was asked for a prediction")

    monkeypatch.setattr(Backbone, "predict", predict)


def test_a_run_leaves_every_result_and_no_workplace(finished: Path):
    root = finished / "motion_inversion"
    kinds = {
        "odd_path/prepare/reference-*": {"video.mkv", "video.mp4", "tensors.safetensors"},
        "odd_path/prepare/inversion-*": {"tensors.safetensors"},
        "odd_path/train/motion_inversion-*": {STATE, "loss.csv", "cost.json"},
        "odd_path/generate/*-red-star-*": {"video.mkv", "video.mp4", "strip.png", "cost.json", "together.txt"},
        "odd_path/generate/*-white-square-*": {"video.mkv", "video.mp4", "strip.png", "cost.json", "together.txt"},
        "odd_path/evaluate/*-red-star-*": {"score.json"},
        "odd_path/evaluate/*-white-square-*": {"score.json"},
        "odd_path/evaluate/source-*": {"score.json"},
    }
    for pattern, names in kinds.items():
        sealed = {path.name for path in only(finished, pattern).iterdir() if path.suffix != ".ckpt"}
        assert sealed == {"manifest.json", *names}
    assert len(list(root.glob("text/*/tensors.safetensors"))) == 4  # two targets, the source, and nothing
    report = {path.name for path in (root / "report").iterdir()}
    assert report >= {"records.jsonl", "table.csv", "table.md", "table.tex", "comparison-odd_path.png", "report.html"}
    rows = (only(finished, "odd_path/train/*/loss.csv")).read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["step", "1", "2", "3", "4"]
    assert not list(finished.rglob("*.part"))


def test_a_second_run_does_nothing(compose: Compose, output: Path, monkeypatch: pytest.MonkeyPatch):
    before = files(output)
    forbid(monkeypatch)
    compose(output).run()
    assert files(output) == before


def test_another_loss_reuses_the_preparation(compose: Compose, output: Path, monkeypatch: pytest.MonkeyPatch):
    before = files(output)
    monkeypatch.setattr(Backbone, "encode", None)  # nothing is encoded again
    compose(output, "loss=mse", "stages=[prepare,train]").run()
    after = files(output)
    assert after.items() >= before.items()
    new = {Path(name).parts[2] for name in after.keys() - before.keys()}
    assert new == {"train"}
    first, second = (path.read_bytes() for path in output.glob(f"*/odd_path/train/*/{STATE}"))
    assert first != second


def test_another_strategy_reuses_the_training(compose: Compose, output: Path, monkeypatch: pytest.MonkeyPatch):
    before = files(output)
    monkeypatch.setattr(MotionLearning, "training_step", None)
    compose(output, "strategy=drop", "stages=[prepare,train,generate]").run()
    new = {Path(name).parts[2] for name in files(output).keys() - before.keys()}
    assert new == {"generate"}


def test_equal_seeds_give_equal_files(compose: Compose, finished: Path, tmp_path: Path):
    compose(tmp_path, "stages=[prepare,train,generate]").run()
    assert_same_training(tmp_path, finished)
    # Seconds and memory differ.
    same = [path for path in tmp_path.glob("*/*/**/*") if path.is_file() and path.name != COST]
    made = [path for path in same if "train" not in path.parts]
    assert sum(path.name == "video.mkv" for path in made) == 3
    for path in made:
        assert path.read_bytes() == (finished / path.relative_to(tmp_path)).read_bytes(), path


def test_another_seed_of_the_samples_gives_other_clips(compose: Compose, output: Path):
    compose(output, "dataset.seeds=[1]", "stages=[prepare,train,generate]").run()
    videos = [path.read_bytes() for path in output.glob("*/odd_path/generate/*-red-star-*/video.mkv")]
    assert len(set(videos)) == 2


def test_an_altered_artifact_is_refused_in_one_line(
    call: Callable[..., int], output: Path, capsys: pytest.CaptureFixture[str]
):
    state = only(output, f"odd_path/train/*/{STATE}")
    state.write_bytes(state.read_bytes() + b" ")
    assert call(output) == 2
    [message] = [row for row in capsys.readouterr().err.splitlines() if "error" in row]
    assert f"{state} was changed after it was made" in message
    assert f"delete {state.parent}" in message


def test_an_output_that_is_no_folder_is_refused_in_one_line(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    assert call(tmp_path / "file") == 2
    [message] = [row for row in capsys.readouterr().err.splitlines() if "error" in row]
    assert "can't be a folder" in message and "set output=" in message


def test_nothing_is_written_by_a_link_that_leads_out_of_output(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for folder in ("elsewhere", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    assert call(tmp_path / "out", "name=link/x") == 2
    [message] = [row for row in capsys.readouterr().err.splitlines() if "error" in row]
    assert f"name=link/x leads out of output={tmp_path / 'out'} by the link {tmp_path / 'out/link'}" in message
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_what_an_inversion_loses_is_said_if_it_is_asked_for(
    compose: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level("INFO", "motion_inversion"):
        for words in (["frozen=true"], [], ["noise=random"]):  # made anew, there, and needed for this alone
            compose(tmp_path, "inversion.measure=true", "stages=[prepare]", *words).run()
    lines = [record.message for record in caplog.records if "sampled back" in record.message]
    assert re.fullmatch(r"odd_path: inverted and .* off by [\d.]+ % of their deviation and keep \d+ % .*", lines[0])
    assert lines == lines[:1] * 3


def test_a_stage_whose_input_is_missing_names_the_stage_before(compose: Compose, tmp_path: Path):
    with pytest.raises(InputError, match=r"is missing: run the prepare stage first, .*stages=\[prepare\]"):
        compose(tmp_path, "stages=[train]").run()


def test_the_frozen_model_starts_from_the_same_noise(compose: Compose, output: Path):
    """The frozen model passes through the stages without a training, beside the method's results."""
    compose(output, "method=none").run()
    assert len(list(output.glob("*/odd_path/evaluate/none-*/score.json"))) == 2
    table = only(output, "report/table.csv").read_text()
    assert "none" in table and "motion_inversion" in table


def test_a_model_that_the_method_cannot_run_on_is_refused_before_anything_is_made(
    compose: Compose, tiny_image_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    part = Backbone.part

    def weightless(model: Backbone, name: str) -> Any:
        assert name == "scheduler", f"{name} was read"
        return part(model, name)

    monkeypatch.setattr(Backbone, "part", weightless)
    plain = Path(shutil.copytree(tiny_image_model, tmp_path / "plain"))
    shutil.rmtree(plain / "controlnet")
    video = compose(tmp_path / "output")
    image = replace(video, model=Model("tiny", str(plain), UNet2D(), 4, 64, 64, device="cpu"))
    refused = [
        (image, r"method=motion_inversion needs a model with motion sites; tiny has .*; set model=shapes"),
        (
            replace(video, method=TokenFlow(2, 2, batch=2)),
            r"method=tokenflow needs a model with frames on their own; shapes has .*; set model=shapes_image",
        ),
        (
            replace(image, method=TokenFlow(2, 2, batch=8)),
            r"model\.frames=4: accepted are multiples of method\.batch=8",
        ),
        (replace(image, method=ControlAVideo(Canny())), r"model=tiny has no ControlNet; give"),
    ]
    for experiment, message in refused:
        with pytest.raises(InputError, match=message):
            experiment.run()
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages=[prepare,trian]", "accepted are prepare, train, generate, evaluate, report"),
        ("stages=[]", "accepted are prepare, train"),
        ("batch=0", "set batch=1"),
    ],
)
def test_bad_values_of_the_experiment_are_refused(compose: Compose, tmp_path: Path, override: str, message: str):
    with pytest.raises(InputError, match=message):
        compose(tmp_path, override)


def test_a_record_holds_what_the_sample_took_and_came_from(finished: Path):
    score = only(finished, "odd_path/evaluate/*-red-star-*/score.json")
    record = json.loads(score.read_text())
    assert record["frames"] == 4
    for stage in ("training", "sampling", "evaluation"):
        assert record["cost"][stage]["seconds"] > 0
        assert record["cost"][stage]["memory"] > 1  # MiB
    state = load_file(only(finished, f"odd_path/train/*/{STATE}"))
    assert record["cost"]["training"]["parameters"] == sum(tensor.numel() for tensor in state.values())
    assert record["cost"]["training"]["size"] == only(finished, f"odd_path/train/*/{STATE}").stat().st_size
    video = score.parent / record["video"]
    assert record["checksums"]["video"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert len(record["checksums"]["model"]) > 8 and len(record["checksums"]["footage"]) == 64
    assert torch.__version__.startswith(record["environment"]["torch"])
    assert record["environment"]["motion-inversion"]


def test_the_frozen_model_is_made_along_and_shared(compose: Compose, output: Path):
    compose(output, "frozen=true", "stages=[prepare,generate,evaluate]").run()
    assert len(list(output.glob("*/odd_path/evaluate/none-*/score.json"))) == 2
    before = files(output)
    compose(output, "method=none", "stages=[prepare,generate,evaluate]").run()
    assert files(output) == before


def test_a_tracker_gets_the_scores_of_what_it_saw_trained(compose: Compose, tmp_path: Path):
    pytest.importorskip("tensorboard", reason="needs pip install 'motion-inversion[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # what is scored already is not sent again
        compose(tmp_path, "logger=tensorboard", "trainer.log_every_n_steps=1", "frozen=true").run()
    events, scores = (
        EventAccumulator(str(only(tmp_path, f"odd_path/train/*/{place}")))
        for place in ("tensorboard", "scores-*/tensorboard")
    )
    events.Reload()
    scores.Reload()
    [sent] = scores.Scalars("score/motion_fidelity")
    own = [json.loads(path.read_text()) for path in tmp_path.rglob("evaluate/motion_inversion-*/score.json")]
    assert sent.value == pytest.approx(fmean(score["metrics"]["motion_fidelity"]["value"] for score in own))
    assert events.Scalars("loss")


def test_weights_and_biases_gets_a_run_of_the_scores(compose: Compose, tmp_path: Path):
    for _ in range(2):
        compose(tmp_path, "logger=wandb").run()
    only(tmp_path, "odd_path/train/*/wandb/offline-run-*")
    only(tmp_path, "odd_path/train/*/scores-*/wandb/offline-run-*")


def test_a_report_has_the_threads_of_its_experiment(compose: Compose, tmp_path: Path) -> None:
    report = compose(tmp_path, "threads=1", "stages=[report]").summary()
    assert report is not None
    assert report.threads == 1
    for other in ("+report.threads=2", "+report.source=[elsewhere]"):
        with pytest.raises(InputError, match=r"is this experiment's own: drop it; threads=2 sets"):
            compose(tmp_path, other)
