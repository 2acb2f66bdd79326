"""Every score file becomes a record or a fault."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from math import inf, isnan
from pathlib import Path

import pytest

from motion_inversion.error import InputError
from motion_inversion.report.collect import collect
from motion_inversion.report.record import Score, lines

Put = Callable[..., Path]


def test_a_record_holds_what_the_file_says_with_paths_resolved(put: Put, tmp_path: Path) -> None:
    metric = {"value": 0.31, "higher_is_better": True, "lower": -1.0, "upper": None, "version": "clip/1"}
    path = put(folder="made", metrics={"text_similarity": metric}, config={"method": {"iterations": 300}})
    (record,) = collect(tmp_path).records
    assert record.path == path
    assert record.metrics == (Score("text_similarity", "clip/1", 0.31, True, -1.0, inf),)
    assert record.video == tmp_path / "name" / "odd_path" / "generate" / "made" / "video.mkv"
    assert record.reference == tmp_path / "name" / "odd_path" / "prepare" / "reference" / "video.mkv"
    assert record.settings["noise"] == "blend"
    assert record.settings["method"] == "motion_inversion"
    assert record.settings["method.iterations"] == "300"


def test_a_metric_without_a_value_is_nan(put: Put, tmp_path: Path) -> None:
    put(metrics={"text_similarity": None})
    (record,) = collect(tmp_path).records
    assert isnan(record.value("text_similarity", "1"))
    assert isnan(record.value("motion_fidelity", "1"))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("{", "line 1"),
        ("[]", "its format is None"),
        (json.dumps({"format": "motion-inversion-score/1"}), "score/1"),
        (json.dumps({"format": "motion-inversion-score/2"}), "clip is missing"),
        ("\x00", "line 1"),
    ],
)
def test_unusable_files_are_counted(put: Put, tmp_path: Path, broken: str, words: str) -> None:
    put()
    path = put(seed=1)
    path.write_text(broken)
    found = collect(tmp_path)
    assert len(found.records) == 1
    assert len(found.faults) == 1
    assert str(path) in found.faults[0]
    assert words in found.faults[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": "0"}, "seed='0' is not an int"),
        ({"axes": {"noise": 1}}, "axes={'noise': 1} is not a"),
        ({"metrics": {"a": {"value": 1}}}, "metrics.a.higher_is_better is missing"),
        ({"metrics": {"a": []}}, "metrics={'a': []} is not a"),
    ],
)
def test_keys_of_another_type_are_named(put: Put, tmp_path: Path, given: dict[str, object], words: str) -> None:
    put()
    path = put(seed=1)
    path.write_text(json.dumps(json.loads(path.read_text()) | given))
    (fault,) = collect(tmp_path).faults
    assert words in fault


def test_bytes_that_are_not_text_are_a_fault(put: Put, tmp_path: Path) -> None:
    put()
    put(seed=1).write_bytes(b"\xff\xfe\xff")
    assert len(collect(tmp_path).faults) == 1


@pytest.mark.parametrize("way", ["a path", "a link"])
@pytest.mark.parametrize("key", ["video", "reference"])
def test_what_lies_outside_of_its_experiment_is_a_fault(put: Put, tmp_path: Path, way: str, key: str) -> None:
    put()
    path = put(seed=1)
    (tmp_path / "private").mkdir()
    (tmp_path / "private/video.mkv").touch()
    content = json.loads(path.read_text())
    if way == "a path":
        path.write_text(json.dumps(content | {key: "../../../../private/video.mkv"}))
    else:
        (path.parent / "out.mkv").symlink_to(tmp_path / "private/video.mkv")
        path.write_text(json.dumps(content | {key: "out.mkv"}))
    found = collect(tmp_path)
    assert len(found.records) == 1
    assert found.faults == (
        f"{path}: it shows {tmp_path}/private/video.mkv, outside of {tmp_path / 'name'}; move that there",
    )


def test_results_behind_a_link_are_found(put: Put, tmp_path: Path) -> None:
    put()
    shutil.move(tmp_path / "name", tmp_path / "disk")
    (tmp_path / "name").symlink_to(tmp_path / "disk")
    assert len(collect(tmp_path / "name").records) == 1
    (tmp_path / "disk/odd_path").rename(tmp_path / "moved")
    (tmp_path / "disk/odd_path").symlink_to(tmp_path / "moved")
    found = collect(tmp_path / "name/odd_path/evaluate")
    assert (len(found.records), found.faults) == (1, ())


def test_an_evaluation_without_manifest_is_a_fault_and_a_part_is_passed_over(put: Put, tmp_path: Path) -> None:
    put()
    put(seed=1).with_name("manifest.json").unlink()
    unfinished = put(seed=2).parent
    unfinished.rename(unfinished.with_name("003.part"))
    found = collect(tmp_path)
    assert len(found.records) == 1
    assert len(found.faults) == 1
    assert "didn't finish" in found.faults[0]


def test_two_evaluations_of_one_clip_become_one_record(put: Put, tmp_path: Path) -> None:
    put(folder="same", metrics={"text_similarity": 0.5})
    put(folder="same", metrics={"text_similarity": 0.5, "motion_fidelity": 0.25})
    put(folder="other", metrics={"text_similarity": 0.75})
    found = collect(tmp_path)
    assert [[s.value for s in record.metrics] for record in found.records] == [[0.5, 0.25], [0.75]]
    assert found.faults == ()


def test_scores_that_contradict_on_one_clip_are_a_fault(put: Put, tmp_path: Path) -> None:
    put(folder="same", metrics={"text_similarity": 0.5})
    put(folder="same", metrics={"text_similarity": 0.6})
    found = collect(tmp_path)
    assert [record.value("text_similarity", "1") for record in found.records] == [0.5]
    assert "0.6000, but 0.5000" in found.faults[0]


def test_planned_samples_are_records_and_those_without_another_are_missing(
    put: Put, plan: Callable[..., Path], tmp_path: Path
) -> None:
    put(folder="made")
    plan({"folder": "made"}, {"seed": 1}, {"clip": "pan"}, failures={"pan": "prepare: too short"})
    found = collect(tmp_path)
    assert [(r.clip, r.seed, r.missing) for r in found.records] == [
        ("odd_path", 0, ""),
        ("odd_path", 1, "not made"),
        ("pan", 0, "prepare: too short"),
    ]
    assert found.records[1].settings["noise"] == "blend"
    assert found.records[1].metrics == ()
    assert found.faults == ()


@pytest.mark.parametrize("broken", ["{", "[]", '{"format": "motion-inversion-plan/0"}', '{"format": 1, "samples": 1}'])
def test_an_unusable_plan_is_a_fault(put: Put, plan: Callable[..., Path], tmp_path: Path, broken: str) -> None:
    put()
    path = plan({})
    path.write_text(broken)
    found = collect(tmp_path)
    assert len(found.records) == 1
    assert str(path) in found.faults[0]


def test_files_of_records_merge_with_folders(put: Put, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(folder="same", metrics={"text_similarity": 0.5})
    put(seed=1)
    first = collect(tmp_path).records
    file = tmp_path / "elsewhere" / "records.jsonl"
    file.parent.mkdir()
    file.write_text("\n".join([*(line for record in first for line in lines(record, file.parent)), "{}", ""]))
    put(folder="same", metrics={"motion_fidelity": 0.25})
    found = collect(file, tmp_path)
    assert [len(record.metrics) for record in found.records] == [2, 1]
    assert [fault.partition(": its format")[0] for fault in found.faults] == [f"{file}, line 3"]
    assert found.records[0].video == first[0].video


def test_reference_clips_stand_apart(put: Put, tmp_path: Path) -> None:
    put()
    put(method="source")
    put(method="unrelated")
    found = collect(tmp_path)
    assert [record.method for record in found.records] == ["motion_inversion"]
    assert {record.method for record in found.bounds} == {"source", "unrelated"}


def test_no_scores_at_all_name_the_folder_and_the_command(put: Put, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent is not there; set source=…"):
        collect(tmp_path / "absent")
    with pytest.raises(InputError, match=rf"no scores below {tmp_path}; make some with motion-inversion stages="):
        collect(tmp_path)
    put().write_text("{")
    with pytest.raises(InputError, match=r"\(1 unusable\)"):
        collect(tmp_path)


def test_the_report_imports_no_torch() -> None:
    code = "import sys, motion_inversion.report.report; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
