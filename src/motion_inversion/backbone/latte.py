"""Latte (arXiv 2401.03048): a transformer whose blocks for space and for time take turns."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Interval
from torch import Tensor, nn

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

_MASKED = -10000.0  # added to the logits of padding, as everywhere in diffusers


@dataclass(frozen=True)
class Latte:
    """Attention over time is a layer of its own, as in a video UNet, with sines that count frames.

    Args:
        frames: The one clip length that there are sines for.
        space: Pixels of a side to a latent row or column.
        length: Tokens of text, padding included, which is masked. (Its pipeline cuts padding off, and gives the
            negative prompt as much of its own padding as the prompt has words.)
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("T5Tokenizer",),
        "text_encoder": ("T5EncoderModel",),
        "vae": ("AutoencoderKL",),
        "transformer": ("LatteTransformer3DModel",),
        "scheduler": ("DDIMScheduler",),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over time alone"})

    frames: Annotated[int, Ge(2)] = 16
    space: Annotated[int, Ge(1)] = 8
    length: Annotated[int, Interval(ge=1, le=4096)] = 120

    @property
    def compression(self) -> Compression:
        """How latents and tokens divide a clip."""
        return Compression(1, self.space, (1, 2, 2))

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError for another clip length, or sizes that don't divide into patches."""
        if frames != self.frames:
            raise InputError(
                f"model.frames={frames}: this model tells {self.frames} frames apart, no more and no fewer; "
                f"set model.frames={self.frames}"
            )
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """The folder's own."""
        return process_of(model.part("scheduler"))

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """Hidden states of T5, with the mask of the words."""
        tokenizer, encoder = model.part("tokenizer"), model.part("text_encoder")
        return encode_text(tokenizer, encoder, prompts, model.config.name, self.length, "masked")

    def network(self, model: Backbone) -> nn.Module:
        """The transformer."""
        return model.part("transformer")

    def ready(self, part: str, module: Any) -> None:
        """Raises InputError if the transformer tells another number of frames apart."""
        if part == "transformer" and (found := module.config.video_length) != self.frames:
            raise InputError(
                f"the transformer tells {found} frames apart, the model's file says {self.frames}: set "
                f"++model.family.frames={found} model.frames={found}"
            )

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """ε; the variance that the network predicts besides isn't used."""
        padding = (1 - condition[PROMPT_MASK].to(latents.dtype)) * _MASKED
        prediction: Tensor = model.part("transformer")(
            latents,
            each_time(t, latents),
            condition[PROMPT_EMBEDS],
            padding[:, None].repeat_interleave(latents.shape[2], dim=0),
            return_dict=False,
        )[0]
        return prediction[:, : latents.shape[1]]

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every block over time."""
        _, _, frames, rows, columns = model.latent_shape
        sections = {"block": (r"temporal_transformer_blocks\.(\d+)", "attn1", None)}
        return find_sites(model.part("transformer"), sections, self.compression.tokens((frames, rows, columns)))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)
