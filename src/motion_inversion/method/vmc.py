"""VMC (arXiv 2312.00845): the temporal attentions' own projections are tuned to a clip's frame residuals."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Loss
from motion_inversion.core.shape import Latents
from motion_inversion.core.timestep import Timestep
from motion_inversion.method.layer.projection import Projections
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided
from motion_inversion.method.state import read_state, write_state
from motion_inversion.method.training.noised import loss_of
from motion_inversion.method.training.setting import check_training

log = logging.getLogger(__name__)

_PART = "projections"


@dataclass(frozen=True)
class Vmc:
    """Query, key and value projections of the temporal attentions, tuned in full rank.

    Both attentions of every temporal block, the middle's included; not the transformer ahead of the first level, nor
    output projections, feed-forward layers or norms. Training reads the clip's appearance-invariant prompt, which
    names subject and motion alone.

    Args:
        loss: What is minimised; VMC's compares frame residuals.
        optimizer: A partial torch optimizer.
        timestep: Which noise levels are trained on.
        train_mode: Whether the frozen model's dropout is at work while the method learns, as in the public code, which
            trains with its UNet in training mode.
        batch_size: Noised copies of the reference per step.
        checkpoint_every: Steps between checkpoints, which a training goes on from; more where these take long.
        preview_every: Steps between previews; 0 for none.

    Raises:
        InputError: for counts that are too small.

    Where the public code differs: it tunes the base model of a pixel-space cascade (Show-1) and leaves the later
    stages alone, so that it has no latents, which are the mean of the encoder's distribution here; it trains with
    dropout, see `train_mode`; it inverts the clip with the tuned UNet after training, and with another model's noise
    schedule, where all methods here share the frozen model's inversion.
    """

    name: ClassVar[str] = "vmc"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "projections.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset()
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = True

    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    timestep: Timestep
    train_mode: bool = False
    batch_size: Annotated[int, Le(4096)] = 1
    checkpoint_every: int = field(default=50, metadata={"digest": False})
    preview_every: int = field(default=0, metadata={"digest": False})

    def __post_init__(self) -> None:
        check_training(self)

    def require(self, model: Backbone) -> None:
        """Raises InputError if its attention over time isn't a layer of its own."""
        model.require(self.name, "attention over time alone")

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Tunes copies of the projections and saves them; gives the number of their parameters.

        Raises:
            InputError: if attention over time isn't a layer of its own, or the loss stops being finite.
        """
        from motion_inversion.method.training.fit import run_trainer
        from motion_inversion.method.training.module import MotionLearning

        self.require(model)
        tuned = temporal_projections(model)
        tensors = tuned.tensors()
        log.info("%s parameters in %d layers", f"{sum(t.numel() for t in tensors.values()):,}", len(tensors))
        parts = {_PART: tuned}
        module = MotionLearning(
            model,
            parts,
            loss_of(_PART, self.loss, model),
            self.timestep,
            self.optimizer,
            fitting.seed,
            train_mode=self.train_mode,
        )
        with tuned.attached(model.network), model.checkpointed():
            count = run_trainer(module, reference, fitting, self, partial(sample_guided, model))
        write_state(fitting.state, self.name, model, tuned.tensors())
        return count

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling with the tuned projections.

        Raises:
            InputError: if the state was learnt on another model.
        """
        assert state is not None
        tuned = temporal_projections(model)
        tuned.load(read_state(state, self.name, model, tuned.tensors()))
        with tuned.attached(model.network):
            return sample_guided(model, noise, request)


def temporal_projections(model: Backbone) -> Projections:
    """Copies of the query, key and value projections of all attentions over time."""
    attentions = {f"{site.name}.{name}" for site in model.sites() for name in site.attentions}
    names = [f"{name}.{each}" for name, _ in model.network.named_modules() for each in ("to_q", "to_k", "to_v")]
    return Projections(model.network, [name for name in names if name.rpartition(".")[0] in attentions])
