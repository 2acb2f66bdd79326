"""Control-A-Video's guided prediction: a clip with its frames joined, against the same frames one by one."""

from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.image_diffusion import Hint, ImageModel
from motion_inversion.core.shape import Latents
from motion_inversion.method.layer.frame_attention import Sources, joined


@dataclass(frozen=True, eq=False)
class Guidance:
    """The prediction for one clip, led by its control maps.

    Args:
        model: One with a ControlNet.
        sources: The frames that each frame attends to, in the UNet and in the ControlNet.
        hint: The control maps.
        negative, states: Text states, without and with the prompt.
        video_scale: How much further from single pictures, s_v.
        interleave: Whether odd frames have the prompt where they are taken one by one.
    """

    model: ImageModel
    sources: Sources
    hint: Hint
    negative: Float[Tensor, "1 l d"]
    states: Float[Tensor, "1 l d"]
    video_scale: float = 1.0
    interleave: bool = False

    def __call__(self, latents: Latents, t: int) -> Latents:
        """ε of `combined`, the text's scale being the model's; without ε_img where that would cancel."""
        without, with_text = self._joined(latents, t).chunk(2)
        alone = without if self.video_scale == 1 else self._alone(latents, t)
        return combined(alone, without, with_text, self.video_scale, self.model.config.guidance)

    def _joined(self, latents: Latents, t: int) -> Float[Tensor, "2 c f h w"]:
        """Without the prompt and with it."""
        model, text = self.model, torch.cat([self.negative, self.states])
        with ExitStack() as stack:
            for network in (model.unet, model.part("controlnet")):
                stack.enter_context(joined(network, self.sources))
            return model.denoise_controlled(latents.repeat(2, 1, 1, 1, 1), t, text, self.hint.repeat(2, 1, 1, 1, 1))

    def _alone(self, latents: Latents, t: int) -> Latents:
        """Of the frames as clips of one frame each."""
        frames = latents.shape[2]
        text = [self.states if self.interleave and frame % 2 else self.negative for frame in range(frames)]
        single = self.model.denoise_controlled(_apart(latents), t, torch.cat(text), _apart(self.hint))
        return single.transpose(0, 2)


def combined(alone: Latents, without: Latents, with_text: Latents, video_scale: float, text_scale: float) -> Latents:
    """ε = ε_img + s_v (ε_∅ − ε_img) + s_t (ε_text − ε_∅)."""
    return alone + video_scale * (without - alone) + text_scale * (with_text - without)


def _apart(clip: Float[Tensor, "1 c f h w"]) -> Float[Tensor, "f c 1 h w"]:
    return clip.transpose(0, 2)
