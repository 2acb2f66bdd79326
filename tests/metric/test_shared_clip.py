"""One model and one pass over a clip for all metrics; nothing kept for long."""

import gc

import numpy as np
import torch

from metric.chosen_clip import Chosen, clip, sample
from motion_inversion.metric.mean_score import MeanClipScore
from motion_inversion.metric.recent import Recent
from motion_inversion.metric.shared_clip import shared
from motion_inversion.metric.source_similarity import SourceImageSimilarity, SourceTextSimilarity
from motion_inversion.metric.temporal_consistency import TemporalConsistency
from motion_inversion.metric.text_similarity import TextSimilarity


def test_metrics_share_the_model_and_the_features() -> None:
    encoders = [Chosen("of four metrics") for _ in range(4)]
    kinds: list[type[MeanClipScore]] = [
        TextSimilarity,
        TemporalConsistency,
        SourceImageSimilarity,
        SourceTextSimilarity,
    ]
    metrics = [kind(encoder) for kind, encoder in zip(kinds, encoders, strict=True)]
    for metric in metrics:
        metric.load("cpu")
    for frames in (3, 4):
        for metric in metrics:
            metric.update(sample(*[10 * index for index in range(frames)], reference=(5, 6, 7, 8, 9)))
    assert [encoder.loads for encoder in encoders] == [["cpu"], [], [], []]
    # The generated clips of 3 and 4 frames and their common reference of 5, each once.
    assert encoders[0].clips == [3, 5, 4]


def test_a_model_is_shared_by_device_and_as_long_as_it_is_used() -> None:
    encoder = Chosen("on two devices")
    first = shared(encoder, "cpu")
    assert shared(Chosen("on two devices"), torch.device("cpu")) is first
    other = shared(encoder, "meta")
    assert other is not first
    del first, other
    gc.collect()
    shared(encoder, "cpu")
    assert encoder.loads == ["cpu", "meta", "cpu"]


def test_the_clip_that_was_asked_for_longest_ago_makes_room() -> None:
    made: list[int] = []
    recent: Recent[int] = Recent(kept=2)

    def ask(degree: int) -> int:
        return recent.of(clip(degree), lambda video: made.append(degree) or int(video[0, 0, 0, 0]))

    assert [ask(degree) for degree in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert made == [1, 2, 3, 2]


def test_clips_of_equal_bytes_and_other_shape_are_told_apart() -> None:
    recent: Recent[tuple[int, ...]] = Recent(kept=2)
    shapes = [(2, 1, 1, 3), (1, 2, 1, 3)]
    assert [recent.of(np.zeros(shape, dtype=np.uint8), lambda video: video.shape) for shape in shapes] == shapes
