"""MotionDirector (arXiv 2310.08465): low-rank additions to the temporal layers learn the motion of a clip."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Loss
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.core.timestep import Timestep
from motion_inversion.method.layer.lora import LowRank, check_dropout, check_rank, linear_names
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided
from motion_inversion.method.state import read_state, write_state
from motion_inversion.method.training.noised import Noised, loss_of
from motion_inversion.method.training.setting import check_training
from motion_inversion.method.training.spatial_path import PART, SpatialPath

log = logging.getLogger(__name__)

_TEMPORAL = "temporal"


@dataclass(frozen=True)
class MotionDirector:
    """Dual-path LoRA: the temporal one learns the motion while a spatial one takes up the appearance.

    The temporal LoRA sits in all attentions and feed-forward layers of the temporal transformers, the one ahead of
    the first level included. Its loss has the debiased term that favours motion over appearance. Sampling keeps the
    temporal LoRA and drops the spatial one.

    Args:
        loss: What the temporal LoRA minimises.
        optimizer: A partial torch optimizer; its learning rate is the temporal LoRA's.
        timestep: Which noise levels are trained on.
        spatial: The spatial LoRA and its training.
        rank: Of the temporal LoRA.
        dropout: Share of its output's elements that training leaves out.
        spatial_scale: The spatial LoRA's weight at sampling; 1 brings the reference's appearance back.
        temporal_scale: The temporal LoRA's.
        train_mode: Whether the frozen model's own dropout is at work while the method learns, as in the public code,
            which trains with its UNet in training mode: a share of 0.1 in the temporal convolutions.
        batch_size: Noised copies of the reference per step.
        checkpoint_every: Steps between checkpoints, which a training goes on from; more where these take long.
        preview_every: Steps between previews; 0 for none.

    Raises:
        InputError: for values outside their ranges.

    Where the public code differs: it shrinks clips to "buckets" of other aspects, off here; it draws the clip's
    latents once from the encoder's distribution, where they are its mean here; see `SpatialPath` for the order of its
    steps, `LowRank` for how its LoRA differs from peft's.
    """

    name: ClassVar[str] = "motion_director"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "motion_director.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"spatial_scale", "temporal_scale"})
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    timestep: Timestep
    spatial: SpatialPath
    rank: Annotated[int, Le(4096)]
    dropout: float
    spatial_scale: float = 0.0
    temporal_scale: float = 1.0
    train_mode: bool = False
    batch_size: Annotated[int, Le(4096)] = 1
    checkpoint_every: int = field(default=50, metadata={"digest": False})
    preview_every: int = field(default=0, metadata={"digest": False})

    def __post_init__(self) -> None:
        check_training(self)
        check_rank("method.rank", self.rank)
        check_dropout("method.dropout", self.dropout, "0.1")

    def require(self, model: Backbone) -> None:
        """Raises InputError if its layers for space and time aren't separate."""
        model.require(self.name, "separate layers for space and time")

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Learns both LoRAs and saves them; gives the number of their parameters.

        Raises:
            InputError: if the model isn't one for video, or a loss stops being finite.
        """
        from motion_inversion.method.training.fit import run_trainer
        from motion_inversion.method.training.module import MotionLearning

        loras = self._loras(model, fitting.seed)
        log.info("%s parameters in %d layers", *_size(loras))
        rates = {PART: self.spatial.lr}
        module = MotionLearning(
            model,
            loras,
            self._losses(model, loras),
            self.timestep,
            self.optimizer,
            fitting.seed,
            rates,
            self.train_mode,
        )

        def sample(noise: Latents, request: Request) -> Latents:
            self._scale(loras)
            return sample_guided(model, noise, request)

        with ExitStack() as attached:
            for lora in loras.values():
                attached.enter_context(lora.attached(model.network))
            attached.enter_context(model.checkpointed())
            count = run_trainer(module, reference, fitting, self, sample)
        write_state(fitting.state, self.name, model, _tensors(loras))
        return count

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling with the saved LoRAs at their scales; one at scale 0 is left out.

        Raises:
            InputError: if the state was learnt on another model, or with LoRAs of another rank.
        """
        assert state is not None
        loras = self._loras(model, seed=0)
        tensors = read_state(state, self.name, model, _tensors(loras))
        used = [lora for name, lora in loras.items() if self._scales()[name]]
        self._scale(loras)
        with ExitStack() as attached:
            for lora in used:
                lora.load(tensors)
                attached.enter_context(lora.attached(model.network))
            return sample_guided(model, noise, request)

    def _loras(self, model: Backbone, seed: int) -> dict[str, LowRank]:
        from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel

        self.require(model)
        names = linear_names(model.network, TransformerTemporalModel, ("attn1", "attn2", "ff"))
        temporal = LowRank(model.network, names, self.rank, self.dropout, seed)
        return {PART: self.spatial.lora(model, seed), _TEMPORAL: temporal}

    def _losses(self, model: Backbone, loras: dict[str, LowRank]) -> Callable[[Noised], dict[str, Scalar]]:
        motion = loss_of(_TEMPORAL, self.loss, model)

        def losses(noised: Noised) -> dict[str, Scalar]:
            spatial = self.spatial.losses(model, loras[PART], noised)
            loras[_TEMPORAL].use(1.0, noised.draw)
            return {**spatial, **motion(noised)}

        return losses

    def _scales(self) -> dict[str, float]:
        return {PART: self.spatial_scale, _TEMPORAL: self.temporal_scale}

    def _scale(self, loras: dict[str, LowRank]) -> None:
        for name, scale in self._scales().items():
            loras[name].use(scale)


def _tensors(loras: dict[str, LowRank]) -> dict[str, torch.Tensor]:
    return {name: tensor for lora in loras.values() for name, tensor in lora.tensors().items()}


def _size(loras: dict[str, LowRank]) -> tuple[str, int]:
    tensors = _tensors(loras)
    return f"{sum(tensor.numel() for tensor in tensors.values()):,}", len(tensors) // 2
