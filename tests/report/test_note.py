"""What is said below a table."""

from collections.abc import Callable
from pathlib import Path

import pytest

from motion_inversion.report.collect import collect
from motion_inversion.report.note import NAMED, notes
from motion_inversion.report.table import tabulate, with_published

Put = Callable[..., Path]
MSE, VMC = {"noise": "blend", "loss": "mse"}, {"noise": "blend", "loss": "vmc"}


def versioned(version: str, against_frozen: bool = False) -> dict[str, object]:
    score = {"value": 0.5, "higher_is_better": True, "lower": 0, "upper": 1, "version": version}
    return {"text_similarity": score | {"against_frozen": against_frozen}}


@pytest.fixture
def said(put: Put, tmp_path: Path) -> Callable[..., list[str]]:
    def said(*keys: str) -> list[str]:
        found = collect(tmp_path)
        return list(notes(with_published(tabulate(found.records, keys, found.bounds)), found.records))

    return said


def test_missing_samples_are_counted_and_named(put: Put, plan: Callable[..., Path], said: Callable[..., list[str]]):
    put(folder="made", axes=MSE)
    plan({"folder": "made"}, {"seed": 1}, axes=MSE, failures={"odd_path": "train: the loss is nan"})
    assert said()[0] == (
        "missing: 1 of 2 samples: method motion_inversion, clip odd_path, prompt a red star, seed 1 "
        "(train: the loss is nan)"
    )
    plan(*({"seed": seed} for seed in range(2, 2 + NAMED)), axes=MSE)
    assert said()[0].startswith(f"missing: {NAMED + 1} of {NAMED + 2} samples: ")
    assert said()[0].endswith("; and 1 more, which records.jsonl names")


def test_versions_are_said(put: Put, said: Callable[..., list[str]]) -> None:
    put(metrics=versioned("v1"))
    put(metrics=versioned("v2"), seed=1)
    assert "2 versions, which do not compare" in said()[0]
    assert "text_similarity (v2): version v2" in said()


def test_gaps_and_repeats_are_noted(put: Put, said: Callable[..., list[str]]) -> None:
    put(axes=MSE)
    put(axes=MSE, seed=1)
    put(axes=VMC)
    assert "loss=vmc: 1 of 2 samples (clip, prompt, seed) are missing" in said()
    assert any("rows average over loss; set rows=[…]" in note for note in said("method"))
    put(axes=VMC)
    assert any("count more than once" in note for note in said())


def test_a_single_clip_is_said_to_be_one(put: Put, said: Callable[..., list[str]]) -> None:
    put()
    put(seed=1)
    assert any("single clip" in note for note in said())
    put(clip="pan")
    assert any("from as few as 2 clips they are too narrow" in note for note in said())


def test_samples_without_a_control_are_counted(put: Put, said: Callable[..., list[str]]) -> None:
    put(metrics=versioned("v1", against_frozen=True))
    put(metrics=versioned("v1", against_frozen=True), seed=1)
    put(method="none", metrics=versioned("v1", against_frozen=True))
    assert any("1 of 2 samples have none: run with frozen=true" in note for note in said())


def test_comparisons_and_further_rows_are_explained(put: Put, said: Callable[..., list[str]]) -> None:
    for clip in "ab":
        put(clip=clip, method="none")
        put(clip=clip, axes=MSE)
        put(clip=clip, method="source")
    starts = [note.partition(":")[0] for note in said()]
    assert {"vs none", "p", "ceiling", "published"} <= set(starts)
    assert "floor" not in starts


def test_what_has_no_score_says_why_and_that_the_rows_are_uneven(put: Put, said: Callable[..., list[str]]) -> None:
    bare = {"higher_is_better": True, "lower": -1, "upper": 1, "version": "1"}
    for clip, value in (("slow", None), ("pan", 0.5)):
        reason = {} if value else {"reason": "nothing moves"}
        put(axes=MSE, clip=clip, metrics={"motion_fidelity": {"value": value, **bare, **reason}})
    put(axes=VMC, clip="slow", metrics={"motion_fidelity": {"value": 0.5, **bare}})
    put(axes=VMC, clip="pan", metrics={"motion_fidelity": {"value": 0.5, **bare}})
    notes = said()
    assert "motion_fidelity: no score for slow: nothing moves" in notes
    assert "motion_fidelity: the rows average over unequal sets of samples, since some have no score" in notes
