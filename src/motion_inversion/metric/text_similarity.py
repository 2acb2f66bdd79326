"""Text similarity: how well the frames of a clip show what the prompt says."""

from motion_inversion.metric.mean_score import MeanTextMatch
from motion_inversion.metric.sample import Sample


class TextSimilarity(MeanTextMatch):
    """Mean over samples of (1/F) Σ_f cos(image_f, prompt): CLIP's features of all F frames and of the prompt.

    In [-1, 1], neither scaled nor clamped, the prompt as given. The level depends on the model: for ViT-B/32,
    about .3 is a good match.

    Args:
        encoder: The CLIP model.
    """

    name = "text_similarity"
    higher_is_better = True

    def version(self) -> str:
        """Formula and model."""
        return f"mean_cosine_v1 {self.encoder.version()}"

    def score(self, sample: Sample) -> float:
        """Mean cosine of frames and prompt.

        Raises:
            InputError: for a prompt longer than the model takes.
        """
        return self.text_match(sample, sample.prompt)
