"""What TokenFlow's edit takes over from the source's pass through the UNet."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from motion_inversion.error import InputError
from motion_inversion.method.layer.attention import Attention
from motion_inversion.method.layer.frame_attention import self_attentions
from motion_inversion.method.tokenflow.attention import STREAMS

_RESIDUALS = ("up_blocks.1.resnets.1",)
_ATTENTIONS = ("up_blocks.1.attentions.1", "up_blocks.1.attentions.2", "up_blocks.2", "up_blocks.3")


@dataclass(frozen=True)
class PlugAndPlay:
    """Features and self-attention of the source put into the edit (PnP, arXiv 2211.12572).

    In the first steps, the outputs of residual layers' second convolutions, ahead of the residual sum, are the
    source's in all streams, and so are the queries and keys of self-attentions; these only where keyframes are
    denoised together, as other frames attend to nothing.

    Args:
        residuals: Residual layers, or paths of the UNet with such layers below.
        residual_share: Share of the steps in which they are given.
        attentions: Paths of the UNet with self-attentions below.
        attention_share: Share of the steps in which theirs are given.

    Raises:
        InputError: for shares outside 0 to 1; where the layers are asked for, if the UNet has none at a path.
    """

    residuals: Sequence[str] = _RESIDUALS
    residual_share: float = 0.8
    attentions: Sequence[str] = _ATTENTIONS
    attention_share: float = 0.5

    def __post_init__(self) -> None:
        for key, usual in {"residual_share": 0.8, "attention_share": 0.5}.items():
            if not 0 <= (given := getattr(self, key)) <= 1:
                raise InputError(
                    f"method.injection.{key}={given}: accepted are 0 to 1; set method.injection.{key}={usual}"
                )

    def check(self, unet: nn.Module) -> None:
        """Raises InputError if the UNet has no such layers."""
        self._residual_layers(unet)
        self._blocks(unet)

    def self_attentions(self, unet: nn.Module, index: int, steps: int) -> list[Attention]:
        """The self-attentions whose queries and keys are the source's in the step `index` of `steps`."""
        if index >= int(self.attention_share * steps):
            return []
        return [attention for block in self._blocks(unet) for attention in self_attentions(block)]

    def convolutions(self, unet: nn.Module, index: int, steps: int) -> list[nn.Module]:
        """The convolutions whose outputs are the source's in the step `index` of `steps`."""
        if index >= int(self.residual_share * steps):
            return []
        return [layer.get_submodule("conv2") for layer in self._residual_layers(unet)]

    def _residual_layers(self, unet: nn.Module) -> list[nn.Module]:
        from diffusers.models.resnet import ResnetBlock2D

        return _below(unet, self.residuals, ResnetBlock2D, "residuals")

    def _blocks(self, unet: nn.Module) -> list[nn.Module]:
        from diffusers.models.attention import BasicTransformerBlock

        return _below(unet, self.attentions, BasicTransformerBlock, "attentions")


@contextmanager
def given_by_source(layers: Sequence[nn.Module]) -> Iterator[None]:
    """While the context lasts, these layers' outputs are the source's in all streams."""
    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_hook(_source_alone).remove)
        yield


def _source_alone(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
    streams = output.unflatten(0, (STREAMS, -1))
    return streams[:1].expand_as(streams).flatten(0, 1)


def _below(unet: nn.Module, paths: Sequence[str], kind: type[nn.Module], key: str) -> list[nn.Module]:
    """The layers of a kind at these paths or below, each once."""
    layers = {name: layer for name, layer in unet.named_modules() if isinstance(layer, kind)}
    below = {path: [name for name in layers if f"{name}.".startswith(f"{path}.")] for path in paths}
    if missing := [path for path in paths if not below[path]]:
        known = [*layers]
        raise InputError(
            f"method.injection.{key}={list(paths)}: this UNet has no {kind.__name__} in {missing[0]}; accepted are "
            f"{known[0]} to {known[-1]}, and paths that lead there; set method.injection.{key}=[{known[-1]}]"
        )
    return [layers[name] for name in dict.fromkeys(name for names in below.values() for name in names)]
