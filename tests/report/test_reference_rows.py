"""Samples of different references never share a cell, and what a sweep of a dataset varied makes rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from motion_inversion.report.collect import collect
from motion_inversion.report.report import Report
from motion_inversion.report.table import Table, tabulate

Put = Callable[..., Path]


def text(value: float) -> dict[str, float]:
    return {"text_similarity": value}


def cut(start: int, **given: Any) -> dict[str, Any]:
    """What a score says of a sample whose reference starts there."""
    return {
        "dataset": {"start": start, "stride": 1},
        "checksums": {"footage": f"{start}" * 12},
        "reference": f"../../prepare/reference-{start}/video.mkv",
        **given,
    }


def rows(table: Table) -> list[tuple[tuple[str | None, ...], float, int]]:
    return [(row.values, row.cells[0].score.mean, row.samples) for row in table.rows]


def table(folder: Path, *keys: str) -> Table:
    found = collect(folder)
    return tabulate(found.records, keys, found.bounds)


def test_starts_of_one_clip_have_rows_and_differences_of_their_own(put: Put, tmp_path: Path) -> None:
    for start, level in ((0, 0.1), (8, 0.5)):
        # From random noise the frozen model's sample knows no reference: one clip, two scores.
        put(method="none", folder="none-1", metrics=text(level), **cut(start))
        put(metrics=text(level + 0.2), **cut(start))
    made = table(tmp_path)
    assert made.keys == ("method", "dataset.start")
    assert rows(made) == [
        (("none", "0"), 0.1, 1),
        (("none", "8"), 0.5, 1),
        (("motion_inversion", "0"), pytest.approx(0.3), 1),
        (("motion_inversion", "8"), pytest.approx(0.7), 1),
    ]
    differences = [row.cells[0].difference for row in made.rows[2:]]
    assert [found and found.mean for found in differences] == [pytest.approx(0.2)] * 2
    assert collect(tmp_path).faults == ()


def test_rows_that_are_asked_for_are_split_by_reference_too(put: Put, tmp_path: Path) -> None:
    for start in (0, 8):
        put(metrics=text(0.1 * start), **cut(start))
        put(method="source", metrics=text(0.5 + start / 100), **cut(start))
    made = table(tmp_path, "method")
    assert made.keys == ("method", "dataset.start")
    assert [row.values for row in made.rows] == [
        ("motion_inversion", "0"),
        ("motion_inversion", "8"),
        ("source", "0"),
        ("source", "8"),
    ]
    assert [row.cells[0].score.mean for row in made.rows] == pytest.approx([0.0, 0.8, 0.5, 0.58])


def test_clips_that_are_cut_differently_share_a_row(put: Put, tmp_path: Path) -> None:
    put(metrics=text(0.2), **cut(0))
    put(metrics=text(0.4), **cut(8, clip="pan"))
    assert rows(table(tmp_path)) == [(("motion_inversion",), pytest.approx(0.3), 2)]


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("source_prompt", {"source_prompt": "a car"}, {"source_prompt": "a bus"}),
        ("motion", {"motion": "object"}, {"motion": "camera"}),
        ("dataset.fit", {"dataset": {"fit": "crop"}}, {"dataset": {"fit": "squeeze"}}),
        ("footage", {"checksums": {"footage": "a" * 64}}, {"checksums": {"footage": "b" * 64}}),
    ],
)
def test_whatever_a_dataset_varies_makes_rows(
    put: Put, tmp_path: Path, key: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    put(folder=None if key == "motion" else "same-1", metrics=text(0.2), **one)
    put(folder=None if key == "motion" else "same-1", metrics=text(0.4), **other)
    made = table(tmp_path)
    assert key in made.keys
    assert sorted(row.cells[0].score.mean for row in made.rows) == [0.2, 0.4]


@pytest.mark.parametrize(("key", "values"), [("seed", (0, 1)), ("prompt", ("a red star", "a blue ring"))])
def test_alternatives_of_a_sweep_make_rows_and_a_study_that_grows_does_not(
    put: Put, plan: Callable[..., Path], tmp_path: Path, key: str, values: tuple[Any, Any]
) -> None:
    for k, value in enumerate(values):
        put(folder=f"made-{k}", metrics=text(0.1 + k), **{key: value})
    grown = {k: {"folder": f"made-{k}", key: value} for k, value in enumerate(values)}
    first = plan(dict(grown[0]))
    whole = plan(*map(dict, grown.values()))
    assert table(tmp_path).keys == ("method",)
    whole.unlink()
    plan(dict(grown[1]))
    made = table(tmp_path)
    assert made.keys == (key,)
    assert sorted(row.cells[0].score.mean for row in made.rows) == pytest.approx([0.1, 1.1])
    # A file of records says it as well.
    Report(tmp_path, tmp_path / "report").run()
    assert table(tmp_path / "report" / "records.jsonl").keys == (key,)
    assert first.is_file()


def test_cuts_of_one_clip_have_rows_of_their_own_whatever_the_prompts(put: Put, tmp_path: Path) -> None:
    put(metrics=text(0.2), **cut(0))
    put(metrics=text(0.4), **cut(8, prompt="a green cross"))
    made = table(tmp_path)
    assert made.keys == ("method", "dataset.start")
    assert rows(made) == [(("motion_inversion", "0"), 0.2, 1), (("motion_inversion", "8"), 0.4, 1)]


def test_scenes_that_share_a_name_alone_are_clips_of_their_own(put: Put, tmp_path: Path) -> None:
    """As drawn by two seeds of a set, whose prompts differ as well: three seeds of one sample count once."""
    for scene, level in (("a", 0.2), ("b", 0.4)):
        for seed in range(3):
            given = {"dataset": {"camera": scene}, "checksums": {"footage": 12 * scene}, "prompt": f"a {scene}"}
            put(metrics=text(level + 0.01 * seed), seed=seed, source_prompt=scene, **given)
    made = table(tmp_path)
    assert rows(made) == [(("motion_inversion",), pytest.approx(0.31), 6)]
    assert (made.rows[0].clips, made.rows[0].cells[0].score.clips) == (2, 2)
