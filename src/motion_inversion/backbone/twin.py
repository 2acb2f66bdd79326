"""A model without its weights: its networks on the meta device, to learn shapes and memory from by running them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from motion_inversion.backbone.family import Preparing
from motion_inversion.backbone.model import Backbone, Made, Model
from motion_inversion.backbone.part import WEIGHTLESS

META = torch.device("meta")


class Twin(Backbone):
    """Everything that a loaded model computes, on tensors that have shapes and types and no numbers.

    Tokenizer and scheduler are the folder's own. Text encoders give states of the right shape without running.
    """

    def __init__(self, config: Model) -> None:
        self.config = config
        self.device = META
        self.dtype: torch.dtype = getattr(torch, config.dtype)
        self._parts: dict[str, Any] = {}

    def part(self, name: str) -> Any:
        """A part of the folder, its parameters on the meta device.

        Raises:
            InputError: if it is missing, or of a class that the family doesn't know.
        """
        if name.startswith(WEIGHTLESS):
            return super().part(name)
        if name not in self._parts:
            part = self.config.folder.twin(name, self.dtype)
            if isinstance(self.config.family, Preparing):
                self.config.family.ready(name, part)
            self._parts[name] = _Text(part) if name.startswith("text_encoder") else part
        return self._parts[name]

    def made(self, name: str, make: Callable[[], Made]) -> Made:
        """What a family makes of parts, on the meta device as they are."""
        with META:
            return super().made(name, make)


class _Text(nn.Module):
    """A text encoder that is asked for the shape of its states alone."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder, self.config, self.device = encoder, encoder.config, META

    def forward(self, ids: Tensor, **options: object) -> Any:
        """States and a pooled vector of so many tokens, as transformers gives them."""
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        states: Any = torch.empty(*ids.shape, self.config.hidden_size, device=META)
        pooled: Any = states[:, 0]
        return BaseModelOutputWithPooling(
            last_hidden_state=states,
            pooler_output=pooled,
            hidden_states=(states,) * (self.config.num_hidden_layers + 1),
        )
