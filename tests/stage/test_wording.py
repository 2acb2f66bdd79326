"""What the embedded model and its judge say of words that they never learnt."""

from dataclasses import replace

import pytest

from motion_inversion.backbone.model import Backbone
from motion_inversion.data.clip import Clip
from motion_inversion.metric.encoder import FolderClip, OpenClip
from motion_inversion.metric.temporal_consistency import TemporalConsistency
from motion_inversion.metric.text_similarity import TextSimilarity
from motion_inversion.stage import wording
from motion_inversion.stage.address import Address
from motion_inversion.stage.wording import check_words

JUDGE = FolderClip("embedded:shapes_shared/clip")


@pytest.fixture
def address(address: Address) -> Address:
    parts = {"tokenizer": "embedded:shapes_shared", "vae": "embedded:shapes_shared"}
    return replace(address, model=replace(address.model, path="embedded:shapes", parts=parts))


def lines(address: Address, clip: Clip, caplog: pytest.LogCaptureFixture, *prompts: str) -> list[str]:
    wording._warn.cache_clear()
    caplog.clear()
    for _ in range(2):  # once per run, however many jobs
        check_words(address, Backbone(address.model), [replace(clip, prompts=prompts)])
    return [line for line in caplog.messages if "never learnt" in line]


def test_unknown_words_are_named_once_beside_known_ones(
    address: Address, clip: Clip, caplog: pytest.LogCaptureFixture
) -> None:
    address = replace(address, metric={"text_similarity": TextSimilarity(JUDGE)})
    (line,) = lines(address, clip, caplog, "a dog on a red ground", "a red star")
    assert line.startswith("the text encoder of shapes, like the judge, never learnt dog: ")
    assert " an, and, around, blue, " in line
    assert lines(address, clip, caplog, "a red star moving around on a green plain ground") == []


def test_only_who_reads_prompts_is_asked(address: Address, clip: Clip, caplog: pytest.LogCaptureFixture) -> None:
    for metric in (TextSimilarity(OpenClip()), TemporalConsistency(JUDGE)):
        (line,) = lines(replace(address, metric={metric.name: metric}), clip, caplog, "a dog")
        assert line.startswith("the text encoder of shapes never learnt dog")


def test_the_judge_has_the_words_of_the_model(address: Address) -> None:
    assert JUDGE.vocabulary() == Backbone(address.model).vocabulary()
    assert FolderClip("my/own").vocabulary() is None
