"""A video UNet as an image UNet: all that mixes frames left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from motion_inversion.method.layer.replacement import replaced


class _NoConvolution(nn.Module):
    """In the place of a temporal convolution."""

    def forward(self, hidden_states: Tensor, **_: Any) -> Tensor:
        return hidden_states


class _NoTransformer(nn.Module):
    """In the place of a temporal transformer."""

    def forward(self, hidden_states: Tensor, **_: Any) -> tuple[Tensor]:
        return (hidden_states,)


@contextmanager
def single_frame(unet: nn.Module) -> Iterator[None]:
    """While the context lasts, `unet` runs without its temporal transformers and convolutions.

    So MotionDirector's UNet treats clips of one frame (arXiv 2310.08465); diffusers' would run a frame through the
    temporal layers too. `backward` may come after the context: nothing that it repeats was left out.
    """
    from diffusers.models.resnet import TemporalConvLayer
    from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel

    without: dict[type[nn.Module], type[nn.Module]] = {
        TemporalConvLayer: _NoConvolution,
        TransformerTemporalModel: _NoTransformer,
    }
    temporal = {name: without[type(module)]() for name, module in unet.named_modules() if type(module) in without}
    with replaced(unet, temporal):
        yield
