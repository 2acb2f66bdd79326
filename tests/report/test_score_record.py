"""Records as lines of JSON."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from motion_inversion.report.collect import collect
from motion_inversion.report.record import Record, Score, lines, parse

Put = Callable[..., Path]


def same(first: Record, other: Record) -> bool:
    return all(getattr(first, f.name) == getattr(other, f.name) for f in fields(Record) if f.name != "path")


def test_a_line_reads_back_from_wherever_it_is_written(put: Put, tmp_path: Path) -> None:
    metric = {"value": 0.31, "higher_is_better": False, "lower": None, "upper": 2.0, "version": "v1"}
    put(
        metrics={"leakage": metric | {"against_frozen": True}},
        checksums={"model": "abc"},
        cost={"training": {"seconds": 1.5, "memory": None, "device": "cpu"}, "sampling": None},
        git={"commit": "abc", "dirty": False},
        config={"model": {"frames": 16}},
    )
    (record,) = collect(tmp_path).records
    (line,) = lines(record, tmp_path / "a" / "b")
    assert json.loads(line)["video"].startswith("../../name/odd_path/generate/")
    assert same(parse(line, tmp_path / "a" / "b" / "records.jsonl"), record)
    assert record.metrics[0].against_frozen


def test_what_is_missing_stays_missing(plan: Callable[..., Path], put: Put, tmp_path: Path) -> None:
    put(seed=1)
    plan({})
    record = collect(tmp_path).records[-1]
    (line,) = lines(record, tmp_path)
    assert same(parse(line, tmp_path / "records.jsonl"), record)
    assert record.missing


def test_each_version_of_a_metric_has_a_line(put: Put, tmp_path: Path) -> None:
    put()
    (record,) = collect(tmp_path).records
    scores = [Score(name, version, 0.5, True, -1.0, 1.0) for name, version in (("a", "1"), ("b", "1"), ("a", "2"))]
    written = list(lines(replace(record, metrics=tuple(scores)), tmp_path))
    assert [list(json.loads(line)["metrics"]) for line in written] == [["a", "b"], ["a"]]
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(written))
    (merged,) = collect(file).records
    assert list(merged.metrics) == scores
