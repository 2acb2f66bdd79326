"""Which records share a row, what is compared with what, and what a table says of its gaps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from motion_inversion.error import InputError
from motion_inversion.report.collect import collect
from motion_inversion.report.table import Table, by_motion, tabulate, with_published

Put = Callable[..., Path]
MSE, VMC = {"noise": "blend", "loss": "mse"}, {"noise": "blend", "loss": "vmc"}


def rows(table: Table) -> list[tuple[str | None, ...]]:
    return [row.values for row in table.rows]


def text(value: float) -> dict[str, float]:
    return {"text_similarity": value}


def versioned(version: str, value: float) -> dict[str, object]:
    score = {"value": value, "higher_is_better": True, "lower": 0, "upper": 1, "version": version}
    return {"text_similarity": score}


@pytest.fixture
def table(put: Put, tmp_path: Path) -> Callable[..., Table]:
    return lambda *keys: tabulate(collect(tmp_path).records, keys)


def test_rows_are_told_apart_by_what_varies(put: Put, table: Callable[..., Table]) -> None:
    put(method="none", axes={"noise": "blend"}, metrics=text(0.9))
    put(axes=MSE, metrics=text(0.4))
    put(axes=MSE, metrics=text(0.6), clip="pan")
    put(axes=VMC, metrics=text(0.7))
    made = table()
    assert made.keys == ("method", "loss")
    assert rows(made) == [("none", None), ("motion_inversion", "mse"), ("motion_inversion", "vmc")]
    assert [(row.samples, row.clips) for row in made.rows] == [(1, 1), (2, 2), (1, 1)]
    assert [row.cells[0].score.mean for row in made.rows] == pytest.approx([0.9, 0.5, 0.7])
    assert made.best(0) == {0}


def test_without_variation_there_is_one_row(put: Put, table: Callable[..., Table]) -> None:
    put()
    made = table()
    assert made.keys == ("method",)
    assert made.best(0) == frozenset()


def test_settings_outside_the_axes_are_told_apart_by_their_path(put: Put, table: Callable[..., Table]) -> None:
    for iterations in (1000, 300):
        put(config={"method": {"iterations": iterations, "rate": 0.1}})
    put(config={"method": {"iterations": 300, "rate": 0.1}}, prompt="a green star")
    made = table()
    assert made.keys == ("method.iterations",)
    assert rows(made) == [("300",), ("1000",)]  # by size, where an alphabet would put 1000 first


def test_given_keys_are_checked(put: Put, table: Callable[..., Table]) -> None:
    put(motion="camera", clip="pan", metrics=text(0.1))
    put(motion="object", metrics=text(0.2))
    assert rows(table("motion", "motion")) == [("camera",), ("object",)]
    with pytest.raises(InputError, match=r"rows names lss, .* accepted: method, motion, .*noise.*set rows="):
        table("lss")


def test_lower_is_better_and_ties(put: Put, table: Callable[..., Table]) -> None:
    for method, value in (("a", 0.2), ("b", 0.1), ("c", 0.1)):
        score = {"value": value, "higher_is_better": False, "lower": 0, "upper": 1, "version": "1"}
        put(method=method, metrics={"leakage": score, "neither": score | {"higher_is_better": None}})
    assert table().best(0) == {1, 2}
    assert table().best(1) == frozenset()


def test_differences_pair_clip_prompt_seed_and_shared_axes(put: Put, table: Callable[..., Table]) -> None:
    blend, random = {"noise": "blend"}, {"noise": "random"}
    put(method="none", axes=blend, metrics=text(0.1))
    put(method="none", axes=random, metrics=text(0.5))
    put(method="none", axes=blend, seed=1, metrics=text(0.2))
    put(axes=MSE, metrics=text(0.4))  # 0.4 − 0.1 = 0.3, not 0.4 − 0.5
    put(axes=MSE, seed=1, metrics=text(0.3))  # 0.3 − 0.2 = 0.1
    put(axes=MSE, seed=2, metrics=text(0.9))  # the frozen model has none
    none, other = table("method").rows
    assert none.cells[0].difference is None
    difference = other.cells[0].difference
    assert difference is not None
    assert difference.mean == pytest.approx(0.2)
    assert (difference.samples, difference.missing) == (2, 1)


def test_an_ambiguous_frozen_model_is_none(put: Put, table: Callable[..., Table]) -> None:
    put(method="none", config={"frames": 16}, metrics=text(0.1))
    put(method="none", config={"frames": 24}, metrics=text(0.3))
    put(config={"frames": 24}, metrics=text(0.4))
    by_method = table("method").rows[1].cells[0].difference
    by_frames = table("method", "frames").rows[-1].cells[0].difference
    assert by_method is not None
    assert by_frames is not None
    assert (by_method.samples, by_method.missing) == (0, 1)
    assert by_frames.mean == pytest.approx(0.1)


def test_without_the_frozen_model_there_are_no_differences(put: Put, table: Callable[..., Table]) -> None:
    put(axes=MSE)
    assert all(cell.difference is None for row in table().rows for cell in row.cells)


def test_versions_of_a_metric_are_never_averaged(put: Put, table: Callable[..., Table]) -> None:
    put(metrics=versioned("v1", 0.2))
    put(metrics=versioned("v2", 0.8), seed=1)
    made = table()
    assert [column.title for column in made.columns] == ["text_similarity (v1)", "text_similarity (v2)"]
    scores = [cell.score for cell in made.rows[0].cells]
    assert [(score.mean, score.samples, score.missing) for score in scores] == [(0.2, 1, 1), (0.8, 1, 1)]


def test_a_planned_sample_that_there_is_not_counts_as_missing(
    put: Put, plan: Callable[..., Path], table: Callable[..., Table]
) -> None:
    put(folder="made", axes=MSE, metrics=text(0.5))
    plan({"folder": "made"}, {"seed": 1}, axes=MSE)
    plan({"folder": "other"}, {"folder": "other", "seed": 1}, axes=VMC)
    mse, vmc = table().rows
    assert (mse.samples, mse.cells[0].score.mean, mse.cells[0].score.missing) == (2, 0.5, 1)
    assert (vmc.samples, vmc.cells[0].score.samples, vmc.cells[0].score.missing) == (2, 0, 2)


def leakage(value: float) -> dict[str, object]:
    score = {"value": value, "higher_is_better": False, "lower": -1, "upper": 1, "version": "1"}
    return {"leakage": score | {"against_frozen": True}}


def test_leakage_is_the_difference_to_the_frozen_model(put: Put, table: Callable[..., Table]) -> None:
    put(method="none", metrics=leakage(0.5))
    put(method="none", metrics=leakage(0.25), clip="pan")
    put(axes=MSE, metrics=leakage(0.75))  # 0.75 − 0.5
    put(axes=MSE, metrics=leakage(0.625), clip="pan")  # 0.625 − 0.25
    put(axes=MSE, metrics=leakage(0.9), seed=1)  # the frozen model has none
    frozen, ours = (row.cells[0] for row in table("method").rows)
    assert (frozen.score.samples, frozen.score.missing) == (0, 0)
    assert (ours.score.mean, ours.score.samples, ours.score.missing) == (0.3125, 2, 1)
    assert ours.difference is None
    assert table("method").best(0) == frozenset()


def test_without_the_frozen_model_leakage_is_missing(put: Put, table: Callable[..., Table]) -> None:
    put(metrics=leakage(0.5))
    (row,) = table().rows
    assert (row.cells[0].score.samples, row.cells[0].score.missing) == (0, 1)


def test_another_baseline_is_compared_setting_by_setting(put: Put, tmp_path: Path) -> None:
    for clip, mse, vmc in (("a", 0.1, 0.3), ("b", 0.2, 0.6), ("c", 0.3, 0.3)):
        put(clip=clip, axes=MSE, metrics=text(mse))
        put(clip=clip, axes=VMC, metrics=text(vmc))
    put(clip="a", method="none", axes={"noise": "blend"}, metrics=text(0.9))
    made = tabulate(collect(tmp_path).records, baseline=("mse",))
    none, mse, vmc = (row.cells[0] for row in made.rows)
    assert mse.difference is None
    assert vmc.difference is not None
    assert vmc.difference.mean == pytest.approx(0.2)
    # Differences of 0.2, 0.4 and 0: of 8 combinations of signs, the 4 that give the first two alike reach the mean.
    assert vmc.p == pytest.approx(0.5)
    assert none.difference is not None
    assert none.difference.mean == pytest.approx(0.8)
    with pytest.raises(InputError, match="baseline names mes, .*motion_inversion, mse, vmc, none; set baseline"):
        tabulate(collect(tmp_path).records, baseline=("mes",))


def test_bounds_have_rows_of_their_own_that_are_never_best(put: Put, tmp_path: Path) -> None:
    put(method="none", metrics=text(0.2))
    put(axes=MSE, metrics=text(0.4))
    for method, value in (("source", 1.0), ("unrelated", 0.1), ("unrelated", 0.3)):
        put(method=method, axes={"model": "shapes"}, metrics=text(value), seed=int(10 * value))
    found = collect(tmp_path)
    made = with_published(tabulate(found.records, bounds=found.bounds))
    assert made.keys == ("method",)
    kinds = [(row.kind, row.values[0]) for row in made.rows]
    assert kinds[:4] == [
        ("floor", "unrelated"),
        ("sample", "none"),
        ("sample", "motion_inversion"),
        ("ceiling", "source"),
    ]
    assert [name for kind, name in kinds[4:] if kind == "published"] == [
        "Tune-A-Video",
        "Control-A-Video",
        "TokenFlow",
        "Motion Inversion",
    ]
    means = [row.cells[0].score.mean for row in made.rows]
    assert means == pytest.approx([0.2, 0.2, 0.4, 1.0, 0.2821, 0.2581, 0.2680, 0.3113])
    assert made.best(0) == {2}
    assert [row.cells[0].difference is None for row in made.rows] == [k != 2 for k in range(8)]


def test_motion_types_have_tables_of_their_own(put: Put, tmp_path: Path) -> None:
    put(metrics=text(0.5))
    found = collect(tmp_path)
    assert by_motion(tabulate(found.records), found.records, found.bounds) == []
    put(motion="camera", clip="pan", metrics=text(0.1))
    found = collect(tmp_path)
    made = by_motion(tabulate(found.records), found.records, found.bounds)
    assert [(part.part, part.rows[0].cells[0].score.mean) for part in made] == [("camera", 0.1), ("object", 0.5)]


def test_columns_are_chosen_and_ordered(put: Put, tmp_path: Path) -> None:
    put(metrics={"text_similarity": 0.5, "motion_fidelity": 0.25, "leak": 0.1})
    records = collect(tmp_path).records
    made = tabulate(records, columns=("motion_fidelity", "text_similarity"))
    assert [column.name for column in made.columns] == ["motion_fidelity", "text_similarity"]
    assert [cell.score.mean for cell in made.rows[0].cells] == [0.25, 0.5]
    with pytest.raises(InputError, match=r"columns names motion, .*accepted: text_similarity, motion_fidelity, leak"):
        tabulate(records, columns=("motion",))
