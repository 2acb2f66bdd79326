"""A figure is drawn again when what it shows has changed or its files have, and only then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_inversion.data.video import write_lossless
from motion_inversion.error import InputError
from motion_inversion.report.collect import collect
from motion_inversion.report.figure import kept, style, writing
from motion_inversion.report.figure.kept import file_names
from motion_inversion.report.table import tabulate
from motion_inversion.storage.file import sha256_of

Put = Callable[..., Path]
Draw = Callable[..., set[str]]
SCORES = {"text_similarity": 0.5, "motion_fidelity": 0.25}
EVERY = {"scatter", "comparison-odd_path", "comparison-pan"}


@pytest.fixture
def drawn(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Two clips; writes their figures into the folder `out` and gives those that were drawn for it."""
    put(20, method="none", metrics=SCORES)
    put(30, metrics=SCORES)
    put(40, clip="pan", metrics=SCORES)
    seen: set[str] = set()

    def quick(path: Path, figure: Any) -> dict[str, str]:
        seen.add(path.name)
        files = [path.with_name(name) for name in file_names(path.name)]
        for file in files:
            file.write_bytes(file.name.encode())
        return {file.name: sha256_of(file) for file in files}

    (tmp_path / "out").mkdir()

    def draw(*rows: str, only: str = "") -> set[str]:
        seen.clear()
        records = [record for record in collect(tmp_path).records if only in record.clip]
        names = writing.write_figures(records, tabulate(records, rows), tmp_path / "out")
        assert sorted([*names, kept.NAME]) == sorted(path.name for path in (tmp_path / "out").iterdir())
        return {*seen}

    monkeypatch.setattr(style, "save", quick)
    return draw


def test_what_has_not_changed_stays(drawn: Draw, tmp_path: Path) -> None:
    assert drawn() == EVERY
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert drawn() == set()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_a_file_that_is_gone_or_damaged_comes_back(drawn: Draw, tmp_path: Path) -> None:
    drawn()
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "scatter.pdf").unlink()
    (tmp_path / "out" / "comparison-pan.png").write_bytes(files["comparison-pan.png"][:-1])
    assert drawn() == {"scatter", "comparison-pan"}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_other_frames_are_drawn_again(drawn: Draw, tmp_path: Path) -> None:
    drawn()
    [video] = (tmp_path / "name" / "pan").rglob("video.mkv")
    write_lossless(video, np.full((16, 8, 8, 3), 90, dtype=np.uint8), 8.0)
    assert drawn() == {"comparison-pan"}
    video.unlink()
    assert drawn() == {"comparison-pan"}


def test_another_score_changes_the_plot_alone(drawn: Draw, put: Put, tmp_path: Path) -> None:
    drawn()
    score = next(iter((tmp_path / "name" / "pan" / "evaluate").rglob("score.json")))
    score.write_text(score.read_text().replace("0.25", "0.75"))
    assert drawn() == {"scatter"}


def test_other_rows_or_prompts_are_drawn_again(drawn: Draw, tmp_path: Path) -> None:
    drawn()
    assert drawn("motion") == {"scatter"}  # the methods are rows of a clip's figure anyway
    score = next(iter((tmp_path / "name" / "pan" / "evaluate").rglob("score.json")))
    score.write_text(score.read_text().replace("a red star", "a cube"))
    assert "comparison-pan" in drawn("motion")


@pytest.mark.parametrize("told", ["__version__", "_drawing"])
def test_another_version_draws_all_again(drawn: Draw, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    drawn()
    monkeypatch.setattr(kept, told, "other" if told == "__version__" else lambda: "other")
    assert drawn() == EVERY


def test_figures_that_the_records_no_longer_have_are_removed(drawn: Draw, tmp_path: Path) -> None:
    drawn()
    assert drawn(only="odd_path") == {"scatter"}
    assert not (tmp_path / "out" / "comparison-pan.png").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"scatter": {}}', '{"scatter": {"of": 1, "files": {}}}'])
def test_a_file_of_figures_that_says_nothing_is_no_fault(drawn: Draw, tmp_path: Path, text: str) -> None:
    (tmp_path / "out" / kept.NAME).write_text(text)
    assert drawn() == EVERY
    assert drawn() == set()


def test_an_interrupted_report_goes_on_where_it_was(
    drawn: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, figure: Any) -> dict[str, str]:
        if path.name == "comparison-pan":
            raise InputError("the disk is full")
        return save(path, figure)

    with monkeypatch.context() as patched:
        save = style.save
        patched.setattr(style, "save", interrupted)
        with pytest.raises(InputError, match="the disk is full"):
            drawn()
    assert drawn() == {"comparison-pan"}
