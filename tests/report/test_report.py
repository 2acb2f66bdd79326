"""From a folder with scores to files and a printed table."""

import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from motion_inversion.error import InputError
from motion_inversion.report.report import Report

Put = Callable[..., Path]
TABLES = {"records.jsonl", "table.csv", "table.md", "table.tex"}


def test_it_prints_and_writes_and_repeats(put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(20, method="none", metrics={"text_similarity": 0.25})
    put(30, metrics={"text_similarity": 0.5})
    put(40, metrics={"text_similarity": 0.75}, clip="pan", motion="camera")
    put(method="source", metrics={"text_similarity": 1.0})
    put(seed=3).write_text("{")
    Report(tmp_path).run()
    printed, target = capsys.readouterr().out, tmp_path / "report"
    assert "motion_inversion" in printed
    assert "0.625" in printed
    assert "contradicting others: 1;" in printed
    names = {path.name for path in target.iterdir()}
    assert names >= {*TABLES, "comparison-odd_path.png", "comparison-pan.png", "report.html"}
    markdown = (target / "table.md").read_text(encoding="utf-8")
    assert "**0.625**" in markdown
    assert [line for line in markdown.splitlines() if line.startswith("##")] == ["## all", "## camera", "## object"]
    assert "source (ceiling)" in markdown
    assert len((target / "records.jsonl").read_text().splitlines()) == 4
    before = {name: (target / name).read_bytes() for name in TABLES}
    Report(tmp_path).run()
    assert {name: (target / name).read_bytes() for name in TABLES} == before


def test_its_records_make_the_same_report(put: Put, tmp_path: Path) -> None:
    put(metrics={"text_similarity": 0.25}, method="none")
    put(metrics={"text_similarity": 0.5})
    put(method="unrelated")
    Report(tmp_path).run()
    first = tmp_path / "report"
    Report(first / "records.jsonl", tmp_path / "again").run()
    Report((first / "records.jsonl", tmp_path / "name"), tmp_path / "merged").run()
    for name in TABLES - {"records.jsonl"}:
        assert (tmp_path / "again" / name).read_text() == (first / name).read_text()
        assert (tmp_path / "merged" / name).read_text() == (first / name).read_text()


def test_rows_target_and_published_numbers_are_the_users(put: Put, tmp_path: Path) -> None:
    put(20, motion="camera")
    Report(tmp_path, tmp_path / "elsewhere", ("motion",)).run()
    assert (tmp_path / "elsewhere" / "table.csv").read_text().startswith("part,kind,motion,samples")
    assert not (tmp_path / "report").exists()
    Report(tmp_path, published=True).run()
    assert "TokenFlow (published)" in (tmp_path / "report" / "table.md").read_text()
    with pytest.raises(InputError, match="rows names motions"):
        Report(tmp_path, rows=("motions",)).run()


def test_of_varying_noises_one_is_pictured_unless_they_are_rows(put: Put, tmp_path: Path) -> None:
    for level, noise in ((20, "blend"), (30, "random")):
        put(level, axes={"noise": noise})

    def height(*rows: str) -> int:
        Report(tmp_path, rows=rows).run()
        return Image.open(tmp_path / "report" / "comparison-odd_path.png").height

    assert height() < height("noise")


def test_a_terminal_without_arrows_still_gets_its_table(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(20)
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    Report(tmp_path).run()
    out.seek(0)
    assert "text_similarity ?" in out.read()


def test_unusable_files_are_logged(put: Put, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put()
    path = put(seed=1)
    path.write_text("{")
    Report(tmp_path).run()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum(line.startswith(f"{path}: ") for line in warnings) == 1


@pytest.mark.parametrize("several", [True, False])
def test_means_by_each_axis_are_printed_where_several_vary(
    put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str], several: bool
) -> None:
    for loss in ("mse", "vmc"):
        for noise in ("random", "blend") if several else ("random",):
            put(axes={"loss": loss, "noise": noise})
    Report(tmp_path).run()
    assert ("means by" in capsys.readouterr().out) == several


def test_no_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scores below"):
        Report(tmp_path).run()
