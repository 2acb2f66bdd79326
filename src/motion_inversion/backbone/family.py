"""What tells one kind of model from another: the protocol that every module of a family keeps."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from motion_inversion.backbone.size import Compression
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Process, Time
from motion_inversion.core.shape import Latents
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

if TYPE_CHECKING:
    from motion_inversion.backbone.model import Backbone

Capability: TypeAlias = Literal[
    "motion sites",
    "attention over time alone",
    "attention over space and time",
    "separate layers for space and time",
    "temporal convolutions",
    "frames on their own",
    "control maps",
]
"""What a method can ask of a model:

- motion sites: self-attentions over all frames, where motion embeddings attach;
- attention over time alone: each position attends over the frames by itself (factorised attention);
- attention over space and time: all tokens of a clip attend to each other (unified attention);
- separate layers for space and time: a frame can pass by itself, without the layers that mix frames;
- temporal convolutions: in up blocks, whose outputs are features of space and time;
- frames on their own: an image model, to which the frames of a clip are a batch;
- control maps: such a model with a ControlNet.
"""

EXAMPLES: Mapping[Capability, str] = {
    "motion sites": "model=shapes",
    "attention over time alone": "model=shapes",
    "attention over space and time": "model=shapes_dit",
    "separate layers for space and time": "model=shapes",
    "temporal convolutions": "model=shapes",
    "frames on their own": "model=shapes_image",
    "control maps": "model=shapes_image",
}
"""A model that ships with the package for each; docs/models.md says which others there are."""

Classes: TypeAlias = Mapping[str, tuple[str, ...]]
"""By the names of a folder's parts, the classes of diffusers or transformers that can be that part."""


@runtime_checkable
class Family(Protocol):
    """A kind of model: which parts its folders have, what sizes it takes, and how its network is asked.

    Families know nothing of each other; what several have in common (autoencoders, text encoders, readers of sites) is
    in modules that they call.

    parts: what a folder must have. optional: what it may have besides. denoiser: the part that denoises, which tells
    how many channels latents have. capabilities: what methods can ask of it.
    """

    parts: ClassVar[Classes]
    optional: ClassVar[Classes]
    denoiser: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

    @property
    def compression(self) -> Compression:
        """How latents, and tokens, divide a clip."""
        ...

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError, with the nearest that is accepted, for a clip length or size that the model can't take."""
        ...

    def process(self, model: "Backbone") -> Process:
        """The noising process that the model was trained with."""
        ...

    def embed(self, model: "Backbone", prompts: Sequence[str]) -> Condition:
        """What the network is told of these prompts. Raises InputError for one that is too long."""
        ...

    def network(self, model: "Backbone") -> nn.Module:
        """All that denoises, as one module: what embeddings, LoRAs and other changes enter."""
        ...

    def predict(self, model: "Backbone", latents: Latents, t: Time, condition: Condition) -> Latents:
        """The network's answer in the terms of `process`; latents and condition have the network's type and device."""
        ...

    def sites(self, model: "Backbone") -> tuple[Site, ...]:
        """Where motion embeddings can attach at the model's size, in forward order."""
        ...

    def checkpointed(self, network: nn.Module) -> AbstractContextManager[None]:
        """Gradient checkpointing of the network while the context lasts."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A family that specialises a network once it is loaded, or refuses it."""

    def ready(self, part: str, module: Any) -> None:
        """Called once with each part when it is loaded."""
        ...


@runtime_checkable
class HasControlNet(Protocol):
    """A family whose models can have a ControlNet; `controlnet` says what maps it was trained to follow."""

    @property
    def controlnet(self) -> str: ...


def each_time(t: Time, latents: Latents) -> Tensor:
    """The timestep of every clip, on the latents' device: whole numbers stay whole."""
    return torch.as_tensor(t, device=latents.device).expand(len(latents))


def require(family: Family, name: str, method: str, *needed: Capability) -> None:
    """Raises InputError, naming what is missing, if a model (called `name`) can't do what a method needs."""
    missing: list[Capability] = [each for each in needed if each not in family.capabilities]
    if missing:
        has = ", ".join(sorted(family.capabilities)) or "none of the kind"
        raise InputError(
            f"method={method} needs a model with {' and '.join(missing)}; {name} has {has}; "
            f"set {EXAMPLES[missing[0]]}, or see docs/models.md of the project"
        )
