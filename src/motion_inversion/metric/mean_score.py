"""What all metrics share: the mean over samples, and for those that look through CLIP, the encoder."""

from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from motion_inversion.core.vocabulary import Reader, Vocabulary
from motion_inversion.metric.encoder import ClipEncoder, ClipSource, OpenClip
from motion_inversion.metric.metric import NoScoreError
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.shared_clip import shared


class MeanScore:
    """The mean over samples, by torchmetrics, of a score that a subclass gives to each."""

    name: ClassVar[str]
    against_frozen: ClassVar[bool] = False
    lower: float
    upper: float

    @cached_property
    def _mean(self) -> Any:
        from torchmetrics import MeanMetric

        return MeanMetric()

    def score(self, sample: Sample) -> float:
        """One sample's score; comes after `load`."""
        raise NotImplementedError

    def update(self, sample: Sample) -> None:
        """Adds one sample.

        Raises:
            InputError: as `score`.
        """
        self._mean.update(self.score(sample))

    def compute(self) -> Tensor:
        """The mean over the samples; NaN without one."""
        return self._mean.compute()

    def reset(self) -> None:
        """Forgets the samples added."""
        self._mean.reset()


class MeanClipScore(MeanScore):
    """A mean score of CLIP features; metrics with equal encoders share the model and the features.

    Args:
        encoder: The CLIP model.
    """

    lower = -1.0
    upper = 1.0

    def __init__(self, encoder: ClipSource = OpenClip()) -> None:
        self.encoder = encoder
        self._loaded: ClipEncoder | None = None

    def load(self, device: torch.device | str) -> None:
        """Loads the CLIP model, once.

        Raises:
            InputError: as the encoder's `load`.
        """
        if self._loaded is None:
            self._loaded = shared(self.encoder, device)

    @property
    def loaded(self) -> ClipEncoder:
        """The encoder in memory."""
        if self._loaded is None:
            raise RuntimeError("load(device) comes before update(sample)")
        return self._loaded


class MeanTextMatch(MeanClipScore):
    """A mean score of how well frames match a text."""

    def vocabulary(self) -> Vocabulary | None:
        """The words that the encoder knows; None where it has pieces for any text."""
        return self.encoder.vocabulary() if isinstance(self.encoder, Reader) else None

    def text_match(self, sample: Sample, prompt: str) -> float:
        """Mean cosine of the generated frames and a prompt.

        Raises:
            InputError: for a prompt longer than the model takes.
            NoScoreError: for one without words.
        """
        if not prompt.strip():
            raise NoScoreError("the prompt is empty; give it words in dataset.prompts or dataset.source_prompt")
        text = self.loaded.embed_text([prompt])[0]
        return float((self.loaded.embed_image(sample.generated) @ text).mean())
