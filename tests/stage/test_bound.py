"""Reference clips that are scored as if they had been generated."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from motion_inversion.data.clip import Clip
from motion_inversion.data.video import write_lossless
from motion_inversion.error import InputError
from motion_inversion.metric.mean_score import MeanScore
from motion_inversion.metric.metric import NoScoreError
from motion_inversion.metric.sample import Sample
from motion_inversion.stage.address import Address
from motion_inversion.stage.bound import bound


class Difference(MeanScore):
    """The generated clip's grey minus the reference's."""

    name = "difference"
    higher_is_better = None
    lower = -255.0
    upper = 255.0

    def version(self) -> str:
        return "1"

    def load(self, device: torch.device | str) -> None:
        pass

    def score(self, sample: Sample) -> float:
        assert sample.prompt == sample.source_prompt
        return float(sample.generated.mean() - sample.reference.mean())


@pytest.fixture
def clips(address: Address, clip: Clip) -> list[Clip]:
    """Five prepared clips; that of number k is of the grey k."""
    named = [replace(clip, name=f"clip{k}") for k in range(5)]
    for k, one in enumerate(named):
        with address.reference(one).making("video.mkv") as folder:
            assert folder
            write_lossless(folder / "video.mkv", np.full((4, 16, 16, 3), k, dtype=np.uint8), 8.0)
    return named


def scores(address: Address, clip: Clip) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {}
    for path in sorted((address.root / clip.name / "evaluate").glob("*/score.json")):
        record: dict[str, Any] = json.loads(path.read_text())
        assert (record["clip"], record["prompt"]) == (clip.name, clip.source_prompt)
        found.setdefault(record["method"], []).append(record["metrics"]["difference"]["value"])
    return found


def test_a_clip_is_scored_against_itself_and_three_others(address: Address, clips: list[Clip]):
    address = replace(address, metric={"difference": Difference()})
    bound(address, "cpu", clips[1], clips)
    # Of five, those 1, 2 and 4 places on: clips 2, 3 and 0.
    found = scores(address, clips[1])
    assert (found["source"], sorted(found["unrelated"])) == ([0.0], [-1.0, 1.0, 2.0])
    bound(replace(address, metric={"difference": Difference()}), "no device", clips[1], clips)  # nothing is missing


def test_a_clip_that_a_metric_refuses_leaves_the_others_their_scores(address: Address, clips: list[Clip]):
    class Refusing(Difference):
        def score(self, sample: Sample) -> float:
            if sample.generated.mean() == 3:
                raise InputError("a clip of grey 3")
            return super().score(sample)

    refused = bound(replace(address, metric={"difference": Refusing()}), "cpu", clips[1], clips)
    assert [*refused.values()] == ["a clip of grey 3"]
    assert next(iter(refused)).startswith("clip1/evaluate/unrelated-clip3-")
    assert sorted(scores(address, clips[1])["unrelated"]) == [-1.0, 1.0]


def test_a_single_clip_has_no_other(address: Address, clips: list[Clip], tmp_path: Path):
    address = replace(address, metric={"difference": Difference()})
    bound(address, "cpu", clips[0], clips[:1])
    assert scores(address, clips[0]) == {"source": [0.0]}
    bound(address, "cpu", clips[0], clips[:2])
    assert scores(address, clips[0])["unrelated"] == [1.0]


class Still(Difference):
    """A metric that has no score."""

    def score(self, sample: Sample) -> float:
        raise NoScoreError("nothing moves; take another clip")


def test_what_has_no_score_is_null_with_the_reason_and_said_once(
    address: Address, clips: list[Clip], caplog: pytest.LogCaptureFixture
) -> None:
    address = replace(address, metric={"difference": Difference(), "still": Still()})
    bound(address, "cpu", clips[1], clips)
    records = [json.loads(path.read_text()) for path in (address.root / "clip1" / "evaluate").glob("*/score.json")]
    assert len(records) == 4
    for record in records:
        assert record["metrics"]["difference"]["value"] is not None
        still = record["metrics"]["still"]
        assert (still["value"], still["reason"]) == (None, "nothing moves; take another clip")
    assert sum("nothing moves" in line for line in caplog.messages) == 1
