"""Text similarity: how well the frames of a clip show what the prompt says."""

import torch
import torchmetrics
from torch import Tensor

from motion_inversion.metric.encoder import ClipEncoder, ClipSource, OpenClip
from motion_inversion.metric.sample import Sample


class TextSimilarity(torchmetrics.Metric):
    """Mean over samples of (1/F) Σ_f cos(image_f, prompt): CLIP's features of all F frames and of the prompt.

    In [-1, 1], neither scaled nor clamped, the prompt as given. The level depends on the model: for ViT-B/32,
    about .3 is a good match.

    Args:
        encoder: The CLIP model.
    """

    name = "text_similarity"
    higher_is_better = True
    full_state_update = False
    lower = -1.0
    upper = 1.0
    total: Tensor
    count: Tensor

    def __init__(self, encoder: ClipSource = OpenClip()) -> None:
        super().__init__()
        self.encoder = encoder
        self._loaded: ClipEncoder | None = None
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def version(self) -> str:
        """Formula and model."""
        return f"mean_cosine_v1 {self.encoder.version()}"

    def load(self, device: torch.device | str) -> None:
        """Loads the CLIP model, once.

        Raises:
            InputError: as the encoder's `load`.
        """
        if self._loaded is None:
            self._loaded = self.encoder.load(device)
            self.to(device)

    def update(self, sample: Sample) -> None:
        """Adds one sample.

        Raises:
            InputError: for a prompt longer than the model takes.
        """
        if self._loaded is None:
            raise RuntimeError("load(device) comes before update(sample)")
        text = self._loaded.embed_text([sample.prompt])[0]
        self.total += float((self._loaded.embed_image(sample.generated) @ text).mean())
        self.count += 1

    def compute(self) -> Tensor:
        """The mean over the samples; NaN without one."""
        return self.total / self.count
