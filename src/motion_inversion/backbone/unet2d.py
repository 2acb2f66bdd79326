"""Image UNets of Stable Diffusion 1.x's layout, asked for the frames of a clip."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge
from jaxtyping import Float, Real
from torch import Tensor, nn

from motion_inversion.backbone.checkpointing import checkpoint_blocks
from motion_inversion.backbone.family import Capability, Classes
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import encode_text
from motion_inversion.core.condition import CONTROL_MAPS, PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Process, Stop, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site


@dataclass(frozen=True)
class UNet2D:
    """A model of pictures, which knows nothing of time: frames are a batch, unless a method joins them.

    Args:
        space: Pixels of a side to a latent row or column.
        controlnet: What its ControlNet (arXiv 2302.05543) was trained to follow, where it has one: "canny", "depth" or
            "hed".
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("CLIPTokenizer",),
        "text_encoder": ("CLIPTextModel",),
        "vae": ("AutoencoderKL",),
        "unet": ("UNet2DConditionModel",),
        "scheduler": ("DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"),
    }
    optional: ClassVar[Classes] = {"controlnet": ("ControlNetModel",)}
    denoiser: ClassVar[str] = "unet"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"frames on their own", "control maps"})

    space: Annotated[int, Ge(1)] = 8
    controlnet: str = field(default="canny", metadata={"digest": False})

    @property
    def compression(self) -> Compression:
        """How latents divide a clip."""
        return Compression(space=self.space)

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError for sides that aren't multiples of `space`, or a single frame."""
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """The folder's own."""
        return process_of(model.part("scheduler"))

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """CLIP's hidden states."""
        return encode_text(model.part("tokenizer"), model.part("text_encoder"), prompts, model.config.name)

    def network(self, model: Backbone) -> nn.Module:
        """The UNet."""
        return model.part("unet")

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The UNet's answer for each frame; with control maps, led by the ControlNet's residuals for them."""
        pictures, times = _frames(latents), _each(t, latents)
        text = condition[PROMPT_EMBEDS].repeat_interleave(latents.shape[2], dim=0)
        residuals: dict[str, Any] = {}
        if CONTROL_MAPS in condition.tensors:
            down, mid = model.part("controlnet")(
                pictures,
                times,
                encoder_hidden_states=text,
                controlnet_cond=_frames(condition[CONTROL_MAPS]),
                return_dict=False,
            )
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        unet = model.part("unet")
        prediction: Tensor = unet(pictures, times, encoder_hidden_states=text, return_dict=False, **residuals)[0]
        return prediction.unflatten(0, (len(latents), -1)).transpose(1, 2)

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """None: nothing attends over frames."""
        return ()

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block, as in a video UNet, which shares these blocks."""
        return checkpoint_blocks(network)


def _frames(clips: Float[Tensor, "b c f h w"]) -> Float[Tensor, "n c h w"]:
    """The frames of clips as a batch, clip by clip."""
    return clips.transpose(1, 2).flatten(0, 1)


def _each(t: Time, latents: Latents) -> Stop | Real[Tensor, " n"]:
    """The timestep of every frame."""
    return t.repeat_interleave(latents.shape[2]) if isinstance(t, Tensor) and t.ndim else t
