"""Group norms of an image UNet with the statistics of whole clips, as inflated UNets take them."""

from contextlib import AbstractContextManager
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.method.layer.replacement import replaced


class PooledGroupNorm(nn.Module):
    """A group norm with the statistics of whole clips: of (c / groups, f, h, w), the weights still per channel."""

    def __init__(self, norm: nn.GroupNorm, frames: int) -> None:
        super().__init__()
        self.norm, self.frames = norm, frames

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        clips = pictures.unflatten(0, (-1, self.frames)).transpose(1, 2)
        return self.norm(clips).transpose(1, 2).flatten(0, 1)


def pooled(network: nn.Module, frames: int) -> AbstractContextManager[None]:
    """While the context lasts, an image UNet or a ControlNet takes its group norms over clips of so many frames.

    Those of the residual layers and of the output, which a UNet on tensors (b, c, f, h, w) takes so; those at the
    entries of the transformers see frames there too.
    """
    from diffusers.models.resnet import ResnetBlock2D

    resnets = [name for name, module in network.named_modules() if isinstance(module, ResnetBlock2D)]
    names = [f"{resnet}.{norm}" for resnet in resnets for norm in ("norm1", "norm2")]
    names += [name for name, _ in network.named_children() if name == "conv_norm_out"]  # a ControlNet has none
    norms = {name: PooledGroupNorm(cast(nn.GroupNorm, network.get_submodule(name)), frames) for name in names}
    return replaced(network, norms)
