"""A pretrained model: what the configuration says of it, and the loaded model that stages and methods see."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from annotated_types import Ge, Interval, Le, MinLen
from torch import nn

from motion_inversion.backbone import autoencoder
from motion_inversion.backbone.attention import attention
from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.backbone.device import device_of
from motion_inversion.backbone.family import Capability, Family, Preparing, require
from motion_inversion.backbone.part import ModelFolder
from motion_inversion.backbone.size import MOST_FRAMES
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Process, Stop, Time
from motion_inversion.core.sampler import OdeInversion, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.core.vocabulary import Vocabulary, words_of
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError
from motion_inversion.storage.embedded import PREFIX, locate

Made = TypeVar("Made")
Precision = Literal["float32", "float16", "bfloat16", "auto"]
# What networks call the width of the text that they take; the first that is there counts.
_TEXT_WIDTHS = ("encoder_hid_dim", "text_dim", "text_embed_dim", "caption_channels", "cross_attention_dim")
_PRESENTATION: dict[str, Any] = {"digest": False}


@dataclass(frozen=True)
class Model:
    """A model in the diffusers directory layout, at the size it is used at.

    Args:
        name: How tables call it.
        path: A local folder, a hub id, or "embedded:shapes" for a model that ships with the package.
        family: What kind of model it is.
        frames, width, height: Size of its clips; width and height in pixels.
        dtype: Of weights and activations; what is learnt is float32 always. "auto" is what suits the device and the
            model (`precision.suited`); the command puts that in its place before anything runs.
        fps: Frames per second of what it generates.
        device: "auto" takes a GPU where there is one, of several one that no other process has.
        checkpointing: Recompute activations in the backward pass: less memory, more time.
        chunk: Frames that an autoencoder of pictures handles at a time.
        offload: Whether text encoders stay on the CPU, for a GPU that has no room for them.
        parts: By the names of parts, folders or hub ids to take them from instead.

    Raises:
        InputError: for lengths and sizes that the family can't take.
    """

    name: Annotated[str, MinLen(1)] = field(metadata=_PRESENTATION)
    path: Annotated[str, MinLen(1)] = field(metadata=_PRESENTATION)
    family: Family
    frames: Annotated[int, Le(MOST_FRAMES)]
    width: Annotated[int, Le(8192)]
    height: Annotated[int, Le(8192)]
    dtype: Precision = "float32"
    fps: Annotated[float, Interval(ge=0.1, le=1000)] = 8.0  # a video file can say no slower
    device: str = field(default="auto", metadata=_PRESENTATION)
    checkpointing: bool = field(default=False, metadata=_PRESENTATION)
    chunk: Annotated[int, Ge(1)] = field(default=8, metadata=_PRESENTATION)
    offload: bool = field(default=False, metadata=_PRESENTATION)
    parts: Mapping[str, str] = field(default_factory=dict, metadata=_PRESENTATION)

    def __post_init__(self) -> None:
        self.family.check(self.frames, self.width, self.height)

    @cached_property
    def folder(self) -> ModelFolder:
        """Where the weights are: what `path` and `parts` stand for."""
        elsewhere = {part: locate(path) for part, path in self.parts.items()}
        return ModelFolder(locate(self.path), elsewhere, self.family.parts, self.family.optional)

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of the weights: a moved folder is the same model, replaced weights are another."""
        return self.folder.fingerprint()

    def load(self, kept: bool = False) -> "Backbone":
        """The model, its parts to be read when first used.

        Args:
            kept: Whether to take what was read of the same weights by the last that was `kept`, as the job before of a
                sweep, and to leave it to the next. Whoever is interrupted while the network is changed must `drop` it.

        Raises:
            InputError: for a missing or incomplete folder, or one that the hub doesn't give; for a precision that is
                still to be chosen.
        """
        if self.dtype == "auto":
            raise InputError("model.dtype=auto is for commands; here accepted are float32, float16 and bfloat16")
        self.folder.check()
        model = Backbone(self, _kept_parts(self) if kept else {})
        if not self.folder.holds("scheduler"):
            model.part("scheduler")  # the smallest: a hub that gives nothing is found out here, once
        self._check_origin()
        return model

    def _check_origin(self) -> None:
        """Raises InputError for a complete model of the user's own of which parts would be taken from the package."""
        if self.path.startswith(PREFIX):
            return
        own = Path(locate(self.path))
        shared = [part for part, place in self.parts.items() if place.startswith(PREFIX)]
        if replaced := [part for part in shared if not own.is_dir() or (own / part).is_dir()]:
            raise InputError(
                f"model.path={self.path} is a whole model, but model={self.name} takes {' and '.join(replaced)} from "
                "the package; choose the model= that fits the folder, such as model=zeroscope, or set model.parts={}"
            )


