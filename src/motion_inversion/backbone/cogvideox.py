"""CogVideoX (arXiv 2408.06072): text and video in one sequence, v-prediction; also the topology of the small
shapes_dit."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn

from motion_inversion.backbone.checkpointing import checkpoint_by_diffusers
from motion_inversion.backbone.family import Capability, Classes, each_time
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import encode_text, text_length
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site
from motion_inversion.embedding.unified import find_sites
from motion_inversion.error import InputError


@dataclass(frozen=True)
class CogVideoX:
    """Joint attention over text, first, and video; the 2B model adds sines to its tokens, the others rotate them.

    Args:
        time: Frames to a latent frame; 1 for an autoencoder of pictures.
        space: Pixels of a side to a latent row or column.
        patch_time: Latent frames to a token: 1, or 2 in CogVideoX 1.5.
        length: Tokens of text, padding included.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("T5Tokenizer", "CLIPTokenizer"),
        "text_encoder": ("T5EncoderModel", "CLIPTextModel"),
        "vae": ("AutoencoderKLCogVideoX", "AutoencoderKL"),
        "transformer": ("CogVideoXTransformer3DModel",),
        "scheduler": ("CogVideoXDDIMScheduler", "CogVideoXDPMScheduler"),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over space and time"})

    time: Annotated[int, Ge(1)] = 4
    space: Annotated[int, Ge(1)] = 8
    patch_time: Annotated[int, Ge(1)] = 1
    length: Annotated[int, Interval(ge=1, le=4096)] = 226

    @property
    def compression(self) -> Compression:
        """How latents and tokens divide a clip."""
        return Compression(self.time, self.space, (self.patch_time, 2, 2), "odd")

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError unless the clip divides into latents and patches."""
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """The folder's own."""
        return process_of(model.part("scheduler"))

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """Hidden states of T5, its padding unmasked, as the model was trained."""
        return encode_text(model.part("tokenizer"), model.part("text_encoder"), prompts, model.config.name, self.length)

    def network(self, model: Backbone) -> nn.Module:
        """The transformer."""
        return model.part("transformer")

    def ready(self, part: str, module: Any) -> None:
        """Raises InputError if the transformer's patches are others than this family's."""
        if part == "transformer" and (module.config.patch_size_t or 1) != self.patch_time:
            found = module.config.patch_size_t or 1
            raise InputError(
                f"the transformer has patches of {found} latent frames, the model's file says {self.patch_time}: "
                f"set ++model.family.patch_time={found}"
            )

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """v; this class has frames ahead of channels."""
        transformer, size = model.part("transformer"), tuple(latents.shape[2:])
        rope = _rope(transformer, size) if transformer.config.use_rotary_positional_embeddings else None
        prediction: Tensor = transformer(
            latents.transpose(1, 2),
            condition[PROMPT_EMBEDS],
            each_time(t, latents),
            image_rotary_emb=rope,
            return_dict=False,
        )[0]
        return prediction.transpose(1, 2)

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every block; text comes first."""
        _, _, *size = model.latent_shape
        frames, rows, columns = size
        start = text_length(model.part("tokenizer"), self.length)
        sections = {"block": (r"transformer_blocks\.(\d+)", "attn1", start)}
        return find_sites(model.part("transformer"), sections, self.compression.tokens((frames, rows, columns)))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)


def _rope(transformer: Any, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary positions for latents of so many frames, rows and columns."""
    config = transformer.config
    patch = (config.patch_size_t or 1, config.patch_size, config.patch_size)
    frames, *grid = (side // own for side, own in zip(size, patch, strict=True))
    trained = (config.sample_height // config.patch_size, config.sample_width // config.patch_size)
    rope = _rotary(config.attention_head_dim, frames, tuple(grid), trained, config.patch_size_t is not None)
    return rope[0].to(transformer.device), rope[1].to(transformer.device)


@lru_cache(maxsize=16)
def _rotary(width: int, frames: int, grid: tuple[int, int], trained: tuple[int, int], sliced: bool) -> Any:
    """CogVideoX 1.0 stretches the grid it was trained on to another size, 1.5 takes a piece of it."""
    from diffusers.models.embeddings import get_3d_rotary_pos_embed
    from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

    cpu = torch.device("cpu")
    if sliced:
        for side, own, most in zip(("height", "width"), grid, trained, strict=True):
            if own > most:
                raise InputError(
                    f"model.{side} gives {own} tokens on that side, this transformer counts {most}: lower model.{side}"
                )
        return get_3d_rotary_pos_embed(width, None, grid, frames, grid_type="slice", max_size=trained, device=cpu)
    crop = get_resize_crop_region_for_grid(grid, trained[1], trained[0])
    return get_3d_rotary_pos_embed(width, crop, grid, frames, device=cpu)
