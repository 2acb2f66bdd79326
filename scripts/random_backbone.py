"""A model whose network has random weights, for benchmarks of speed and memory at full size."""

from typing import Any

import torch

from motion_inversion.backbone.family import Preparing
from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition


class RandomBackbone(Backbone):
    """The network is made on the device in its final precision; text is random, too.

    Args:
        config: The model's configuration, without a folder.
        network: Class of the part that denoises.
        options: What it is made with.
        text: Tokens and width of the states of a prompt.
        parts: The others that there are.
    """

    def __init__(
        self, config: Model, network: type[Any], options: dict[str, Any], text: tuple[int, int], parts: dict[str, Any]
    ) -> None:
        super().__init__(config)
        torch.set_default_dtype(self.dtype)
        try:
            with torch.device(self.device):
                made = network(**options)
        finally:
            torch.set_default_dtype(torch.float32)
        made.requires_grad_(False).eval()
        if isinstance(config.family, Preparing):
            config.family.ready(config.family.denoiser, made)
        self.text_size, self.made_up = text, {config.family.denoiser: made, **parts}

    def part(self, name: str) -> Any:
        """One of the parts that there are."""
        return self.made_up[name]

    def text(self) -> Condition:
        """Random states of one prompt."""
        return Condition({PROMPT_EMBEDS: torch.randn(1, *self.text_size, device=self.device)})