class Backbone:
    """A loaded model; every part is read at its first use and can be dropped again with `release`."""

    def __init__(self, config: Model, parts: dict[str, Any] | None = None) -> None:
        self.config = config
        self.device = device_of(config.device)
        self.dtype: torch.dtype = getattr(torch, config.dtype)
        self._parts: dict[str, Any] = {} if parts is None else parts

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What methods can ask of it."""
        return self.config.family.capabilities

    def require(self, method: str, *needed: Capability) -> None:
        """Raises InputError, naming what is missing and a model that has it, if a method needs more than this one
        can."""
        require(self.config.family, self.config.name, method, *needed)

    def has(self, part: str) -> bool:
        """Whether the folder has a part, or may have it, on the hub."""
        return self.config.folder.has(part)

    def part(self, name: str) -> Any:
        """A part of the folder, by the name that its model_index.json gives it.

        Raises:
            InputError: if it is missing, broken or of a class that the family doesn't know.
        """
        if name not in self._parts:
            part = self.config.folder.load(name, *self._kept(name))
            if isinstance(self.config.family, Preparing):
                self.config.family.ready(name, part)
            self._parts[name] = part
        return self._parts[name]

    def _kept(self, name: str) -> tuple[torch.dtype, torch.device]:
        """The type and the device of a part; a CPU computes little in float16."""
        if not (self.config.offload and name.startswith("text_encoder")):
            return self.dtype, self.device
        return torch.float32 if self.dtype is torch.float16 else self.dtype, torch.device("cpu")

    def release(self, *names: str) -> None:
        """Lets go of parts that aren't needed for now: "text_encoder" is every text encoder, and so on."""
        for part in [part for part in self._parts if part.startswith(names)]:
            del self._parts[part]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def drop(self) -> None:
        """Lets go of all parts, so that whoever comes next reads them anew."""
        self.release("")

    @property
    def network(self) -> nn.Module:
        """The frozen network that denoises."""
        return self.config.family.network(self)

    def made(self, name: str, make: Callable[[], Made]) -> Made:
        """What a family makes of parts or reads of their folder, such as two experts as one module: once, until
        `release`."""
        if name not in self._parts:
            self._parts[name] = make()
        return self._parts[name]

    @cached_property
    def process(self) -> Process:
        """The noising process that the model was trained with."""
        return self.config.family.process(self)

    @cached_property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of one clip's latents, (1, c, f, h, w)."""
        config, family = self.config, self.config.family
        channels = int(self.part(family.denoiser).config.in_channels)
        return (1, channels, *family.compression.latents(config.frames, config.height, config.width))

    def checkpointed(self) -> AbstractContextManager[None]:
        """Gradient checkpointing while the context lasts, if the configuration asks for it."""
        if not self.config.checkpointing:
            return nullcontext()
        return self.config.family.checkpointed(self.network)

    def encode(self, video: Pixels) -> Latents:
        """Latents (1, c, f, h, w) of 8-bit frames, in float32: the mean of the encoder's distribution, scaled.

        Raises:
            InputError: if the autoencoder makes latents of another shape than the family says.
        """
        latents = autoencoder.encode(self.part("vae"), video, self.config.chunk)
        frames = latents.shape[2] if len(video) != self.config.frames else self.latent_shape[2]
        expected = (*self.latent_shape[:2], frames, *self.latent_shape[3:])
        if latents.shape != expected:
            raise InputError(
                f"the autoencoder of {self.config.name} makes latents of {_sides(latents.shape)} of this clip, the "
                f"network takes {_sides(expected)}: the folder's parts don't belong together, or model.family "
                "doesn't fit them"
            )
        return latents

    def decode(self, latents: Latents) -> Pixels:
        """8-bit frames of one clip's latents (1, c, f, h, w).

        Raises:
            FloatingPointError: if they are not finite.
        """
        return autoencoder.decode(self.part("vae"), latents, self.config.chunk)

    def vocabulary(self) -> Vocabulary | None:
        """The words that the text encoder of an embedded model was trained on; None of any other."""
        config = self.config
        if not config.parts.get("tokenizer", config.path).startswith(PREFIX):
            return None
        return words_of(config.folder.vocabulary("tokenizer"))

    def embed(self, prompts: Sequence[str]) -> Condition:
        """What the network is told of prompts, in float32.

        Raises:
            InputError: for a prompt that is longer than the text encoder takes, or an encoder of another width than
                the network takes.
        """
        told = self.config.family.embed(self, prompts)
        network = self.config.folder.configuration(self.config.family.denoiser)
        width, taken = told.tensors[PROMPT_EMBEDS].shape[-1], [network[key] for key in _TEXT_WIDTHS if network.get(key)]
        if taken and taken[0] != width:
            raise InputError(
                f"the text encoder of {self.config.name} gives embeddings of width {width}, the network takes "
                f"{taken[0]}: the folder's parts don't belong together; set model.path or model.parts"
            )
        return told

    def predict(self, latents: Latents, t: Time, condition: Condition) -> Latents:
        """The network's prediction at timestep t, in float32; gradients flow to whatever was put into it."""
        told = condition.to(self.device, self.dtype)
        with attention(self.device.type, self.dtype, self.config.checkpointing):
            return self.config.family.predict(self, latents.to(self.device, self.dtype), t, told).float()

    def guided(self, latents: Latents, t: Stop, condition: Condition, negative: Condition, scale: float) -> Latents:
        """Classifier-free guidance; scale 1 needs no prediction for the negative prompt."""
        if scale == 1:
            return self.predict(latents, t, condition)
        both = self.predict(torch.cat([latents, latents]), t, Condition.cat([negative, condition]))
        without, with_text = both.chunk(2)
        return without + scale * (with_text - without)

    def invert(
        self,
        inversion: OdeInversion,
        latents: Latents,
        condition: Condition,
        progress: Progress | None = None,
        visit: Callable[[Stop, Latents], object] | None = None,
    ) -> Latents:
        """The noisiest latents from clean ones, without guidance; `visit` as in `OdeInversion.invert`.

        Raises:
            FloatingPointError: when latents stop being finite.
        """

        def denoise(noisy: Latents, t: Stop) -> Latents:
            return self.predict(noisy, t, condition)

        return inversion.invert(self.process, denoise, latents.to(self.device), progress, visit)

    def sites(self) -> tuple[Site, ...]:
        """Where motion embeddings can attach at the model's size, in forward order."""
        return self.config.family.sites(self)


# What the last model that was kept has read, by all that the parts depend on. One, as a GPU may hold no second.
_KEPT: dict[tuple[str, ...], dict[str, Any]] = {}


def _kept_parts(config: Model) -> dict[str, Any]:
    key = (config.fingerprint, repr(config.family), config.dtype, str(device_of(config.device)))
    if key not in _KEPT:
        for parts in _KEPT.values():
            parts.clear()
        _KEPT.clear()
        _KEPT[key] = {}
    return _KEPT[key]


def _sides(shape: Sequence[int]) -> str:
    channels, frames, rows, columns = shape[1:]
    return f"{channels} channels, {frames} frames, {rows}×{columns}"
