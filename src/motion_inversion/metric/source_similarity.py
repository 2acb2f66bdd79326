"""Appearance leakage: how much of what the reference looks like is in a generated clip."""

from motion_inversion.metric.mean_score import MeanClipScore, MeanTextMatch
from motion_inversion.metric.sample import Sample


class SourceImageSimilarity(MeanClipScore):
    """Mean over samples of (1/FG) Σ_f Σ_g cos(generated_f, reference_g): CLIP's features of all pairs of frames.

    All pairs, not frames of one time alone: a subject in the same place at the same time is motion, which is
    to be taken over. In [-1, 1], neither scaled nor clamped; a clip scores below 1 against itself unless it is
    still. The level says little, since a prompt may ask for what the reference shows: read it as the difference
    to what the model generates without customisation for the same clip, prompt and seed.

    Args:
        encoder: The CLIP model.
    """

    name = "source_image_similarity"
    higher_is_better = False
    against_frozen = True

    def version(self) -> str:
        """Formula and model."""
        return f"all_pairs_v1 {self.encoder.version()}"

    def score(self, sample: Sample) -> float:
        """Mean cosine of all pairs of a generated and a reference frame."""
        generated, reference = (self.loaded.embed_image(clip) for clip in (sample.generated, sample.reference))
        return float((generated @ reference.T).mean())


class SourceTextSimilarity(MeanTextMatch):
    """Mean over samples of (1/F) Σ_f cos(generated_f, source prompt): text similarity to the wrong prompt.

    In [-1, 1]; to be read as the difference to the model without customisation, like `SourceImageSimilarity`.

    Args:
        encoder: The CLIP model.
    """

    name = "source_text_similarity"
    higher_is_better = False
    against_frozen = True

    def version(self) -> str:
        """Formula and model."""
        return f"mean_cosine_v1 {self.encoder.version()}"

    def score(self, sample: Sample) -> float:
        """Mean cosine of frames and source prompt.

        Raises:
            InputError: for a source prompt longer than the model takes.
        """
        return self.text_match(sample, sample.source_prompt)
