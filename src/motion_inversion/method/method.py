"""What every method offers: fit(reference) → state on disk, sample(state, prompt, noise) → latents."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.video_diffusion import Pixels, VideoModel
from motion_inversion.core.schedule import Ddim, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.core.strategy import Motion


@dataclass(frozen=True, eq=False)
class Reference:
    """The prepared reference clip: its latents (1, c, f, h, w), the text states (1, l, d) of its prompt, its frames.

    control: the control maps of its frames, where some come with it and the method reads them.
    """

    latents: Latents
    states: Float[Tensor, "1 l d"]
    motion: Motion
    video: Pixels
    control: Pixels | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """Clips to sample at once: text states per clip, the states of the negative prompt, and the sampler.

    seeds: one per clip, of whatever a method draws on the way.
    """

    states: Float[Tensor, "b l d"]
    negative: Float[Tensor, "1 l d"]
    motion: Motion
    sampler: Ddim
    progress: Progress | None = None
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fitting:
    """How a fit runs and where it writes.

    folder: for what must survive an interruption; the same folder is given again when the command is repeated.
    state: where the finished state goes, a file inside the artifact.
    trainer: a partial `pytorch_lightning.Trainer`.
    seed: of all draws.
    preview: called with a step's number and a sampler of latents; shows what generation would give by then.
    progress: shows how far a loop is, for methods that don't train.
    """

    folder: Path
    state: Path
    trainer: Callable[..., Any]
    seed: int
    loggers: tuple[Callable[..., Any], ...] = ()
    preview: Callable[[int, Callable[[Latents, Request], Latents]], None] | None = None
    progress: Progress | None = None


@runtime_checkable
class Method(Protocol):
    """A way to customise a video model's motion.

    name: how tables call it. fits: whether there is anything to fit. state_file: the fitted state's file name.
    at_sampling: names of its fields that matter at sampling alone, so that changing them needs no new fit.
    controlled: whether it reads control maps that come with a clip.
    appearance_invariant: whether it learns with the clip's appearance-invariant prompt, where there is one.
    """

    name: ClassVar[str]
    fits: ClassVar[bool]
    state_file: ClassVar[str]
    at_sampling: ClassVar[frozenset[str]]
    controlled: ClassVar[bool]
    appearance_invariant: ClassVar[bool]

    def require(self, model: VideoModel) -> None:
        """Raises InputError, naming what will do, if the method can't run on the model.

        Asked before anything is computed: it reads no weights.
        """
        ...

    def fit(self, model: VideoModel, reference: Reference, fitting: Fitting) -> int:
        """Learns from the reference and writes `fitting.state`; gives the number of parameters that it trained."""
        ...

    def sample(self, model: VideoModel, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Clean latents (b, c, f, h, w) from initial noise, one clip per row of `request.states`."""
        ...


def sample_guided(model: VideoModel, noise: Latents, request: Request) -> Latents:
    """The sampler's loop with classifier-free guidance over whatever is injected into the model."""
    negative = request.negative.expand(len(noise), -1, -1)

    def denoise(latents: Latents, t: int) -> Latents:
        return model.guided(latents, t, request.states, negative)

    return request.sampler.sample(model.schedule, denoise, noise.to(model.device), request.progress)
