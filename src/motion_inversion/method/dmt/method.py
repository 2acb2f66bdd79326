"""DMT (arXiv 2311.17009): sampling with the frozen model, led by the reference's space-time features."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import nn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.seed import generator
from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.dmt.feature import feature_layers
from motion_inversion.method.dmt.guidance import MotionGuidance
from motion_inversion.method.dmt.loss import ChangeLoss
from motion_inversion.method.inverted_trajectory import inverted_trajectory, require_same_steps
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.state import read_state, write_state

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dmt:
    """Space-time feature guidance of the frozen model; nothing is trained.

    Fitting inverts the reference and keeps its latents at the sampler's timesteps. While sampling, at each guided
    timestep t, Adam moves x_t until the features' spatial means change from frame to frame as those of the
    reference's x_t do. A guided DDIM step follows; with `restart` its result is noised back to t, and the step done
    again. The paper's initial noise (eq. 4) is an axis of its own, noise=lowpass.

    Args:
        loss: How the changes are compared.
        sampling_steps: The sampler's steps, for whose timesteps latents are kept.
        inversion_steps: Steps of the inversion they come from: 999 in the public code; as many as the sampler's are
            cheaper.
        unguided: Share of the sampling steps, the last ones, that go without guidance.
        optimisation_steps: Steps of Adam at each guided timestep; its authors take 30 for complex motion or small
            objects.
        lr: Adam's learning rate at the first guided timestep; 0.005 to 0.002 where structure is to change much.
        final_lr: The one at the last; it is linear in between. The public code's other choice is a constant 0.01.
        restart: Whether every step but the last is done twice.
        block: The up block, counted from the deepest, that has the features.
        resnet: The residual layer in it that has them.

    Raises:
        InputError: for values outside their ranges.

    Where the public code differs: its loss is not the paper's (see the loss classes); it encodes the reference
    once for the inversion and once for the initial noise, with random draws that differ, where both take the
    distribution's mean here; its restarts draw from an unseeded generator, in Markov steps with the β of one timestep
    before each, 3.5e-4 off in scale, where one seeded draw has the exact distribution here.
    """

    name: ClassVar[str] = "dmt"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "trajectory.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset(
        {"loss", "unguided", "optimisation_steps", "lr", "final_lr", "restart", "block", "resnet"}
    )
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    loss: ChangeLoss
    sampling_steps: int
    inversion_steps: int
    unguided: float = 0.6
    optimisation_steps: int = 10
    lr: float = 0.007
    final_lr: float = 0.004
    restart: bool = True
    block: Annotated[int, Ge(0)] = 1
    resnet: Annotated[int, Ge(0)] = 1

    def __post_init__(self) -> None:
        for key, usual in {"sampling_steps": 50, "inversion_steps": 999, "optimisation_steps": 10}.items():
            if (given := getattr(self, key)) < 1:
                raise InputError(f"method.{key}={given}: at least 1 is needed; set method.{key}={usual}")
        for key in ("block", "resnet"):
            if (given := getattr(self, key)) < 0:
                raise InputError(f"method.{key}={given}: they count from 0; set method.{key}=1")
        for key, usual in {"lr": 0.007, "final_lr": 0.004}.items():
            if not 0 <= (given := getattr(self, key)) < float("inf"):
                raise InputError(f"method.{key}={given}: accepted are 0 or more; set method.{key}={usual}")
        if not 0 <= self.unguided <= 1:
            raise InputError(f"method.unguided={self.unguided}: accepted are 0 to 1; set method.unguided=0.6")

    def require(self, model: Backbone) -> None:
        """Raises InputError if it has no temporal convolutions."""
        model.require(self.name, "temporal convolutions")

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Inverts the reference, and saves it at the sampler's timesteps; no parameter is trained.

        Raises:
            InputError: if the model has no such features, or the inversion leaves timesteps of
                the sampler out.
        """
        self.require(model)
        self._layers(model)  # what is refused now costs no inversion
        log.info("inverting in %d steps with the source prompt", self.inversion_steps)
        steps = self.sampling_steps, self.inversion_steps
        trajectory = inverted_trajectory(model, reference, *steps, fitting.progress)
        write_state(fitting.state, self.name, model, {"latents": trajectory, **reference.condition.tensors})
        return 0

    @torch.no_grad()
    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling; one clip at a time, so that gradients take the memory of a single one.

        Raises:
            InputError: if the state is of another model, size, clip length or number of sampling steps.
            FloatingPointError: when loss or latents stop being finite; it names the timestep.
        """
        assert state is not None
        trajectory, source = self._read(state, model, request)
        following = dict(model.process.transitions(request.sampler.steps))
        timesteps, rates = list(following), self.rates(request.sampler.steps)
        guide = MotionGuidance(model, self._layers(model), self.loss, self.optimisation_steps)
        clips = [
            replace(request, condition=condition, seeds=(seed,))
            for condition, seed in zip(request.condition.split(), request.seeds, strict=True)
        ]
        latents = list(noise.to(model.device).split(1))
        for index, t in enumerate(request.progress(timesteps) if request.progress else timesteps):
            if index < len(rates):
                goals = guide.means(trajectory[index : index + 1], t, source)
                latents = [
                    guide(x, t, clip.condition, goals, rates[index]) for x, clip in zip(latents, clips, strict=True)
                ]
            restart = self.restart and t != timesteps[-1]
            step = t, following[t]
            latents = [_advanced(model, x, step, clip, restart) for x, clip in zip(latents, clips, strict=True)]
        return torch.cat(latents)

    def rates(self, steps: int) -> list[float]:
        """Adam's learning rate at each guided timestep: the first steps − ⌊unguided · steps⌋ of the sampler's."""
        count = steps - int(self.unguided * steps)
        return torch.linspace(self.lr, self.final_lr, count, dtype=torch.float64).tolist()

    def _read(self, state: Path, model: Backbone, request: Request) -> tuple[Latents, Condition]:
        """The reference's latents, a row for each timestep, and its condition."""
        require_same_steps(self.sampling_steps, request.sampler)
        latents = torch.empty(self.sampling_steps, *model.latent_shape[1:], device="meta")
        told = request.negative.tensors
        found = read_state(state, self.name, model, {"latents": latents, **told})
        return found["latents"], Condition({name: found[name] for name in told})

    def _layers(self, model: Backbone) -> tuple[nn.Module, ...]:
        return feature_layers(model.network, self.block, self.resnet)


def _advanced(model: Backbone, latents: Latents, step: tuple[Stop, Stop], clip: Request, restart: bool) -> Latents:
    """One clip's latents a step (t, t_next) further, which is taken once or, with a restart, twice."""
    process, (t, following) = model.process, step

    def down(noisy: Latents) -> Latents:
        prediction = model.guided(noisy, t, clip.condition, clip.negative, clip.sampler.guidance)
        return process.step(noisy, prediction, t, following)

    cleaner = down(latents)
    if restart:
        draw = torch.randn(cleaner.shape, generator=generator(clip.seeds[0], "restart", t)).to(cleaner)
        cleaner = down(process.noised_back(cleaner, draw, following, t))
    if not torch.isfinite(cleaner).all():
        raise FloatingPointError(f"sampling: latents not finite after timestep {t}")
    return cleaner
