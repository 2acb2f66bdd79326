"""TokenFlow (arXiv 2307.10373): keyframes edited together, other frames after them by where the source is alike."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.inverted_trajectory import inverted_trajectory, require_same_steps
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.state import read_state, write_state
from motion_inversion.method.tokenflow.blend import Blending, PreviousKeyframe
from motion_inversion.method.tokenflow.edit import Edit
from motion_inversion.method.tokenflow.injection import PlugAndPlay

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenFlow:
    """Edits the reference's frames with a frozen image model; nothing is trained.

    Fitting inverts the reference frame by frame and keeps its latents at the sampler's timesteps. While sampling, at
    each timestep, one random frame of each batch is a keyframe: these are denoised together, each attending to all of
    them (section 4.1). Then every frame is denoised, its self-attentions' outputs being those of the keyframes at
    the places that are most like it in the reference (section 4.2). Features of the reference's own pass hold the
    structure. Any initial noise will do; the authors' is the reference's inversion, noise=inversion.

    Args:
        sampling_steps: The sampler's steps, for whose timesteps latents are kept.
        inversion_steps: Steps of the inversion they come from: 500 in the public code; as many as the sampler's are
            cheaper.
        injection: What is taken over from the reference's pass, if anything.
        batch: Frames to a keyframe; a clip's length is a multiple.
        blend: How keyframes share in a frame. The public code's way isn't the paper's, which is `AdjacentKeyframes`.
        start: Share of the sampling steps that are taken, the last ones. Below 1, sampling starts from the reference
            with noise on it (SDEdit, arXiv 2108.01073): the noise in what it is given, taken as the reference's
            latents at the first timestep. The public code takes a step less than `start` says: its 0.9 is 0.88 here.

    Raises:
        InputError: for values outside their ranges.

    Where the public code differs: it draws keyframes from a global generator, here a clip's seed and the timestep say
    which; and it cuts clips to a multiple of `batch`, which is asked for here.
    """

    name: ClassVar[str] = "tokenflow"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "trajectory.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"injection", "batch", "blend", "start"})
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    sampling_steps: int
    inversion_steps: int
    injection: PlugAndPlay | None = PlugAndPlay()
    batch: int = 8
    blend: Blending = PreviousKeyframe()
    start: float = 1.0

    def __post_init__(self) -> None:
        for key, usual in {"sampling_steps": 50, "inversion_steps": 500, "batch": 8}.items():
            if (given := getattr(self, key)) < 1:
                raise InputError(f"method.{key}={given}: at least 1 is needed; set method.{key}={usual}")
        if not 0 < self.start <= 1:
            raise InputError(f"method.start={self.start}: accepted are above 0 to 1; set method.start=0.9")

    def require(self, model: Backbone) -> None:
        """Raises InputError for a video model, or a clip length that `batch` doesn't divide."""
        model.require(self.name, "frames on their own")
        frames = model.config.frames
        if frames % self.batch:
            near = max(self.batch, frames - frames % self.batch)
            divisor = max(count for count in range(1, self.batch + 1) if frames % count == 0)
            raise InputError(
                f"model.frames={frames}: accepted are multiples of method.batch={self.batch}; "
                f"set model.frames={near} or method.batch={divisor}"
            )

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Inverts the reference, and saves it at the sampler's timesteps; no parameter is trained.

        Raises:
            InputError: for a video model, a clip length that `batch` doesn't divide, paths that the UNet lacks, or if
                the inversion leaves timesteps of the sampler out.
        """
        self._check(model)  # what is refused now costs no inversion
        log.info("inverting in %d steps with the source prompt", self.inversion_steps)
        steps = self.sampling_steps, self.inversion_steps
        trajectory = inverted_trajectory(model, reference, *steps, fitting.progress)
        tensors = {"latents": trajectory, "clean": reference.latents, **reference.condition.tensors}
        write_state(fitting.state, self.name, model, tensors)
        return 0

    @torch.no_grad()
    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Edits of the reference, one clip at a time.

        Raises:
            InputError: as `fit`, or if the state is of another model, size, clip length or number of sampling steps.
            FloatingPointError: when latents stop being finite; it names the step.
        """
        assert state is not None
        self._check(model)
        process, sampler = model.process, request.sampler
        reference = self._read(state, model, request)
        timesteps = process.timesteps(sampler.steps)
        source = dict(zip(timesteps, reference["latents"].to(model.device).split(1), strict=True))
        edits = [
            Edit(model, source, prompts, sampler.guidance, seed, self.batch, self.blend, self.injection)
            for prompts, seed in zip(_prompts(reference, request), request.seeds, strict=True)
        ]

        def denoise(latents: Latents, t: Stop) -> Latents:
            return torch.cat([edit(clip, t) for edit, clip in zip(edits, latents.split(1), strict=True)])

        latents, skip = noise.to(model.device), self.skipped(sampler.steps)
        if skip:
            clean = reference["clean"].to(latents).expand_as(latents)
            latents = process.relevel(latents, clean, timesteps[0], timesteps[skip])
        return sampler.sample(process, denoise, latents, request.progress, skip)

    def skipped(self, steps: int) -> int:
        """How many steps of the sampler's are left out; at least the last is taken."""
        return steps - max(1, round(self.start * steps))

    def _read(self, state: Path, model: Backbone, request: Request) -> dict[str, Tensor]:
        require_same_steps(self.sampling_steps, request.sampler)
        shape = model.latent_shape
        latents = torch.empty(self.sampling_steps, *shape[1:], device="meta")
        expected = {"latents": latents, "clean": torch.empty(shape, device="meta"), **request.negative.tensors}
        return read_state(state, self.name, model, expected)

    def _check(self, model: Backbone) -> None:
        """Raises InputError if this method can't run on the model, or its UNet lacks what is injected into."""
        self.require(model)
        if self.injection:
            self.injection.check(model.network)


def _prompts(reference: dict[str, Tensor], request: Request) -> list[Condition]:
    """For each clip three conditions: of the reference, of the negative prompt, of the edit."""
    source = Condition({name: reference[name] for name in request.negative.tensors})
    return [Condition.cat([source, request.negative, condition]) for condition in request.condition.split()]
