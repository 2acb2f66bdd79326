"""Text similarity with an encoder whose features are chosen: equal, orthogonal and opposite ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from motion_inversion.metric.encoder import FolderClip, OpenClip
from motion_inversion.metric.metric import Metric
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.text_similarity import TextSimilarity


@dataclass(frozen=True)
class Chosen:
    """Frames point at the angle, in degrees, that their red channel holds; texts at 0."""

    def version(self) -> str:
        return "chosen"

    def load(self, device: torch.device | str) -> "Chosen":
        return self

    def embed_image(self, video: np.ndarray) -> Tensor:
        angle = torch.from_numpy(video[:, 0, 0, 0]).float().deg2rad()
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    def embed_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(texts), 2)


def sample(*degrees: int) -> Sample:
    video = np.array(degrees, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    return Sample(video, video[:1], "a bear walking")


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
    with pytest.raises(RuntimeError, match="load"):
        metric.update(sample(0))
    assert TextSimilarity().version() == "mean_cosine_v1 ViT-B-32-quickgelu/openai"


def test_a_real_encoder_gives_the_mean_cosine_of_its_features(clip_folder: Path) -> None:
    metric = TextSimilarity(FolderClip(clip_folder))
    metric.load("cpu")
    video = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    metric.update(Sample(video, video, "red disc"))
    encoder = FolderClip(clip_folder).load("cpu")
    image, text = encoder.embed_image(video), encoder.embed_text(["red disc"])
    expected = torch.nn.functional.cosine_similarity(image.mean(0), text[0], dim=0) * image.mean(0).norm()
    torch.testing.assert_close(metric.compute(), expected)
