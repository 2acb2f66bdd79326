"""A text-to-image latent diffusion model of Stable Diffusion 1.x's layout, asked for the frames of a clip."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.component import IMAGE, ModelFolder
from motion_inversion.backbone.video_diffusion import VideoDiffusion, VideoModel
from motion_inversion.core.embedded import locate
from motion_inversion.core.error import InputError
from motion_inversion.core.shape import Latents

_OPTIONAL = {"controlnet": ("diffusers", "ControlNetModel")}

Hint = Float[Tensor, "b 3 f height width"]
"""Control maps in [0, 1], at the pictures' size."""


@dataclass(frozen=True)
class ImageDiffusion(VideoDiffusion):
    """An image model, at the size and clip length it is used at; it knows nothing of time.

    Args:
        control: What its ControlNet was trained to follow, where it has one: "canny", "depth" or "hed".

    All others as of `VideoDiffusion`; `parts` may name a ControlNet (arXiv 2302.05543) besides, as "controlnet".
    """

    control: str = field(default="canny", metadata={"digest": False})

    @cached_property
    def folder(self) -> ModelFolder:
        elsewhere = {part: locate(path) for part, path in self.parts.items()}
        return ModelFolder(locate(self.path), elsewhere, IMAGE, _OPTIONAL)

    def _model(self) -> "ImageModel":
        return ImageModel(self)


class ImageModel(VideoModel):
    """A loaded image model: every frame is a picture of its own, unless a method joins them."""

    def denoise(self, latents: Latents, t: int | Tensor, states: Float[Tensor, "b l d"]) -> Latents:
        """The UNet's prediction at timestep t for each frame, in float32; it is given frames as a batch (b f)."""
        return self._denoise(latents, t, states)

    def denoise_controlled(
        self, latents: Latents, t: int | Tensor, states: Float[Tensor, "b l d"], hint: Hint
    ) -> Latents:
        """`denoise`, led by the ControlNet's residuals for `hint`.

        Raises:
            InputError: if the model has no ControlNet.
        """
        pictures = _frames(latents).to(self.device, self.dtype)
        down, mid = self.part("controlnet")(
            pictures,
            _each(t, latents),
            encoder_hidden_states=self._each_state(states, latents),
            controlnet_cond=_frames(hint).to(self.device, self.dtype),
            return_dict=False,
        )
        residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        return self._denoise(latents, t, states, **residuals)

    def part(self, name: str) -> Any:
        """A part of the model: those of a video model, or controlnet.

        Raises:
            InputError: for a ControlNet, if there is none.
        """
        if name == "controlnet":
            self.require_controlnet()
        return super().part(name)

    def require_controlnet(self) -> None:
        """Raises InputError, saying how to give one, if there is no ControlNet; a hub is not asked."""
        if not self.config.folder.has("controlnet"):
            raise InputError(
                f"model={self.config.name} has no ControlNet; give a folder or hub id of one that fits the UNet: "
                "++model.parts.controlnet=/path/to/controlnet, and model.control=canny, depth or hed, as it was trained"
            )

    def _denoise(self, latents: Latents, t: int | Tensor, states: Tensor, **residuals: Any) -> Latents:
        pictures = _frames(latents).to(self.device, self.dtype)
        prediction = self.unet(
            pictures,
            _each(t, latents),
            encoder_hidden_states=self._each_state(states, latents),
            return_dict=False,
            **residuals,
        )[0]
        return cast(Tensor, prediction).float().unflatten(0, (len(latents), -1)).transpose(1, 2)

    def _each_state(self, states: Float[Tensor, "b l d"], latents: Latents) -> Float[Tensor, "n l d"]:
        return states.repeat_interleave(latents.shape[2], dim=0).to(self.device, self.dtype)


def _frames(clips: Float[Tensor, "b c f h w"]) -> Float[Tensor, "n c h w"]:
    """The frames of clips as a batch, clip by clip."""
    return clips.transpose(1, 2).flatten(0, 1)


def _each(t: int | Tensor, latents: Latents) -> int | Tensor:
    """The timestep of every frame."""
    if isinstance(t, int) or t.ndim == 0:
        return t
    return t.repeat_interleave(latents.shape[2])
