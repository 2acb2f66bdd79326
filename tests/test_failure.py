"""What fails is named and missing, and leaves the rest its results: clips, samples, jobs of a sweep."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.metric.motion_fidelity import MotionFidelity
from motion_inversion.metric.sample import Sample
from motion_inversion.report.report import Report
from results import only

Compose = Callable[..., Experiment]


def test_a_plan_names_what_there_is_not(compose: Compose, output: Path):
    experiment = compose(output, "dataset.seeds=[0,1]", "stages=[evaluate,report]")
    with pytest.raises(InputError, match="run the generate stage first"):
        experiment.run()
    compose(output, "stages=[report]").run()
    notes = only(output, "report/table.md").read_text()
    assert "missing: 2 of 4 samples: method motion_inversion, clip odd_path" in notes
    assert "seed 1 (evaluate: " in notes


def test_a_clip_that_fails_leaves_the_others_their_results(
    call: Callable[..., int], output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    encode = Backbone.encode
    seen: list[int] = []

    def failing(model: Backbone, video: Any) -> Any:
        seen.append(1)
        if len(seen) == 1:
            raise InputError("no such clip; set dataset.path=my.mp4")
        return encode(model, video)

    monkeypatch.setattr(Backbone, "encode", failing)
    words = ("dataset.only=[odd_path,pan]", "name=both")
    assert call(output, *words) == 2
    out = capsys.readouterr()
    assert out.err.splitlines()[-1].startswith("motion-inversion: error: 1 of 2 clips failed: odd_path; ")
    table = (output / "both/report/table.md").read_text()
    assert "missing: 2 of 4 samples" in table and "(prepare: no such clip; " in table
    assert call(output, *words) == 0
    assert "missing" not in (output / "both/report/table.md").read_text()


def test_a_sample_that_a_metric_refuses_leaves_the_others_their_scores(
    call: Callable[..., int], output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for folder in output.glob("*/odd_path/evaluate/*"):
        shutil.rmtree(folder)
    update = MotionFidelity.update

    def refusing(metric: MotionFidelity, sample: Sample) -> None:
        if "red star" in sample.prompt:
            raise InputError("a clip of nothing but red; set dataset.only=[pan]")
        update(metric, sample)

    with monkeypatch.context() as patch:
        patch.setattr(MotionFidelity, "update", refusing)
        assert call(output) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("motion-inversion: error: samples not scored: 1, of odd_path; the log says why;")
    only(output, "odd_path/evaluate/*-white-square-*/score.json")
    only(output, "odd_path/evaluate/source-*/score.json")
    table = only(output, "report/table.md").read_text()
    assert "missing: 1 of 2 samples" in table and "(evaluate: a clip of nothing but red; set" in table
    assert call(output) == 0
    assert "missing" not in only(output, "report/table.md").read_text()


def test_a_sweep_is_summed_up_once_even_if_a_job_fails(
    call: Callable[..., int], output: Path, monkeypatch: pytest.MonkeyPatch
):
    written: list[Path] = []
    monkeypatch.setattr(Report, "run", lambda report: written.extend(report.source))
    assert call(output, "noise=blend,random", "-m") == 0
    assert written == [output / "motion_inversion"]
    monkeypatch.setattr(Backbone, "predict", None)  # whatever isn't there yet can't be made
    assert call(output, "noise=blend,fft", "-m") == 1
    assert written == [output / "motion_inversion"] * 2
