"""AnimateDiff (arXiv 2307.04725): an image UNet with motion modules between its layers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge
from torch import nn

from motion_inversion.backbone.checkpointing import checkpoint_by_diffusers
from motion_inversion.backbone.family import Capability, Classes
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import encode_text
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.factorised import find_sites
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError


@dataclass(frozen=True)
class AnimateDiff:
    """Its UNet comes whole, or as an image UNet and a motion adapter, which may lie elsewhere: `parts` says where.

    Args:
        space: Pixels of a side to a latent row or column.
        most: Frames that the motion modules tell apart.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("CLIPTokenizer",),
        "text_encoder": ("CLIPTextModel",),
        "vae": ("AutoencoderKL",),
        "unet": ("UNetMotionModel", "UNet2DConditionModel"),
        "scheduler": ("DDIMScheduler", "EulerDiscreteScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler"),
    }
    optional: ClassVar[Classes] = {"motion_adapter": ("MotionAdapter",)}
    denoiser: ClassVar[str] = "unet"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over time alone"})

    space: Annotated[int, Ge(1)] = 8
    most: Annotated[int, Ge(2)] = 32

    @property
    def compression(self) -> Compression:
        """How latents divide a clip."""
        return Compression(space=self.space)

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError for sides that aren't multiples of `space`, a single frame, or too many."""
        self.compression.check(frames, width, height)
        if frames > self.most:
            raise InputError(
                f"model.frames={frames}: the motion modules tell {self.most} frames apart; set model.frames={self.most}"
            )

    def process(self, model: Backbone) -> Process:
        """The folder's own."""
        return process_of(model.part("scheduler"))

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """CLIP's hidden states."""
        return encode_text(model.part("tokenizer"), model.part("text_encoder"), prompts, model.config.name)

    def network(self, model: Backbone) -> nn.Module:
        """The UNet with its motion modules.

        Raises:
            InputError: for an image UNet without a motion adapter.
        """
        from diffusers.models.unets.unet_motion_model import UNetMotionModel

        unet = model.part("unet")
        if isinstance(unet, UNetMotionModel):
            self._require_length(unet)
            return unet
        if not model.has("motion_adapter"):
            raise InputError(
                f"{model.config.name} has an image UNet and no motion modules; give a folder or hub id of an adapter "
                "that fits it: ++model.parts.motion_adapter=/path/to/motion-adapter"
            )
        self._require_length(model.part("motion_adapter"))
        return model.made("unet_with_motion", lambda: _joined(model))

    def _require_length(self, motion: Any) -> None:
        """Raises InputError for motion modules that tell fewer frames apart than `most`."""
        if (found := motion.config.motion_max_seq_length) < self.most:
            raise InputError(
                f"the motion modules tell {found} frames apart, the model's file says {self.most}: set "
                f"++model.family.most={found}, and model.frames={found} or less"
            )

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The UNet's answer; it sees the prompt once for every frame."""
        told = condition[PROMPT_EMBEDS].repeat_interleave(latents.shape[2], dim=0)
        return self.network(model)(latents, t, encoder_hidden_states=told, return_dict=False)[0]

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every block of the motion modules, each with two attentions over time."""
        from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

        _, _, frames, rows, columns = model.latent_shape
        return find_sites(self.network(model), AnimateDiffTransformer3D, _place, _run, (frames, rows, columns))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)


def _joined(model: Backbone) -> nn.Module:
    from diffusers.models.unets.unet_motion_model import UNetMotionModel

    joined: Any = UNetMotionModel.from_unet2d(model.part("unet"), model.part("motion_adapter"))
    return joined.requires_grad_(False).eval().to(model.device, model.dtype)


def _place(name: str, config: Any) -> tuple[str, int] | None:
    """Section and level; the up blocks count from the coarsest level."""
    levels = len(config["block_out_channels"])
    match name.split("."):
        case ["down_blocks", index, "motion_modules", *_]:
            return "down", int(index)
        case ["mid_block", "motion_modules", *_]:
            return "mid", levels - 1
        case ["up_blocks", index, "motion_modules", *_]:
            return "up", levels - 1 - int(index)
    return None


def _run(unet: Any, frames: int, height: int, width: int) -> None:
    latents = torch.empty(1, unet.config["in_channels"], frames, height, width)
    unet(latents, torch.zeros(1), torch.empty(frames, 1, unet.config["cross_attention_dim"]))
