"""LTX-Video (arXiv 2501.00103): self- and cross-attention over packed tokens of a strongly compressing autoencoder."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval
from torch import Tensor, nn

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


@dataclass(frozen=True)
class Ltx:
    """A token is a latent position. Rotary positions are in seconds and pixels, so that `model.fps` enters them.

    Args:
        time: Frames to a latent frame after the first.
        space: Pixels of a side to a latent row or column.
        length: Tokens of text, padding included, which is masked.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("T5Tokenizer",),
        "text_encoder": ("T5EncoderModel",),
        "vae": ("AutoencoderKLLTXVideo",),
        "transformer": ("LTXVideoTransformer3DModel",),
        "scheduler": ("FlowMatchEulerDiscreteScheduler",),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over space and time"})

    time: Annotated[int, Ge(1)] = 8
    space: Annotated[int, Ge(1)] = 32
    length: Annotated[int, Interval(ge=1, le=4096)] = 128

    @property
    def compression(self) -> Compression:
        """How latents and tokens divide a clip."""
        return Compression(self.time, self.space, first="alone")

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError unless there are 8k+1 frames, of which the autoencoder loses none."""
        self.compression.check(frames, width, height)

    def process(self, model: Backbone) -> Process:
        """A straight path, whose shift grows with the number of tokens."""
        config = model.config
        frames, rows, columns = self.compression.latents(config.frames, config.height, config.width)
        return flow_of(model.part("scheduler"), frames * rows * columns)

    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """Hidden states of T5 and the mask of the words."""
        tokenizer, encoder = model.part("tokenizer"), model.part("text_encoder")
        return encode_text(tokenizer, encoder, prompts, model.config.name, self.length, "masked after")

    def network(self, model: Backbone) -> nn.Module:
        """The transformer."""
        return model.part("transformer")

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The velocity; time is σ · 1000."""
        frames, rows, columns = latents.shape[2:]
        prediction: Tensor = model.part("transformer")(
            latents.flatten(2).transpose(1, 2),
            condition[PROMPT_EMBEDS],
            each_time(t, latents) + 1,
            condition[PROMPT_MASK],
            num_frames=frames,
            height=rows,
            width=columns,
            rope_interpolation_scale=(self.time / model.config.fps, self.space, self.space),
            return_dict=False,
        )[0]
        return prediction.transpose(1, 2).unflatten(2, (frames, rows, columns))

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Every self-attention."""
        _, _, frames, rows, columns = model.latent_shape
        sections = {"block": (r"transformer_blocks\.(\d+)", "attn1", 0)}
        return find_sites(model.part("transformer"), sections, (frames, rows, columns))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)
