"""Appearance leakage with an encoder whose features are chosen."""

import pytest

from metric.chosen_clip import Chosen, sample
from motion_inversion.metric.metric import Metric
from motion_inversion.metric.source_similarity import SourceImageSimilarity, SourceTextSimilarity


@pytest.mark.parametrize(
    ("generated", "reference", "expected"),
    [
        ((0, 0), (0, 0), 1.0),
        ((90, 90), (0, 0), 0.0),
        ((180,), (0, 0), -1.0),
        # Cosines of the four pairs: 1, 0, 0, 1, in whatever order the frames come.
        ((0, 90), (0, 90), 0.5),
        ((0, 90), (90, 0), 0.5),
        # Of the three: cos 0, cos 60°, cos 120° = 1, 1/2, -1/2.
        ((0, 60, 120), (0,), 1 / 3),
    ],
)
def test_all_pairs_of_frames_count(generated: tuple[int, ...], reference: tuple[int, ...], expected: float) -> None:
    metric = SourceImageSimilarity(Chosen())
    metric.load("cpu")
    metric.update(sample(*generated, reference=reference))
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)


def test_frames_are_compared_with_the_source_prompt() -> None:
    metric = SourceTextSimilarity(Chosen())
    metric.load("cpu")
    metric.update(sample(0, 60, prompt="0", source_prompt="60"))
    assert float(metric.compute()) == pytest.approx((0.5 + 1) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        (SourceImageSimilarity, "source_image_similarity", "all_pairs_v1 chosen"),
        (SourceTextSimilarity, "source_text_similarity", "mean_cosine_v1 chosen"),
    ],
)
def test_leakage_is_read_against_the_control_and_is_better_low(kind: type, name: str, version: str) -> None:
    metric: Metric = kind(Chosen())
    assert isinstance(metric, Metric)
    assert (metric.name, metric.version()) == (name, version)
    assert metric.against_frozen
    assert metric.higher_is_better is False
    assert (metric.lower, metric.upper) == (-1, 1)
    with pytest.raises(RuntimeError, match="load"):
        metric.update(sample(0))
