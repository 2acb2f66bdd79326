"""Wan 2.1 and 2.2 (arXiv 2503.20314): self-attention over the video, cross-attention to the text, flow matching."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn

from motion_inversion.backbone.checkpointing import checkpoint_by_diffusers
from motion_inversion.backbone.family import Capability, Classes, each_time
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.part import ModelFolder
from motion_inversion.backbone.scheduler import flow_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import encode_text
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site
from motion_inversion.embedding.unified import find_sites
from motion_inversion.error import InputError

_PATCH = (1, 2, 2)


@dataclass(frozen=True)
class Wan:
    """One transformer, or two: an expert for high noise, where motion is decided, and one for low noise.

    Args:
        time: Frames to a latent frame after the first; 1 for an autoencoder of pictures.
        space: Pixels of a side to a latent row or column.
        length: Tokens of text, padding included, which is zero to the transformer.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("T5Tokenizer", "CLIPTokenizer"),
        "text_encoder": ("UMT5EncoderModel", "CLIPTextModel"),
        "vae": ("AutoencoderKLWan", "AutoencoderKL"),
        "transformer": ("WanTransformer3DModel",),
        "scheduler": ("UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
    }
    optional: ClassVar[Classes] = {"transformer_2": ("WanTransformer3DModel",)}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over space and time"})

    time: Annotated[int, Ge(1)] = 4
    space: Annotated[int, Ge(1)] = 8
    length: Annotated[int, Interval(ge=1, le=4096)] = 512

    @property
    def compression(self) -> Compression:
        """How latents and tokens divide a clip."""
        return Compression(self.time, self.space, _PATCH, "alone")

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError unless there are 4k+1 frames, of which the autoencoder loses none, and whole patches."""
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """A straight path with the folder's shift."""
        return flow_of(model.part("scheduler"))

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """Hidden states of UMT5, zero behind the prompt's end."""
        tokenizer, encoder = model.part("tokenizer"), model.part("text_encoder")
        return encode_text(tokenizer, encoder, prompts, model.config.name, self.length, "zero")

    def network(self, model: Backbone) -> nn.Module:
        """The transformer, or both experts as one module."""
        if self._boundary(model) is None:
            return model.part("transformer")

        def experts() -> nn.Module:
            return nn.ModuleDict({"high": model.part("transformer"), "low": model.part("transformer_2")})

        return model.made("experts", experts)

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The velocity; time is σ · 1000."""
        boundary, times = self._boundary(model), each_time(t, latents) + 1
        if boundary is None:
            return _velocity(model.part("transformer"), latents, times, condition)
        experts = ["transformer" if noisy else "transformer_2" for noisy in times >= boundary * model.process.levels]
        if len({*experts}) == 1:
            return _velocity(model.part(experts[0]), latents, times, condition)
        clips = zip(experts, latents.split(1), times.split(1), condition.split(), strict=True)
        return torch.cat([_velocity(model.part(expert), clip, time, told) for expert, clip, time, told in clips])

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every self-attention; of two experts, those in sections "high" and "low"."""
        _, _, frames, rows, columns = model.latent_shape
        tokens, boundary = self.compression.tokens((frames, rows, columns)), self._boundary(model)
        if boundary is None:
            return find_sites(self.network(model), {"block": (r"blocks\.(\d+)", "attn1", 0)}, tokens)
        levels = model.process.levels
        first = math.ceil(boundary * levels) - 1  # that the expert for high noise is asked at, see `predict`
        times = {"high": (first, levels - 1), "low": (0, first - 1)}
        sections = {expert: (rf"{expert}\.blocks\.(\d+)", "attn1", 0) for expert in times}
        return find_sites(self.network(model), sections, tokens, times)

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(*(network.children() if isinstance(network, nn.ModuleDict) else (network,)))

    def _boundary(self, model: Backbone) -> float | None:
        """The σ from which on the expert for high noise is asked; None for a model without experts.

        Raises:
            InputError: for a boundary that is none, or for one of two experts.
        """
        return model.made("boundary", lambda: _read_boundary(model.config.folder, model.config.path))


def _read_boundary(folder: ModelFolder, path: str) -> float | None:
    """What the index says, if it and the parts agree."""
    boundary = folder.setting("boundary_ratio")
    if boundary is None:
        if folder.holds("transformer_2") and folder.has("transformer_2"):
            raise InputError(f"model.path={path} has transformer_2/, and no boundary_ratio in its index; add that")
        return None
    if isinstance(boundary, bool) or not isinstance(boundary, int | float) or not 0 < boundary < 1:
        raise InputError(
            f"model.path={path}: its index has boundary_ratio={boundary!r}; accepted are numbers between 0 and 1, "
            "as 0.875 of Wan 2.2"
        )
    if not folder.has("transformer_2"):
        raise InputError(f"model.path={path} has no transformer_2/, which its boundary_ratio asks for: copy it")
    return boundary


def _velocity(transformer: Any, latents: Latents, times: Tensor, condition: Condition) -> Latents:
    return transformer(latents, times, condition[PROMPT_EMBEDS], return_dict=False)[0]
