"""What every method offers: fit(reference) → state on disk, sample(state, prompt, noise) → latents."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim, Progress
from motion_inversion.core.shape import Latents
from motion_inversion.core.strategy import Motion


@dataclass(frozen=True, eq=False)
class Reference:
    """The prepared reference clip: its latents (1, c, f, h, w), what its prompt tells the model, its frames.

    control_maps: those of its frames, where some come with it and the method reads them.
    """

    latents: Latents
    condition: Condition
    motion: Motion
    video: Pixels
    control_maps: Pixels | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """Clips to sample at once: what each one's prompt tells the model, what the negative prompt does, and the sampler.

    seeds: one per clip, of whatever a method draws on the way.
    """

    condition: Condition
    negative: Condition
    motion: Motion
    sampler: Ddim
    progress: Progress | None = None
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fitting:
    """How a fit runs and where it writes.

    folder: for what must survive an interruption; the same folder is given again when the command is repeated.
    state: where the finished state goes, a file inside the artifact.
    trainer: what makes Lightning's trainer, with settings of its own.
    seed: of all draws.
    label: what progress is told of, such as clip and method.
    identity: what the loggers' runs are grouped and configured by.
    preview: called with a step's number and a sampler of latents; shows what generation would give by then, and gives
        the frames, for the loggers.
    progress: shows how far a loop is, for methods that don't train.
    """

    folder: Path
    state: Path
    trainer: Callable[..., Any]
    seed: int
    loggers: tuple[Callable[..., Any], ...] = ()
    preview: Callable[[int, Callable[[Latents, Request], Latents]], Pixels | None] | None = None
    progress: Progress | None = None
    label: str = "training"
    identity: Any = None


@runtime_checkable
class Method(Protocol):
    """A way to customise a video model's motion.

    name: how tables call it. fits: whether there is anything to fit. state_file: the fitted state's file name.
    at_sampling: names of its fields that matter at sampling alone, so that changing them needs no new fit.
    reads_control_maps: whether it reads control maps that come with a clip.
    appearance_invariant: whether it learns with the clip's appearance-invariant prompt, where there is one.
    """

    name: ClassVar[str]
    fits: ClassVar[bool]
    state_file: ClassVar[str]
    at_sampling: ClassVar[frozenset[str]]
    reads_control_maps: ClassVar[bool]
    appearance_invariant: ClassVar[bool]

    def require(self, model: Backbone) -> None:
        """Raises InputError, naming what will do, if the method can't run on the model.

        Asked before anything is computed: it reads no weights.
        """
        ...

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Learns from the reference and writes `fitting.state`; gives the number of parameters that it trained."""
        ...

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Clean latents (b, c, f, h, w) from initial noise, one clip for each of `request.condition`."""
        ...


@runtime_checkable
class HasDetector(Protocol):
    """A method whose fit finds control maps in footage that comes without them."""

    def require_detector(self, model: Backbone) -> None:
        """Raises InputError if its detector can't find what the model follows, or can't be loaded."""
        ...


@runtime_checkable
class HasPlaces(Protocol):
    """A method that learns for some of a model's blocks."""

    def require_places(self, model: Backbone) -> None:
        """Raises InputError if what it is to learn, or was given, belongs to no block of the model, of which shapes are
        enough; a log line tells of what makes no sense there."""
        ...


def sample_guided(
    model: Backbone,
    noise: Latents,
    request: Request,
    during: Callable[[Stop], AbstractContextManager[object]] | None = None,
) -> Latents:
    """The sampler's loop with classifier-free guidance over whatever is injected into the model.

    during: what holds while the model predicts at a timestep, such as embeddings of a strength of its own.
    """
    negative = request.negative.expand(len(noise))

    def denoise(latents: Latents, t: Stop) -> Latents:
        with during(t) if during else nullcontext():
            return model.guided(latents, t, request.condition, negative, request.sampler.guidance)

    return request.sampler.sample(model.process, denoise, noise.to(model.device), request.progress)
