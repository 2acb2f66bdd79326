"""Space-time features: what DMT reads of a video UNet, and how it is read."""

from contextlib import ExitStack, suppress
from typing import Any, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError

Feature: TypeAlias = Float[Tensor, "f k _ _"]
"""One layer's output for one clip: frame, channel, row, column; the grids of layers differ."""


class _Complete(Exception):  # noqa: N818 (nothing is wrong)
    """Ends a forward pass once the last feature is there."""


def feature_layers(unet: nn.Module, block: int, resnet: int) -> tuple[nn.Module, ...]:
    """The layers of an up block whose outputs are the features, in the order in which they run.

    A residual layer's second convolution, ahead of the residual sum; the temporal convolution that follows the
    layer; the block's upsampler. ZeroScope's block 1 is 1280 channels wide and works at 1/32 of the picture's sides.

    Raises:
        InputError: if the UNet has no temporal convolutions, or the block or layer isn't there or doesn't upsample.
    """
    blocks: Any = getattr(unet, "up_blocks", ())
    if not any(hasattr(found, "temp_convs") for found in blocks):
        raise InputError(
            f"method=dmt reads the temporal convolutions of a text-to-video UNet, which {type(unet).__name__} has not; "
            "accepted are model=shapes, zeroscope, modelscope and videocrafter2; set model=shapes"
        )
    upsampling = [number for number, found in enumerate(blocks) if getattr(found, "upsamplers", None)]
    if block not in upsampling:
        accepted, last = ", ".join(map(str, upsampling)), upsampling[-1]
        raise InputError(f"method.block={block}: the up blocks that upsample are {accepted}; set method.block={last}")
    last = len(blocks[block].resnets) - 1
    if not 0 <= resnet <= last:
        raise InputError(f"method.resnet={resnet}: up block {block} has layers 0 to {last}; set method.resnet={last}")
    return blocks[block].resnets[resnet].conv2, blocks[block].temp_convs[resnet], blocks[block].upsamplers[0]


def read_features(
    model: Backbone, latents: Latents, t: Stop, condition: Condition, layers: tuple[nn.Module, ...]
) -> tuple[Feature, ...]:
    """The outputs of `layers` for one clip; what the UNet would do after the last of them is left out.

    Gradients flow to the latents. Forward hooks read the layers; they are gone afterwards, after an exception too.
    """
    found: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, inputs: object, output: Tensor) -> None:
        found[layer] = output
        if len(found) == len(layers):
            raise _Complete

    with ExitStack() as hooks, suppress(_Complete):
        for layer in layers:
            hooks.callback(layer.register_forward_hook(keep).remove)
        model.predict(latents, t, condition)
    return tuple(found[layer] for layer in layers)
