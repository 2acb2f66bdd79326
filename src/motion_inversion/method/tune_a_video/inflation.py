"""Tune-A-Video's inflation: what makes an image UNet see a clip, and the part of it that is trained."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.core.seed import generator
from motion_inversion.method.layer.frame_attention import joined, sparse_causal
from motion_inversion.method.layer.pooled_norm import pooled
from motion_inversion.method.layer.projection import Projections, TunedLinear

_QUERIES = (".attn1.to_q", ".attn2.to_q")
_TEMPORAL = "attn_temp"


class TemporalAttention(nn.Module):
    """x + W_o softmax(Q Kᵀ / √d) V + b_o over the frames at each position, with Q, K and V of LayerNorm(x).

    The norm has no parameters, and nothing tells one frame's place from another's: permuted frames give the same
    output, permuted. W_o starts at zero, the other values as PyTorch's linear layers do, U(−1/√c, 1/√c).

    Args:
        width: c, of the tokens.
        heads: Attention heads, a divisor of it.
        draws: The seed and words that the initial values depend on, alone.
        zero_bias: Whether b_o starts at zero as well; the layer is the identity then.
    """

    def __init__(self, width: int, heads: int, draws: tuple[int, str], zero_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        with torch.device("meta"):
            self.to_q, self.to_k, self.to_v = (TunedLinear(width, width, bias=False) for _ in range(3))
            self.to_out = nn.ModuleList([TunedLinear(width, width)])  # a list, to be named as diffusers' are
        self.to_empty(device="cpu")
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                draw = torch.rand(parameter.shape, generator=generator(*draws, _TEMPORAL, name))
                parameter.copy_((2 * draw - 1) / width**0.5)
        nn.init.zeros_(cast(Tensor, self.to_out[0].weight))
        if zero_bias:
            nn.init.zeros_(cast(Tensor, self.to_out[0].bias))

    def forward(self, tokens: Float[Tensor, "n s c"], frames: int) -> Float[Tensor, "n s c"]:
        """Tokens of clips of so many frames, clip by clip."""
        rows = tokens.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)
        normed = F.layer_norm(rows, rows.shape[-1:])
        query, key, value = (
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        output = rows + self.to_out[0](attended)
        return output.unflatten(0, (-1, tokens.shape[1])).transpose(1, 2).flatten(0, 1)


class Inflation(nn.Module):
    """What is trained: query projections of all attentions, copies of the UNet's, and the temporal attentions.

    Building it leaves the UNet as it is; `attached` puts it in.

    Args:
        unet: An image UNet.
        seed: Of the temporal attentions' initial values, which depend on it and their places alone.
        zero_bias: As of `TemporalAttention`.
    """

    def __init__(self, unet: nn.Module, seed: int, zero_bias: bool) -> None:
        super().__init__()
        self._queries = Projections(unet, [name for name, _ in unet.named_modules() if name.endswith(_QUERIES)])
        self._temporal = nn.ModuleDict(
            {
                name.replace(".", "/"): TemporalAttention(
                    block.attn1.to_q.in_features, block.attn1.heads, (seed, name), zero_bias
                ).to(block.attn1.to_q.weight.device)
                for name, block in _blocks(unet).items()
            }
        )

    @contextmanager
    def attached(self, unet: nn.Module, frames: int, frame_pooled_groupnorm: bool = True) -> Iterator[None]:
        """While the context lasts, `unet` takes batches of frames, clip by clip, for clips of so many frames.

        Self-attention is sparse-causal, every transformer block ends with its temporal attention, and with
        `frame_pooled_groupnorm` the residual layers and the output take their group norms over a clip, not a frame.
        """
        with ExitStack() as changes:
            changes.enter_context(joined(unet, sparse_causal(frames)))
            changes.enter_context(self._queries.attached(unet))
            for name, block in _blocks(unet).items():
                layer = cast(TemporalAttention, self._temporal[name.replace(".", "/")])
                changes.callback(block.register_forward_hook(_appending(layer, frames)).remove)
            if frame_pooled_groupnorm:
                changes.enter_context(pooled(unet, frames))
            yield

    def tensors(self) -> dict[str, Tensor]:
        """Every value by its name in the inflated UNet."""
        temporal = {
            f"{name.replace('/', '.')}.{_TEMPORAL}.{own}": tensor
            for name, layer in self._temporal.items()
            for own, tensor in layer.state_dict().items()
        }
        return {**self._queries.tensors(), **temporal}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over values, named as in `tensors()`; others are ignored."""
        with torch.no_grad():
            for name, own in self.tensors().items():
                own.copy_(tensors[name])


def _blocks(unet: nn.Module) -> dict[str, Any]:
    from diffusers.models.attention import BasicTransformerBlock

    return {name: module for name, module in unet.named_modules() if isinstance(module, BasicTransformerBlock)}


def _appending(layer: TemporalAttention, frames: int) -> Any:
    """A forward hook that leads a block's output through `layer`."""
    return lambda block, inputs, output: layer(output, frames)
