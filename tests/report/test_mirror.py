"""The offline copy in Weights & Biases, read back from its run file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wandb

from motion_inversion.data.video import write_video
from motion_inversion.report.collect import collect
from motion_inversion.report.mirror import WandbMirror
from motion_inversion.report.record import lines
from motion_inversion.report.table import tabulate
from tracked import entries

Put = Callable[..., Path]


def test_records_tables_and_clips_are_in_the_run(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    put(20, method="none", metrics={"text_similarity": 0.25})
    put(30, metrics={"text_similarity": 0.5})
    records = collect(tmp_path).records
    view = records[0].video.with_suffix(".mp4")
    write_video(view, np.zeros((2, 16, 16, 3), dtype=np.uint8), 8.0)
    target = tmp_path / "report"
    target.mkdir()
    (target / "records.jsonl").write_text("\n".join(line for record in records for line in lines(record, target)))
    WandbMirror("offline", "here").mirror(records, [tabulate(records)], target)
    wandb.teardown()  # or the last of the run file may still be on its way
    runs = list(target.glob("wandb/offline-run-*"))
    (run,) = [each for each in runs if (each / "files" / "records.jsonl").is_file()]
    cells = [entry.run for each in runs if each != run for entry in entries(each) if entry.HasField("run")]
    assert {(cell.run_group, cell.job_type) for cell in cells} == {(tmp_path.name, "score")}
    told = [{item.key: json.loads(item.value_json) for item in cell.config.update} for cell in cells]
    assert {each["method"] for each in told} == {record.method for record in records}
    found = entries(run)
    assert {entry.run.project for entry in found if entry.HasField("run")} == {"here"}
    (logged,) = [
        {"/".join(item.nested_key): json.loads(item.value_json) for item in entry.history.item}
        for entry in found
        if entry.HasField("history")
    ]
    written = [json.loads((run / "files" / logged[f"{key}/path"]).read_text()) for key in ("records", "table/all")]
    numbers = ("text_similarity", "text_similarity mean")
    for table, number in zip(written, numbers, strict=True):
        assert [line[table["columns"].index(number)] for line in table["data"]] == [0.25, 0.5]
    (clip,) = logged["clips/odd_path/videos"]
    assert (run / "files" / clip["path"]).read_bytes() == view.read_bytes()
    assert clip["caption"] == "none · shapes · blend · a red star · seed 0"
    assert (run / "files" / "records.jsonl").read_text() == (target / "records.jsonl").read_text()
    means = {item.key: json.loads(item.value_json) for entry in found for item in entry.summary.update}
    assert means["none/text_similarity"] == 0.25


def test_nothing_is_mirrored_unless_asked(put: Put, tmp_path: Path) -> None:
    put()
    records = collect(tmp_path).records
    WandbMirror().mirror(records, [tabulate(records)], tmp_path / "report")
    assert not (tmp_path / "report").exists()
