"""HunyuanVideo (arXiv 2412.03603): blocks with projections of their own for the text, then blocks of one sequence."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Interval
from torch import nn

from motion_inversion.backbone.checkpointing import checkpoint_by_diffusers
from motion_inversion.backbone.family import Capability, Classes, each_time
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.scheduler import flow_of
from motion_inversion.backbone.size import Compression
from motion_inversion.backbone.text import text_length, tokenize
from motion_inversion.core.condition import POOLED_EMBEDS, PROMPT_EMBEDS, PROMPT_MASK, Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site
from motion_inversion.embedding.unified import find_sites

_SKIPPED = 2  # of the language model's last layers
_PATCH = (1, 2, 2)


@dataclass(frozen=True)
class HunyuanVideo:
    """Double blocks, then single ones, in which the text follows the video.

    The published model is distilled from guided predictions: guidance is an input of the network, and
    sampler.guidance=1 then.

    Args:
        time: Frames to a latent frame after the first.
        space: Pixels of a side to a latent row or column.
        length: Tokens of the prompt, padding included, which is masked; its template comes on top.
        guidance: The distilled guidance that the network is asked for; a network without that input doesn't see it.
    """

    parts: ClassVar[Classes] = {
        "tokenizer": ("LlamaTokenizer", "PreTrainedTokenizerFast"),
        "text_encoder": ("LlamaModel",),
        "tokenizer_2": ("CLIPTokenizer",),
        "text_encoder_2": ("CLIPTextModel",),
        "vae": ("AutoencoderKLHunyuanVideo",),
        "transformer": ("HunyuanVideoTransformer3DModel",),
        "scheduler": ("FlowMatchEulerDiscreteScheduler",),
    }
    optional: ClassVar[Classes] = {}
    denoiser: ClassVar[str] = "transformer"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"motion sites", "attention over space and time"})

    time: Annotated[int, Ge(1)] = 4
    space: Annotated[int, Ge(1)] = 8
    length: Annotated[int, Interval(ge=1, le=4096)] = 256
    guidance: Annotated[float, Interval(ge=0, le=1000)] = 6.0

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

    @torch.no_grad()
    def embed(self, model: Backbone, prompts: Sequence[str]) -> Condition:
        """The language model's states of the prompt in its template, less the template; and CLIP's pooled vector."""
        from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE

        cut, name = DEFAULT_PROMPT_TEMPLATE["crop_start"], model.config.name
        template = DEFAULT_PROMPT_TEMPLATE["template"]
        found = tokenize(model.part("tokenizer"), prompts, self.length, name, template, cut)
        encoder, brief_encoder = model.part("text_encoder"), model.part("text_encoder_2")
        ids, mask = (each.to(encoder.device) for each in found)
        states = encoder(ids, attention_mask=mask, output_hidden_states=True).hidden_states
        brief, _ = tokenize(model.part("tokenizer_2"), prompts, text_length(model.part("tokenizer_2"), 77), name)
        pooled = brief_encoder(brief.to(encoder.device)).pooler_output
        return Condition(
            {
                PROMPT_EMBEDS: states[-(_SKIPPED + 1)][:, cut:].float(),
                PROMPT_MASK: mask[:, cut:],
                POOLED_EMBEDS: pooled.float(),
            }
        )

    def network(self, model: Backbone) -> nn.Module:
        """The transformer."""
        return model.part("transformer")

    def predict(self, model: Backbone, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The velocity; time and guidance come times 1000."""
        transformer = model.part("transformer")
        guidance = torch.full((len(latents),), 1000 * self.guidance, dtype=latents.dtype, device=latents.device)
        return transformer(
            latents,
            (each_time(t, latents) + 1).to(latents.dtype),
            condition[PROMPT_EMBEDS],
            condition[PROMPT_MASK],
            condition[POOLED_EMBEDS],
            guidance if transformer.config.guidance_embeds else None,
            return_dict=False,
        )[0]

    def sites(self, model: Backbone) -> tuple[Site, ...]:
        """Double blocks, whose projections see the video alone, then single ones, where it comes first."""
        _, _, frames, rows, columns = model.latent_shape
        sections = {
            "double": (r"transformer_blocks\.(\d+)", "attn", 0),
            "single": (r"single_transformer_blocks\.(\d+)", "attn", 0),
        }
        return find_sites(model.part("transformer"), sections, self.compression.tokens((frames, rows, columns)))

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Block by block."""
        return checkpoint_by_diffusers(network)
