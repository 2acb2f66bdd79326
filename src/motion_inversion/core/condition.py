"""What a model is told beside latents and noise level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PROMPT_EMBEDS = "prompt_embeds"
"""The text encoder's hidden states (b, l, d)."""
PROMPT_MASK = "prompt_attention_mask"
"""Which of them are words and not padding, (b, l)."""
POOLED_EMBEDS = "pooled_prompt_embeds"
"""One vector for a prompt (b, d)."""
CONTROL_MAPS = "control_maps"
"""Pictures that a ControlNet follows, in [0, 1], at the clip's size: (b, 3, f, height, width)."""


@dataclass(frozen=True, eq=False)
class Condition:
    """Tensors by name, in each of which clips are the first axis. Which names there are is the model's matter."""

    tensors: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        assert len({len(tensor) for tensor in self.tensors.values()}) == 1, "of equally many clips"

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __len__(self) -> int:
        """The number of clips."""
        return len(next(iter(self.tensors.values())))

    @classmethod
    def cat(cls, conditions: Sequence["Condition"]) -> "Condition":
        """Those of several batches as one batch."""
        first = conditions[0].tensors
        return cls({name: torch.cat([each[name].to(first[name].device) for each in conditions]) for name in first})

    def expand(self, count: int) -> "Condition":
        """That of one clip for `count` clips."""
        return Condition({name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in self.tensors.items()})

    def split(self) -> list["Condition"]:
        """One for each clip."""
        return [Condition({name: each[k : k + 1] for name, each in self.tensors.items()}) for k in range(len(self))]

    def repeat_interleave(self, count: int) -> "Condition":
        """Each clip's `count` times in a row."""
        return Condition({name: each.repeat_interleave(count, dim=0) for name, each in self.tensors.items()})

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "Condition":
        """On a device, and what is a real number in a type; masks keep theirs."""
        return Condition(
            {
                name: tensor.to(device, dtype if tensor.is_floating_point() else None)
                for name, tensor in self.tensors.items()
            }
        )

    def having(self, **tensors: Tensor) -> "Condition":
        """With more tensors, or others."""
        return Condition({**self.tensors, **tensors})
