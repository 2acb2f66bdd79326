"""Text similarity with an encoder whose features are chosen: equal, orthogonal and opposite ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from metric.chosen_clip import Chosen, sample
from motion_inversion.error import InputError
from motion_inversion.metric.encoder import FolderClip, OpenClip
from motion_inversion.metric.metric import Metric
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.text_similarity import TextSimilarity


@pytest.fixture
def metric() -> TextSimilarity:
    metric = TextSimilarity(Chosen())
    metric.load("cpu")
    return metric


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [((0, 0), 1.0), ((90, 90), 0.0), ((0, 90), 0.5), ((180,), -1.0), ((60, 60, 60), 0.5)],
)
def test_mean_cosine_over_frames_without_clamp(
    metric: TextSimilarity, degrees: tuple[int, ...], expected: float
) -> None:
    metric.update(sample(*degrees))
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)


def test_the_prompt_counts_and_not_the_source_prompt(metric: TextSimilarity) -> None:
    metric.update(sample(60, prompt="60", source_prompt="150"))
    assert float(metric.compute()) == pytest.approx(1, abs=1e-6)


def test_clips_weigh_the_same_whatever_their_length(metric: TextSimilarity) -> None:
    metric.update(sample(0, 0, 0))
    metric.update(sample(90))
    assert float(metric.compute()) == pytest.approx(0.5, abs=1e-6)
    metric.reset()
    metric.update(sample(180))
    assert float(metric.compute()) == pytest.approx(-1, abs=1e-6)


def test_building_loads_nothing_and_update_asks_for_load() -> None:
    metric: Metric = TextSimilarity(OpenClip(pretrained="/nowhere/weights.bin"))
    assert (metric.name, metric.higher_is_better, metric.lower, metric.upper) == (
        "text_similarity",
        True,
        -1,
        1,
    )
    assert not metric.against_frozen
    with pytest.raises(RuntimeError, match="load"):
        metric.update(sample(0))
    assert TextSimilarity().version() == "mean_cosine_v1 ViT-B-32-quickgelu/openai"


def test_a_real_encoder_gives_the_mean_cosine_of_its_features(clip_folder: Path) -> None:
    metric = TextSimilarity(FolderClip(clip_folder))
    metric.load("cpu")
    video = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    metric.update(Sample(video, video, "red disc", ""))
    encoder = FolderClip(clip_folder).load("cpu")
    image, text = encoder.embed_image(video), encoder.embed_text(["red disc"])
    expected = torch.nn.functional.cosine_similarity(image.mean(0), text[0], dim=0) * image.mean(0).norm()
    torch.testing.assert_close(metric.compute(), expected)


def test_a_prompt_too_long_for_the_model_is_refused(clip_folder: Path) -> None:
    metric = TextSimilarity(FolderClip(clip_folder))
    metric.load("cpu")
    video = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="has 9 tokens.* takes 8; shorten it .*metric=motion_fidelity"):
        metric.update(Sample(video, video, "red " * 7, ""))
