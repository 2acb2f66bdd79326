"""A text-to-video latent diffusion model: what the configuration says of it, and the loaded model."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_inversion.backbone.checkpointing import checkpoint_blocks
from motion_inversion.backbone.component import ModelFolder
from motion_inversion.backbone.temporal_convolution import specialise
from motion_inversion.core.embedded import locate
from motion_inversion.core.error import InputError
from motion_inversion.core.schedule import DdimInversion, Progress, Schedule
from motion_inversion.core.shape import Latents
from motion_inversion.core.strategy import Strategy

log = logging.getLogger(__name__)

Precision = Literal["float32", "float16", "bfloat16"]
Pixels: TypeAlias = UInt8[np.ndarray, "f height width 3"]
"""A clip's frames, 8-bit RGB; their sides are other numbers than those of `Latents`."""
_PRESENTATION: dict[str, Any] = {"digest": False}


@dataclass(frozen=True)
class VideoDiffusion:
    """A model in the diffusers directory layout, at the size it is used at.

    Args:
        name: How tables call it.
        path: A local folder, a hub id, or "embedded:shapes" for the model that ships with the package.
        frames, width, height: Size of its clips; width and height in pixels, multiples of `multiple`.
        multiple: Pixels per latent position.
        guidance: Classifier-free guidance scale w: ε = ε_∅ + w (ε_text − ε_∅) (arXiv 2207.12598).
        strategy: The map on value embeddings that suits it, used unless `strategy=` says otherwise.
        judge: The text–image model that suits its pictures, for text similarity.
        dtype: Of weights and activations; the embeddings are float32 always.
        device: "auto" takes a GPU where there is one.
        fps: Frames per second of what it generates.
        checkpointing: Recompute activations in the backward pass: less memory, more time.
        chunk: Frames that the autoencoder handles at a time.
        parts: By the names of parts, folders or hub ids to take them from instead.

    Raises:
        InputError: for sizes that don't fit `multiple`, or fewer than two frames.
    """

    name: str = field(metadata=_PRESENTATION)
    path: str = field(metadata=_PRESENTATION)
    frames: int
    width: int
    height: int
    guidance: float = field(metadata=_PRESENTATION)
    strategy: Strategy = field(metadata=_PRESENTATION)
    judge: object = field(metadata=_PRESENTATION)
    dtype: Precision = "float32"
    multiple: int = 8
    fps: float = 8.0
    device: str = field(default="auto", metadata=_PRESENTATION)
    checkpointing: bool = field(default=False, metadata=_PRESENTATION)
    chunk: int = field(default=8, metadata=_PRESENTATION)
    parts: Mapping[str, str] = field(default_factory=dict, metadata=_PRESENTATION)

    def __post_init__(self) -> None:
        for side in ("width", "height"):
            value = getattr(self, side)
            if value < self.multiple or value % self.multiple:
                near = max(self.multiple, round(value / self.multiple) * self.multiple)
                raise InputError(
                    f"model.{side}={value}: accepted are multiples of {self.multiple}; set model.{side}={near}"
                )
        if self.frames < 2:
            raise InputError(f"model.frames={self.frames}: motion takes at least 2 frames; set model.frames=16")

    @cached_property
    def folder(self) -> ModelFolder:
        """Where the weights are: what `path` and `parts` stand for."""
        return ModelFolder(locate(self.path), {part: locate(path) for part, path in self.parts.items()})

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of the weights: a moved folder is the same model, replaced weights are another."""
        return self.folder.fingerprint()

    def load(self) -> "VideoModel":
        """The model, its parts to be read when first used.

        Raises:
            InputError: for a missing or incomplete folder, or one that the hub doesn't give.
        """
        model = self._model()
        self.folder.check()
        model.part("scheduler")  # the smallest: a hub that gives nothing is found out here, once
        return model

    def _model(self) -> "VideoModel":
        return VideoModel(self)


class VideoModel:
    """A loaded model; every part is read at its first use and can be dropped again with `release`."""

    def __init__(self, config: VideoDiffusion) -> None:
        self.config = config
        self.device = _device(config.device)
        self.dtype: torch.dtype = getattr(torch, config.dtype)
        self._parts: dict[str, Any] = {}

    def part(self, name: str) -> Any:
        """A part of the folder: tokenizer, text_encoder, vae, unet or scheduler."""
        if name not in self._parts:
            part = self.config.folder.load(name, self.dtype, self.device)
            if name == "unet":
                specialise(part)
            self._parts[name] = part
        return self._parts[name]

    def release(self, *names: str) -> None:
        """Lets go of parts that aren't needed for now."""
        for name in names:
            self._parts.pop(name, None)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def unet(self) -> Any:
        """The frozen UNet."""
        return self.part("unet")

    @cached_property
    def schedule(self) -> Schedule:
        """The noise levels that the model was trained with."""
        return Schedule.from_scheduler(self.part("scheduler"))

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of one clip's latents, (1, c, f, h, w)."""
        config = self.config
        channels = int(self.unet.config.in_channels)
        return (1, channels, config.frames, config.height // config.multiple, config.width // config.multiple)

    def checkpointed(self) -> AbstractContextManager[None]:
        """Gradient checkpointing while the context lasts, if the configuration asks for it."""
        return checkpoint_blocks(self.unet) if self.config.checkpointing else nullcontext()

    @torch.no_grad()
    def encode(self, video: Pixels) -> Latents:
        """Latents (1, c, f, h, w) of 8-bit frames, in float32: the mean of the encoder's distribution, scaled."""
        vae = self.part("vae")
        pixels = torch.from_numpy(np.array(video)).permute(0, 3, 1, 2).to(self.device)
        parts = [
            vae.encode((chunk.float() / 127.5 - 1).to(self.dtype)).latent_dist.mean
            for chunk in pixels.split(self.config.chunk)
        ]
        return (torch.cat(parts).float() * vae.config.scaling_factor).transpose(0, 1)[None]

    @torch.no_grad()
    def decode(self, latents: Latents) -> Pixels:
        """8-bit frames of one clip's latents (1, c, f, h, w).

        Raises:
            FloatingPointError: if they are not finite.
        """
        vae = self.part("vae")
        frames = (latents[0].transpose(0, 1) / vae.config.scaling_factor).to(self.device, self.dtype)
        pictures = torch.cat([vae.decode(chunk).sample.float() for chunk in frames.split(self.config.chunk)])
        if not torch.isfinite(pictures).all():
            raise FloatingPointError("the autoencoder's output is not finite: model.dtype=float32")
        pixels = ((pictures / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "b l d"]:
        """The text encoder's states, padded to its context.

        Raises:
            InputError: for a prompt that is longer than the context.
        """
        tokenizer, encoder = self.part("tokenizer"), self.part("text_encoder")
        limit = min(int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings))
        for prompt in prompts:
            count = len(tokenizer(prompt, verbose=False).input_ids)  # it would warn of what is an error here
            if count > limit:
                raise InputError(
                    f"the prompt '{prompt[:60]}…' has {count} tokens, the text encoder of {self.config.name} "
                    f"takes {limit}: shorten it where it is set, among the dataset's prompts or in prompt_prefix, "
                    "negative_prompt or inversion.prompt"
                )
        tokens = tokenizer(list(prompts), padding="max_length", max_length=limit, return_tensors="pt").input_ids
        return encoder(tokens.to(self.device)).last_hidden_state.float()

    def denoise(self, latents: Latents, t: int | Tensor, states: Float[Tensor, "b l d"]) -> Latents:
        """The UNet's prediction at timestep t, in float32; gradients flow to whatever is injected."""
        latents, states = latents.to(self.device, self.dtype), states.to(self.device, self.dtype)
        prediction = self.unet(latents, t, encoder_hidden_states=states, return_dict=False)[0]
        return prediction.float()

    def guided(
        self, latents: Latents, t: int, states: Float[Tensor, "b l d"], negative: Float[Tensor, "b l d"]
    ) -> Latents:
        """Classifier-free guidance with the model's scale; scale 1 needs no negative prediction."""
        scale = self.config.guidance
        if scale == 1:
            return self.denoise(latents, t, states)
        both = self.denoise(torch.cat([latents, latents]), t, torch.cat([negative, states]))
        without, with_text = both.chunk(2)
        return without + scale * (with_text - without)

    def invert(
        self,
        inversion: DdimInversion,
        latents: Latents,
        states: Float[Tensor, "b l d"],
        progress: Progress | None = None,
        visit: Callable[[int, Latents], object] | None = None,
    ) -> Latents:
        """The noisiest latents from clean ones, told `states` without guidance; `visit` as in `DdimInversion.invert`.

        Raises:
            FloatingPointError: when latents stop being finite.
        """

        def denoise(noisy: Latents, t: int) -> Latents:
            return self.denoise(noisy, t, states)

        return inversion.invert(self.schedule, denoise, latents.to(self.device), progress, visit)


def _device(name: str) -> torch.device:
    """The device of this name. Raises InputError if there is none."""
    found = torch.cuda.is_available()
    accepted = f"auto, cpu{', cuda' if found else ' (no GPU is visible)'}"
    try:
        device = torch.device(("cuda" if found else "cpu") if name == "auto" else name)
    except RuntimeError as error:
        raise InputError(f"model.device={name} is no device; accepted are {accepted}; set model.device=auto") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"model.device={name} is not there; accepted are {accepted}; set model.device=auto")
    return device
