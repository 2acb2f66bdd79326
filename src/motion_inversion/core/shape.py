"""Names for the tensor shapes that modules share."""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

Latents: TypeAlias = Float[Tensor, "b c f h w"]
"""A batch of clips in the autoencoder's space: clip, channel, frame, row, column."""

Scalar: TypeAlias = Float[Tensor, ""]
