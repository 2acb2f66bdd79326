"""Control-A-Video's guided prediction: a clip with its frames joined, against the same frames one by one."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import CONTROL_MAPS, Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.shape import Latents
from motion_inversion.method.layer.frame_attention import Sources, joined
from motion_inversion.method.layer.pooled_norm import pooled

ControlMaps: TypeAlias = Float[Tensor, "1 3 f height width"]
"""Control maps in [0, 1], at the pictures' size."""


@dataclass(frozen=True, eq=False)
class GuidedClip:
    """The prediction for one clip, led by its control maps.

    Args:
        model: One with a ControlNet.
        sources: The frames that each frame attends to, in the UNet and in the ControlNet.
        control_maps: What the ControlNet follows, (1, 3, f, height, width) in [0, 1].
        negative, condition: What the model is told, without and with the prompt.
        text_scale: How much further from the negative prompt, s_t.
        video_scale: How much further from single pictures, s_v.
        interleave: Whether odd frames have the prompt where they are taken one by one.
        frame_pooled_groupnorm: Whether both networks' group norms see the joined clip, or each frame by itself.
    """

    model: Backbone
    sources: Sources
    control_maps: ControlMaps
    negative: Condition
    condition: Condition
    text_scale: float
    video_scale: float = 1.0
    interleave: bool = False
    frame_pooled_groupnorm: bool = True

    def __call__(self, latents: Latents, t: Stop) -> Latents:
        """ε of `combined`, without ε_img where that would cancel."""
        without, with_text = self._joined(latents, t).chunk(2)
        alone = without if self.video_scale == 1 else self._alone(latents, t)
        return combined(alone, without, with_text, self.video_scale, self.text_scale)

    def _joined(self, latents: Latents, t: Stop) -> Float[Tensor, "2 c f h w"]:
        """Without the prompt and with it."""
        model, told = self.model, Condition.cat([self.negative, self.condition])
        maps = self.control_maps.repeat(2, 1, 1, 1, 1)
        with ExitStack() as stack:
            for network in (model.network, model.part("controlnet")):
                stack.enter_context(joined(network, self.sources))
                if self.frame_pooled_groupnorm:
                    stack.enter_context(pooled(network, latents.shape[2]))
            return model.predict(latents.repeat(2, 1, 1, 1, 1), t, told.having(**{CONTROL_MAPS: maps}))

    def _alone(self, latents: Latents, t: Stop) -> Latents:
        """Of the frames as clips of one frame each."""
        frames = latents.shape[2]
        each = [self.condition if self.interleave and frame % 2 else self.negative for frame in range(frames)]
        told = Condition.cat(each).having(**{CONTROL_MAPS: _apart(self.control_maps)})
        single = self.model.predict(_apart(latents), t, told)
        return single.transpose(0, 2)


def combined(alone: Latents, without: Latents, with_text: Latents, video_scale: float, text_scale: float) -> Latents:
    """ε = ε_img + s_v (ε_∅ − ε_img) + s_t (ε_text − ε_∅)."""
    return alone + video_scale * (without - alone) + text_scale * (with_text - without)


def _apart(clip: Float[Tensor, "1 c f h w"]) -> Float[Tensor, "f c 1 h w"]:
    return clip.transpose(0, 2)
