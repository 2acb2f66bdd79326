"""The whole pipeline on a random model: what a run leaves; what repeated, changed and killed runs do."""

import logging
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import motion_inversion.__main__ as command
from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.method.module import MotionLearning
from motion_inversion.method.motion_inversion import MotionInversion

Compose = Callable[..., Experiment]

STATE = "motion_embeddings.safetensors"


@pytest.fixture(scope="session")
def finished(compose: Compose, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run through all stages. Only to be read, or copied."""
    output = tmp_path_factory.mktemp("finished")
    compose(output).run()
    return output


@pytest.fixture
def output(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished output."""
    return Path(shutil.copytree(finished, tmp_path / "output"))


@pytest.fixture
def prepared(output: Path) -> Path:
    """An output where everything after the preparation is missing."""
    for stage in ("train", "generate", "evaluate"):
        shutil.rmtree(output / "motion_inversion/odd_path" / stage)
    return output


@pytest.fixture
def call(small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """(output, *words) → the command's exit code; logging is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]

    def call(output: Path, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["motion-inversion", *small, f"output={output}", *words])
        try:
            return command.main()
        except SystemExit as stop:
            return int(stop.code or 0)

    yield call
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Lightning leaves Ctrl-C ignored after an interruption; here the process goes on."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def files(output: Path) -> dict[str, int]:
    """Every file below the stages with the time of its last change."""
    found = (path for path in output.rglob("*") if path.is_file() and "report" not in path.parts)
    return {path.relative_to(output).as_posix(): path.stat().st_mtime_ns for path in found}


def only(output: Path, pattern: str) -> Path:
    """The one path that matches, below the default experiment's folder."""
    [path] = output.glob(f"motion_inversion/{pattern}")
    return path


def assert_same_training(output: Path, other: Path) -> None:
    """Equal embeddings to the last bit, and equal losses on the way."""
    ours, theirs = (only(folder, "odd_path/train/*") for folder in (output, other))
    assert ours.name == theirs.name
    assert (ours / "loss.csv").read_text() == (theirs / "loss.csv").read_text()
    first, second = load_file(ours / STATE), load_file(theirs / STATE)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def denoise(*inputs: object) -> Tensor:
        raise AssertionError("the model was asked for a prediction")

    monkeypatch.setattr(VideoModel, "denoise", denoise)


def test_a_run_leaves_every_result_and_no_workplace(finished: Path):
    root = finished / "motion_inversion"
    kinds = {
        "odd_path/prepare/reference-*": {"video.mkv", "video.mp4", "tensors.safetensors"},
        "odd_path/prepare/inversion-*": {"tensors.safetensors"},
        "odd_path/train/motion_inversion-*": {STATE, "loss.csv"},
        "odd_path/generate/*-red-star-*": {"video.mkv", "video.mp4", "strip.png"},
        "odd_path/generate/*-white-square-*": {"video.mkv", "video.mp4", "strip.png"},
        "odd_path/evaluate/*-red-star-*": {"score.json"},
        "odd_path/evaluate/*-white-square-*": {"score.json"},
    }
    for pattern, names in kinds.items():
        assert {path.name for path in only(finished, pattern).iterdir()} == {"manifest.json", *names}
    assert len(list(root.glob("text/*/tensors.safetensors"))) == 4  # two targets, the source, and nothing
    report = {path.name for path in (root / "report").iterdir()}
    assert report == {"table.csv", "table.md", "comparison-odd_path.png"}
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
    monkeypatch.setattr(VideoModel, "encode", None)  # nothing is encoded again
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


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("index", [1, 3])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    compose: Compose, finished: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, index: int
):
    # Ahead of the first checkpoint, and one step behind it.
    step, seen = MotionLearning.training_step, []

    def interrupted(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        seen.append(int(batch["index"][0]))
        if seen == [*range(index + 1)]:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MotionLearning, "training_step", interrupted)
    experiment = compose(prepared, "stages=[prepare,train]")
    with pytest.raises(SystemExit) as stop:
        experiment.run()
    assert isinstance(stop.value.__context__, KeyboardInterrupt)
    assert only(prepared, "odd_path/train/*").suffix == ".part"
    experiment.run()
    assert seen == [*range(index + 1), *range(0 if index < 2 else 2, 4)]
    assert_same_training(prepared, finished)


def test_a_killed_training_ends_as_if_it_had_not_been(
    compose: Compose, finished: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
):
    step = MotionLearning.training_step

    def killed(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        if int(batch["index"][0]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, batch_idx)

    experiment = compose(prepared, "stages=[train]")
    with monkeypatch.context() as patch:
        patch.setattr(MotionLearning, "training_step", killed)
        child = multiprocessing.get_context("fork").Process(target=experiment.run)
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    checkpoint = torch.load(only(prepared, "odd_path/train/*.part/training/last.ckpt"), weights_only=True)
    assert checkpoint["global_step"] == 2
    experiment.run()
    assert_same_training(prepared, finished)


def test_equal_seeds_give_equal_files(compose: Compose, finished: Path, tmp_path: Path):
    compose(tmp_path, "stages=[prepare,train,generate]").run()
    assert_same_training(tmp_path, finished)
    made = [path for path in tmp_path.rglob("*") if path.is_file() and "train" not in path.parts]
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


@dataclass(frozen=True)
class _NotANumber:
    """A loss that is NaN from its fourth call on."""

    calls: list[int]

    def __call__(self, prediction: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        self.calls.append(len(self.calls))
        loss = (prediction - target).square().mean()
        return loss if len(self.calls) < 4 else loss * float("nan")


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_last_good_step(compose: Compose, prepared: Path):
    experiment = compose(prepared)
    assert isinstance(experiment.method, MotionInversion)
    diverging = replace(experiment, method=replace(experiment.method, loss=_NotANumber([])))
    with pytest.raises(InputError, match=r"^training stopped: the loss is nan at step 3; .*last.ckpt; lower"):
        diverging.run()
    [training] = prepared.glob("*/odd_path/train/*")
    assert training.suffix == ".part"
    checkpoint = torch.load(training / "training/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    assert all(tensor.isfinite().all() for tensor in checkpoint["state_dict"].values())
    assert not list(prepared.glob("*/odd_path/generate/*"))


def test_an_output_that_is_no_folder_is_refused_in_one_line(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    assert call(tmp_path / "file") == 2
    [message] = [row for row in capsys.readouterr().err.splitlines() if "error" in row]
    assert "can't write" in message and "set output=" in message


def test_a_stage_whose_input_is_missing_names_the_stage_before(compose: Compose, tmp_path: Path):
    with pytest.raises(InputError, match=r"is missing: run the prepare stage first, .*stages=\[prepare\]"):
        compose(tmp_path, "stages=[train]").run()


def test_the_frozen_model_starts_from_the_same_noise(compose: Compose, output: Path):
    """The control passes through the stages without a training, beside the method's results."""
    compose(output, "method=none").run()
    assert len(list(output.glob("*/odd_path/evaluate/none-*/score.json"))) == 2
    table = only(output, "report/table.csv").read_text()
    assert "none" in table and "motion_inversion" in table


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
