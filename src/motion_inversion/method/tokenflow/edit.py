"""TokenFlow's denoising of a clip (arXiv 2307.10373): keyframes first, then every frame by what was found for them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.seed import generator
from motion_inversion.core.shape import Latents
from motion_inversion.method.layer.attention import Attention
from motion_inversion.method.layer.frame_attention import self_attentions
from motion_inversion.method.layer.replacement import processed
from motion_inversion.method.tokenflow.attention import ExtendedAttention, Keyframes, Propagation
from motion_inversion.method.tokenflow.blend import Blending
from motion_inversion.method.tokenflow.injection import PlugAndPlay, given_by_source


@dataclass(frozen=True, eq=False)
class Edit:
    """One clip's way from noise to an edit of the source.

    model: The frozen image model.
    source: The source's latents (1, c, f, h, w) by timestep, noisiest first: one for every step of the sampler.
    prompts: Conditions of the source, of the negative prompt and of the edit.
    scale: Of classifier-free guidance.
    seed: Of the choice of keyframes.
    batch: Frames to a keyframe, and to a pass through the UNet; the clip's length is a multiple.
    """

    model: Backbone
    source: Mapping[Stop, Latents]
    prompts: Condition
    scale: float
    seed: int
    batch: int
    blend: Blending
    injection: PlugAndPlay | None

    def __call__(self, latents: Latents, t: Stop) -> Latents:
        """The prediction for noisy latents (1, c, f, h, w) of the edit, with classifier-free guidance."""
        _, without, with_prompt = self.streams(latents, t).split(1)
        return without + self.scale * (with_prompt - without)

    def streams(self, latents: Latents, t: Stop) -> Float[Tensor, "3 c f h w"]:
        """The predictions for the source, and for the edit without and with its prompt."""
        streams = torch.cat([self.source[t].to(latents), latents, latents])
        frames = latents.shape[2]
        keyframes = self.keyframes(t, frames)
        weights = self.blend(keyframes, frames)
        convolutions = self.injection.convolutions(self.model.network, *self._step(t)) if self.injection else []
        with given_by_source(convolutions):
            found = self._edited(streams[:, :, keyframes], t)
            batches = zip(streams.split(self.batch, dim=2), weights.split(self.batch), strict=True)
            return torch.cat([self._propagated(part, t, found, weight) for part, weight in batches], dim=2)

    def keyframes(self, t: Stop, frames: int) -> list[int]:
        """A frame of each batch, drawn anew at every timestep."""
        count = frames // self.batch
        drawn = torch.randint(self.batch, (count,), generator=generator(self.seed, "keyframe", t))
        return (torch.arange(count) * self.batch + drawn).tolist()

    def _edited(self, keyframes: Float[Tensor, "3 c k h w"], t: Stop) -> dict[Attention, Keyframes]:
        """What every self-attention is given and makes of the keyframes; the prediction for them isn't used."""
        unet = self.model.network
        injected = self.injection.self_attentions(unet, *self._step(t)) if self.injection else []
        found: dict[Attention, Keyframes] = {}
        with processed({each: ExtendedAttention(each in injected, found) for each in self_attentions(unet)}):
            self.model.predict(keyframes, t, self.prompts)
        return found

    def _propagated(
        self,
        part: Float[Tensor, "3 c n h w"],
        t: Stop,
        found: Mapping[Attention, Keyframes],
        weights: Float[Tensor, "n k"],
    ) -> Float[Tensor, "3 c n h w"]:
        """The predictions for some frames of all streams."""
        with processed({each: Propagation(keyframes, weights) for each, keyframes in found.items()}):
            return self.model.predict(part, t, self.prompts)

    def _step(self, t: Stop) -> tuple[int, int]:
        """The number of the sampler's step at t, and how many there are."""
        return list(self.source).index(t), len(self.source)
