"""Tune-A-Video (arXiv 2212.11565): an image UNet inflated over time, tuned to one clip."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Le
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Loss
from motion_inversion.core.noise import Inversion, Noise
from motion_inversion.core.sampler import OdeInversion, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.core.timestep import Timestep
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided
from motion_inversion.method.state import read_state, write_state
from motion_inversion.method.training.noised import loss_of
from motion_inversion.method.training.setting import check_training
from motion_inversion.method.tune_a_video.inflation import Inflation
from motion_inversion.method.tune_a_video.inversion import exchanged, inverted

log = logging.getLogger(__name__)

_PART = "inflation"
_CHANGE = "inversion_change"


@dataclass(frozen=True)
class TuneAVideo:
    """Sparse-causal self-attention, a new temporal attention in every block, and query tuning.

    Each frame's self-attention looks at the first frame and the one before (eq. 4). Trained are the queries of self-
    and cross-attention and the whole temporal attention; its norm has no parameters. Sampling is guided as usual.

    Args:
        loss: What is minimised.
        optimizer: A partial torch optimizer.
        timestep: Which noise levels are trained on.
        frame_pooled_groupnorm: Whether the group norms of residual layers and output take their statistics over
            all frames, as the public code's do, or over each as in the image model.
        zero_bias: Whether the temporal attention's output bias starts at zero, as its weight does. The public code
            leaves it random, so that untrained it adds a constant to every channel; with zero it adds nothing.
        tuned_inversion: None: noise is mixed of the clip's inversion by the frozen model, which methods of one
            family share. An inversion, that of the experiment: by the tuned model, as in the public code.
        noise: How the experiment mixes it, to exchange one inversion for the other.
        batch_size: Noised copies of the reference per step.
        checkpoint_every: Steps between checkpoints, which a training goes on from; more where these take long.
        preview_every: Steps between previews; 0 for none.

    Raises:
        InputError: for counts that are too small.

    Where the public code differs: it draws the clip's latents from the encoder's distribution anew at every step,
    where they are its mean here; it starts sampling from the tuned model's inversion, see `tuned_inversion`.
    """

    name: ClassVar[str] = "tune_a_video"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "inflation.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"noise"})
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    timestep: Timestep
    frame_pooled_groupnorm: bool = True
    zero_bias: bool = False
    tuned_inversion: OdeInversion | None = None
    noise: Noise = field(default_factory=Inversion)
    batch_size: Annotated[int, Le(4096)] = 1
    checkpoint_every: int = field(default=50, metadata={"digest": False})
    preview_every: int = field(default=0, metadata={"digest": False})

    def __post_init__(self) -> None:
        check_training(self)

    def require(self, model: Backbone) -> None:
        """Raises InputError if the model isn't one for images."""
        model.require(self.name, "frames on their own")

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Trains the inflation and saves it; gives the number of its parameters.

        Raises:
            InputError: if the model isn't one for images, or the loss stops being finite.
        """
        from motion_inversion.method.training.fit import run_trainer
        from motion_inversion.method.training.module import MotionLearning

        inflation = self._inflation(model, fitting.seed)
        tensors = inflation.tensors()
        log.info("%s parameters in %d tensors", f"{sum(t.numel() for t in tensors.values()):,}", len(tensors))
        frozen = self._inverted(model, reference, fitting.progress)

        def changed(progress: Progress | None = None) -> dict[str, Tensor]:
            tuned = self._inverted(model, reference, progress)
            return {_CHANGE: tuned - frozen} if tuned is not None and frozen is not None else {}

        def sample(noise: Latents, request: Request) -> Latents:
            return sample_guided(model, self._start(model, noise, changed(), request), request)

        parts = {_PART: inflation}
        module = MotionLearning(
            model, parts, loss_of(_PART, self.loss, model), self.timestep, self.optimizer, fitting.seed
        )
        with self._attached(inflation, model), model.checkpointed():
            count = run_trainer(module, reference, fitting, self, sample)
            change = changed(fitting.progress)
        write_state(fitting.state, self.name, model, {**inflation.tensors(), **change})
        return count

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling with the tuned inflation.

        Raises:
            InputError: if the model isn't one for images, or the state was learnt on another or without
                `tuned_inversion`.
        """
        assert state is not None
        inflation = self._inflation(model, seed=0)
        change = {_CHANGE: torch.empty(model.latent_shape, device="meta")} if self.tuned_inversion else {}
        tensors = read_state(state, self.name, model, {**inflation.tensors(), **change})
        inflation.load(tensors)
        with self._attached(inflation, model):
            return sample_guided(model, self._start(model, noise, tensors, request), request)

    def _inflation(self, model: Backbone, seed: int) -> Inflation:
        self.require(model)
        return Inflation(model.network, seed, self.zero_bias)

    def _attached(self, inflation: Inflation, model: Backbone) -> AbstractContextManager[None]:
        return inflation.attached(model.network, model.config.frames, self.frame_pooled_groupnorm)

    def _inverted(self, model: Backbone, reference: Reference, progress: Progress | None) -> Latents | None:
        """The clip's inversion by the model as it is now, if the tuned one's is wanted."""
        return inverted(model, reference, self.tuned_inversion, progress) if self.tuned_inversion else None

    def _start(self, model: Backbone, noise: Latents, tensors: dict[str, Tensor], request: Request) -> Latents:
        """Initial noise of the tuned model's inversion, if it is wanted."""
        if self.tuned_inversion is None:
            return noise
        change, process = tensors[_CHANGE].to(noise), model.process
        end, start = (process.timesteps(loop.steps)[0] for loop in (self.tuned_inversion, request.sampler))
        return exchanged(noise, process.relevel(change, torch.zeros_like(change), end, start), self.noise)
