"""LoRA (arXiv 2106.09685) on the attentions that motion embeddings attach to: the plain way to learn a clip."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le
from torch import nn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Loss
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.core.timestep import Timestep
from motion_inversion.method.layer.lora import LowRank, check_dropout, check_rank
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided
from motion_inversion.method.state import read_state, write_state
from motion_inversion.method.training.noised import Noised, loss_of
from motion_inversion.method.training.setting import check_training

log = logging.getLogger(__name__)

_PART = "lora"


@dataclass(frozen=True)
class Lora:
    """Low-rank additions to query, key, value and output of the attentions over time, or over space and time.

    The baseline of every comparison on transformers: it learns the clip, its appearance included. On a UNet it is
    MotionDirector's temporal path without the spatial one, and without feed-forward layers.

    Args:
        loss: What is minimised.
        optimizer: A partial torch optimizer.
        timestep: Which noise levels are trained on.
        rank: Of the additions.
        dropout: Share of their outputs' elements that training leaves out.
        scale: Their weight at sampling.
        batch_size: Noised copies of the reference per step.
        checkpoint_every: Steps between checkpoints, which a training goes on from; more where these take long.
        preview_every: Steps between previews; 0 for none.

    Raises:
        InputError: for values outside their ranges.
    """

    name: ClassVar[str] = "lora"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "lora.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"scale"})
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    timestep: Timestep
    rank: Annotated[int, Le(4096)] = 32
    dropout: float = 0.0
    scale: float = 1.0
    batch_size: Annotated[int, Le(4096)] = 1
    checkpoint_every: int = field(default=50, metadata={"digest": False})
    preview_every: int = field(default=0, metadata={"digest": False})

    def __post_init__(self) -> None:
        check_training(self)
        check_rank("method.rank", self.rank)
        check_dropout("method.dropout", self.dropout, "0")

    def require(self, model: Backbone) -> None:
        """Raises InputError if nothing in it attends over frames."""
        model.require(self.name, "motion sites")

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Learns the additions and saves them; gives the number of their parameters.

        Raises:
            InputError: if nothing in the model attends over frames, or the loss stops being finite.
        """
        from motion_inversion.method.training.fit import run_trainer
        from motion_inversion.method.training.module import MotionLearning

        lora = self._lora(model, fitting.seed)
        count = sum(tensor.numel() for tensor in lora.tensors().values())
        log.info("%s parameters in %d layers", f"{count:,}", len(lora.tensors()) // 2)
        plain = loss_of(_PART, self.loss, model)

        def losses(noised: Noised) -> dict[str, Scalar]:
            lora.use(1.0, noised.draw)
            return plain(noised)

        def sample(noise: Latents, request: Request) -> Latents:
            lora.use(self.scale)
            return sample_guided(model, noise, request)

        parts: dict[str, nn.Module] = {_PART: lora}
        module = MotionLearning(model, parts, losses, self.timestep, self.optimizer, fitting.seed)
        with lora.attached(model.network), model.checkpointed():
            trained = run_trainer(module, reference, fitting, self, sample)
        write_state(fitting.state, self.name, model, lora.tensors())
        return trained

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling with the saved additions at their scale.

        Raises:
            InputError: if the state was learnt on another model, or with another rank.
        """
        assert state is not None
        lora = self._lora(model, 0)
        lora.load(read_state(state, self.name, model, lora.tensors()))
        lora.use(self.scale)
        with lora.attached(model.network):
            return sample_guided(model, noise, request)

    def _lora(self, model: Backbone, seed: int) -> LowRank:
        self.require(model)
        return LowRank(model.network, attention_layers(model), self.rank, self.dropout, seed)


def attention_layers(model: Backbone) -> tuple[str, ...]:
    """Qualified names of the linear layers for video tokens in the attentions of all sites."""
    names: list[str] = []
    for site in model.sites():
        for name in site.attentions:
            attention = f"{site.name}.{name}"
            projections = (f"{attention}.{projection}" for projection in ("to_q", "to_k", "to_v", "to_out.0"))
            names += [each for each in projections if _is_linear(model.network, each)]
    return tuple(names)


def _is_linear(network: nn.Module, name: str) -> bool:
    """Whether there is such a layer: blocks that join the outputs of attention and feed-forward layers have none."""
    try:
        return isinstance(network.get_submodule(name), nn.Linear)
    except AttributeError:
        return False
