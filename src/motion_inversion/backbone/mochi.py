"""Mochi 1: joint attention with projections of its own for the text; its time runs from noise at 0 to the clip at 1."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval
from torch import nn

from motion_inversion.backbone.checkpointing import checkpoint_by_diffusers
from motion_inversion.backbone.family import Capability, Classes, each_time
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import flow_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import encode_text
from motion_inversion.core.condition import PROMPT_EMBEDS, PROMPT_MASK, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site
from motion_inversion.embedding.unified import find_sites

_PATCH = (1, 2, 2)
_THRESHOLD = 0.025  # of noise, up to which half of the steps go evenly, as in its pipeline


@dataclass(frozen=True)
class Mochi:
    """A network of the clip's share 1 − σ that answers x_0 − ε: here both are turned round.

    Args:
        time: Frames to a latent frame after the first.
        space: Pixels of a side to a latent row or column.
        length: Tokens of text, padding included, which is masked.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("T5Tokenizer",),
        "text_encoder": ("T5EncoderModel",),
        "vae": ("AutoencoderKLMochi",),
        "transformer": ("MochiTransformer3DModel",),
        "scheduler": ("FlowMatchEulerDiscreteScheduler",),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over space and time"})

    time: Annotated[int, Ge(1)] = 6
    space: Annotated[int, Ge(1)] = 8
    length: Annotated[int, Interval(ge=1, le=4096)] = 256

    @property
    def compression(self) -> Compression:
        """How latents and tokens divide a clip."""
        return Compression(self.time, self.space, _PATCH, "alone")

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError unless there are 6k+1 frames, of which the autoencoder loses none, and whole patches."""
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """A straight path; half of the steps go to the noisiest fortieth of it."""
        from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule

        return flow_of(
            model.part("scheduler"),
            sigmas=lambda steps: linear_quadratic_schedule(steps, _THRESHOLD, max(1, steps // 2)),
        )

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """Hidden states of T5, with the mask of the words."""
        tokenizer, encoder = model.part("tokenizer"), model.part("text_encoder")
        return encode_text(tokenizer, encoder, prompts, model.config.name, self.length, "masked")

    def network(self, model: Backbone) -> nn.Module:
        """The transformer."""
        return model.part("transformer")

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The velocity ε − x_0; the network's time is (1 − σ) · 1000."""
        times = model.process.levels - (each_time(t, latents) + 1)
        told = condition[PROMPT_EMBEDS], times.to(latents.dtype), condition[PROMPT_MASK].bool()
        return -model.part("transformer")(latents, *told, return_dict=False)[0]

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every block; their projections see the video alone."""
        _, _, frames, rows, columns = model.latent_shape
        sections = {"block": (r"transformer_blocks\.(\d+)", "attn1", 0)}
        return find_sites(model.part("transformer"), sections, self.compression.tokens((frames, rows, columns)))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)
