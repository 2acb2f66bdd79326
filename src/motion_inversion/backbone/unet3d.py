"""Video UNets with layers for space and layers for time: ModelScope, ZeroScope, VideoCrafter2, the shapes model."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge
from torch import nn

from motion_inversion.backbone.checkpointing import checkpoint_blocks
from motion_inversion.backbone.family import Capability, Classes
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.temporal_convolution import specialise
from motion_inversion.backbone.text import encode_text
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.factorised import find_sites
from motion_inversion.embedding.site import Site


@dataclass(frozen=True)
class UNet3D:
    """A UNet whose temporal transformers attend over the frames of one position (arXiv 2308.06571).

    Args:
        space: Pixels of a side to a latent row or column.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("CLIPTokenizer",),
        "text_encoder": ("CLIPTextModel",),
        "vae": ("AutoencoderKL",),
        "unet": ("UNet3DConditionModel",),
        "scheduler": ("DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "unet"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            "motion sites",
            "attention over time alone",
            "separate layers for space and time",
            "temporal convolutions",
        }
    )

    space: Annotated[int, Ge(1)] = 8

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

    def ready(self, part: str, module: Any) -> None:
        """Temporal convolutions as two-dimensional ones: the same sums in less time."""
        if part == "unet":
            specialise(module)

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The UNet's answer."""
        unet = model.part("unet")
        return unet(latents, t, encoder_hidden_states=condition[PROMPT_EMBEDS], return_dict=False)[0]

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every temporal transformer block but those of the transformer ahead of the first level."""
        from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel

        _, _, frames, rows, columns = model.latent_shape
        return find_sites(model.part("unet"), TransformerTemporalModel, _place, _run, (frames, rows, columns))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block, which diffusers doesn't offer for this class."""
        return checkpoint_blocks(network)


def _place(name: str, config: Any) -> tuple[str, int] | None:
    """Section and level; the up blocks count from the coarsest level."""
    levels = len(config["block_out_channels"])
    match name.split("."):
        case ["down_blocks", index, "temp_attentions", *_]:
            return "down", int(index)
        case ["mid_block", "temp_attentions", *_]:
            return "mid", levels - 1
        case ["up_blocks", index, "temp_attentions", *_]:
            return "up", levels - 1 - int(index)
    return None


def _run(unet: Any, frames: int, height: int, width: int) -> None:
    latents = torch.empty(1, unet.config["in_channels"], frames, height, width)
    unet(latents, torch.zeros(1), torch.empty(1, 1, unet.config["cross_attention_dim"]))
