"""The temporal self-attention with motion embeddings: the one place where they meet the frozen model."""

import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor

from motion_inversion.core.error import InputError
from motion_inversion.embedding.site import Site


class MotionAttnProcessor:
    """Self-attention over time whose inputs are shifted by the motion embeddings (arXiv 2403.20193, eq. 1).

    With n the block's normalised hidden state at one position of the grid,

        q = W_q (n + m^QK),  k = W_k (n + m^QK),  v = W_v (n + m^V),  output = W_o softmax(q kᵀ / √d) v.

    m^QK (1, frames, channels) is the same at every position, m^V (positions, frames, channels) has an entry
    for each; both are shared by the clips of a batch and cast to the type of the hidden states. None stands
    for no embedding.

    This is diffusers' `AttnProcessor2_0` reduced to what temporal transformer blocks use (no mask, no text,
    no norm or residual of its own): with zero embeddings the result is bit for bit the stock one. It is no
    `nn.Module`: diffusers registers those inside the UNet, where they would change its state dict and be
    frozen together with it.

    Raises InputError when the hidden states do not fit the site.
    """

    def __init__(
        self,
        site: Site,
        query_key: Float[Tensor, "1 n c"] | None,
        value: Float[Tensor, "p n c"] | None,
    ) -> None:
        self.site = site
        self.query_key = query_key
        self.value = value

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "s n c"],
        encoder_hidden_states: None = None,
        attention_mask: None = None,
    ) -> Float[Tensor, "s n c"]:
        """hidden_states: one sequence of frames per position; batch outermost, then rows, then columns."""
        assert attn.to_k is not None and attn.to_v is not None and attn.to_out is not None  # a self-attention
        self._require_fit(hidden_states)
        with_query_key = self._with_query_key(hidden_states)
        with_value = self._with_value(hidden_states)
        query = attn.to_q(with_query_key).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        key = attn.to_k(with_query_key).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        value = attn.to_v(with_value).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        # One kernel on every device: explicit products save 5 % of a training step on a CPU if heads have 8
        # channels, cost time otherwise, and only the stock kernel yields the stock bits.
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        projection, dropout = attn.to_out
        return dropout(projection(mixed))

    # By linearity W (n + m) = W n + W m, and W m is tiny. Yet adding m first is cheaper: one addition
    # serves q and k, its backward sums over positions once instead of twice, and since W is frozen nothing
    # keeps n + m for the backward pass. It also holds for projections that are not linear (LoRA with
    # dropout).

    def _with_query_key(self, hidden: Float[Tensor, "s n c"]) -> Float[Tensor, "s n c"]:
        return hidden if self.query_key is None else hidden + self.query_key.to(hidden.dtype)

    def _with_value(self, hidden: Float[Tensor, "s n c"]) -> Float[Tensor, "s n c"]:
        if self.value is None:
            return hidden
        # Broadcast over the batch: a repeated embedding would cost a copy per clip.
        clips = hidden.unflatten(0, (-1, self.site.positions))
        return (clips + self.value.to(hidden.dtype)).flatten(0, 1)

    def _require_fit(self, hidden: Float[Tensor, "s n c"]) -> None:
        site = self.site
        sequences, frames, _ = hidden.shape
        if frames != site.frames:
            raise InputError(
                f"the motion embeddings of {site.name} have {site.frames} frames, the latents have {frames}: "
                f"model.frames={site.frames}"
            )
        if self.value is not None and sequences % site.positions:
            raise InputError(
                f"the value embedding of {site.name} has {site.positions} positions, which do not divide the "
                f"{sequences} of the latents: use the size of the training (model.height, model.width)"
            )
