"""Allegro (arXiv 2410.15458), of Open-Sora-Plan's kin: self- and cross-attention, ε-prediction, rotary positions."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Interval
from torch import nn

from motion_inversion.backbone.checkpointing import checkpoint_by_diffusers
from motion_inversion.backbone.family import Capability, Classes, each_time
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import encode_text
from motion_inversion.core.condition import PROMPT_EMBEDS, PROMPT_MASK, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site
from motion_inversion.embedding.unified import find_sites
from motion_inversion.error import InputError

_PATCH = (1, 2, 2)


@dataclass(frozen=True)
class Allegro:
    """A diffusion on a table of ᾱ, whose autoencoder works in tiles alone: clips are of sizes that tiles cover.

    Args:
        time: Frames to a latent frame.
        space: Pixels of a side to a latent row or column.
        length: Tokens of text, padding included, which is masked.
        tile: Sides of the autoencoder's tiles in pixels.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("T5Tokenizer",),
        "text_encoder": ("T5EncoderModel",),
        "vae": ("AutoencoderKLAllegro",),
        "transformer": ("AllegroTransformer3DModel",),
        "scheduler": ("EulerAncestralDiscreteScheduler", "DDIMScheduler", "EulerDiscreteScheduler"),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over space and time"})

    time: Annotated[int, Ge(1)] = 4
    space: Annotated[int, Ge(1)] = 8
    length: Annotated[int, Interval(ge=1, le=4096)] = 512
    tile: Annotated[int, Ge(8)] = 320

    @property
    def compression(self) -> Compression:
        """How latents and tokens divide a clip."""
        return Compression(self.time, self.space, _PATCH)

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError unless tiles cover the clip, which divide into latents and patches."""
        sides = {"frames": (frames, 24, 8), "height": (height, self.tile, 120), "width": (width, self.tile, 80)}
        for side, (given, tile, overlap) in sides.items():
            step = tile - overlap
            if step <= 0:
                raise InputError(
                    f"model.family.tile={tile}: tiles overlap by {overlap} pixels, and must be larger; set "
                    "++model.family.tile=320"
                )
            unit = self.time if side == "frames" else self.compression.multiple
            accepted = [size for size in range(tile, max(given, tile) + 3 * step * unit, step) if size % unit == 0]
            if given not in accepted:
                below = [size for size in accepted if size < given][-1:]
                near = [str(size) for size in (*below, *[size for size in accepted if size > given][:1])]
                raise InputError(
                    f"model.{side}={given}: this model's autoencoder works in tiles of {tile} that overlap by "
                    f"{overlap}, and would lose what they don't cover; nearest are {' and '.join(near)}; "
                    f"set model.{side}={near[-1]}"
                )
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """The folder's table of ᾱ."""
        return process_of(model.part("scheduler"))

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """Hidden states of T5, with the mask of the words."""
        tokenizer, encoder = model.part("tokenizer"), model.part("text_encoder")
        return encode_text(tokenizer, encoder, prompts, model.config.name, self.length, "masked")

    def network(self, model: Backbone) -> nn.Module:
        """The transformer."""
        return model.part("transformer")

    def ready(self, part: str, module: Any) -> None:
        """Tiles for the autoencoder, which can't do without."""
        if part == "vae":
            module.enable_tiling()

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """ε."""
        transformer, (frames, rows, columns) = model.part("transformer"), latents.shape[2:]
        return transformer(
            latents,
            condition[PROMPT_EMBEDS],
            each_time(t, latents),
            encoder_attention_mask=condition[PROMPT_MASK],
            image_rotary_emb=_rope(transformer, self.compression.tokens((frames, rows, columns))),
            return_dict=False,
        )[0]

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every self-attention."""
        _, _, frames, rows, columns = model.latent_shape
        sections = {"block": (r"transformer_blocks\.(\d+)", "attn1", 0)}
        return find_sites(model.part("transformer"), sections, self.compression.tokens((frames, rows, columns)))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)


def _rope(transformer: Any, tokens: tuple[int, int, int]) -> Any:
    """Frequencies of the three axes, and where each token is on them."""
    config = transformer.config
    scale = (config.interpolation_scale_t, config.interpolation_scale_h, config.interpolation_scale_w)
    frequencies, places = _rotary(config.attention_head_dim, tokens, scale)
    moved = [tuple((each[0].to(transformer.device), each[1].to(transformer.device)) for each in frequencies)]
    return moved[0], tuple(place.to(transformer.device) for place in places)


@lru_cache(maxsize=16)
def _rotary(width: int, tokens: tuple[int, int, int], scale: tuple[float, float, float]) -> Any:
    from diffusers.models.embeddings import get_3d_rotary_pos_embed_allegro

    frames, rows, columns = tokens
    found: Any = get_3d_rotary_pos_embed_allegro(
        embed_dim=width,
        crops_coords=((0, 0), (rows, columns)),
        grid_size=(rows, columns),
        temporal_size=frames,
        interpolation_scale=scale,
        device=torch.device("cpu"),
    )
    *frequencies, t, h, w = found
    places = torch.cartesian_prod(t.long(), h.long(), w.long()).T.reshape(3, 1, -1).contiguous()
    return tuple(frequencies), tuple(places)
