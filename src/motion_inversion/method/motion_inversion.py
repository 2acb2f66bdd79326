"""Motion Inversion (arXiv 2403.20193): learns motion embeddings of a reference clip, and samples with them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, cast, get_args

import torch
from annotated_types import Le

from motion_inversion.backbone.device import kind_of
from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Loss
from motion_inversion.core.process import Stop
from motion_inversion.core.scale import Constant, Scale
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.core.strategy import Motion, Strategy
from motion_inversion.core.timestep import Timestep
from motion_inversion.embedding.budget import require_memory, say_parameters, warn_of_idle
from motion_inversion.embedding.embeddings import MotionEmbeddings, read_metadata
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.official import import_official
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided
from motion_inversion.method.state import identity, kept
from motion_inversion.method.training.noised import Noised, loss_of, require_asked
from motion_inversion.method.training.setting import check_training

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MotionInversion:
    """Embeddings added to what enters the self-attentions over time, or space and time, of the frozen network (eq. 1).

    Args:
        layout: Which blocks carry which embeddings.
        loss: What is minimised.
        optimizer: A partial torch optimizer.
        timestep: Which noise levels are trained on.
        strategy: The map on value embeddings at inference.
        query_key_scale, value_scale: Factors for the two kinds of embeddings at the noise levels of sampling; value
            embeddings are mapped first.
        train_mode: Whether the frozen model's dropout is at work while the method learns, as in the public code, which
            trains with its UNet in training mode: a share of 0.1 in the temporal convolutions.
        batch_size: Noised copies of the reference per step.
        embeddings: A file with embeddings learnt before, ours or the official motion_embed.pt, used instead of
            learning them: layout, loss, optimizer and timestep are not used then.
        resample: Whether a file of ours may be interpolated to another length or grid.
        checkpoint_every: Steps between checkpoints, which a training goes on from; more where these take long.
        preview_every: Steps between previews, clips generated with the embeddings as they are; 0 for none.

    Where the public code differs: it draws the clip's latents once from the encoder's distribution, where they are its
    mean here; it trains with dropout, see `train_mode`.
    """

    name: ClassVar[str] = "motion_inversion"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "motion_embeddings.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"strategy", "query_key_scale", "value_scale"})
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    layout: Layout
    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    timestep: Timestep
    strategy: Strategy
    query_key_scale: Scale = Constant()
    value_scale: Scale = Constant()
    train_mode: bool = False
    batch_size: Annotated[int, Le(4096)] = 1
    embeddings: Path | None = field(default=None, metadata={"digest": "content"})
    resample: bool = False
    checkpoint_every: int = field(default=50, metadata={"digest": False})
    preview_every: int = field(default=0, metadata={"digest": False})

    def __post_init__(self) -> None:
        check_training(self)
        if self.embeddings is not None and not self.embeddings.is_file():
            raise InputError(f"method.embeddings={self.embeddings} is no file; drop it to learn embeddings")
        if self.embeddings is None and not self.layout.value and self.value_scale != Constant():
            raise InputError(
                "method.value_scale is for value embeddings, and method.layout.value=false makes none; drop "
                "scale@method.value_scale, or set method.layout.value=true"
            )
        if self.embeddings is None and not self.layout.query_key and self.query_key_scale != Constant():
            raise InputError(
                "method.query_key_scale is for query-key embeddings, and method.layout.query_key=false makes none; "
                "drop scale@method.query_key_scale, or set method.layout.query_key=true"
            )
        if self.resample and self.embeddings is None:
            raise InputError(
                "method.resample=true is for embeddings that are given, and there are none; set "
                "method.embeddings=<their file>, or drop it"
            )
        if self.resample and self.embeddings is not None and self.embeddings.suffix == ".pt":
            raise InputError(
                f"method.embeddings={self.embeddings} says nothing of its grid, so that it can't be interpolated; "
                "set method.resample=false and the size of its training"
            )

    def require(self, model: Backbone) -> None:
        """Raises InputError if nothing in it attends over frames."""
        model.require(self.name, "motion sites")

    def require_places(self, model: Backbone) -> None:
        """Raises InputError for a layout that names no block, for one of an expert that some steps never ask, for one
        that has no room, or for given embeddings that don't fit. A line tells of static values that a strategy takes
        away, as they have no differences, and of given embeddings that the layout wouldn't have."""
        sites = model.sites()
        if self.embeddings is not None:
            self._warn_of_others(self._given(self.embeddings, sites, model)[0], sites)
            return
        require_asked(self.layout.select(sites), self.timestep, model.process.levels)
        require_memory(self.layout, sites, torch.device(kind_of(model.config.device)))
        if self.layout.value == "static" and any(map(self._differs, get_args(Motion))):
            log.warning(
                "static value embeddings have no differences in time: the strategy leaves at most those of the first "
                "frame; method.layout.value=static is meant for strategy=keep"
            )

    def _differs(self, motion: Motion) -> bool:
        """Whether the strategy takes differences in time: it leaves less of what is static than of what isn't."""
        values = torch.tensor([[1.0, 1.0], [1.0, 2.0]])
        static, changing = (self.strategy(value.view(1, 2, 1), motion) for value in values)
        return bool(((static == 0) & (changing != 0)).any())

    def _warn_of_others(self, embeddings: MotionEmbeddings, sites: Sequence[Site]) -> None:
        """Says what given embeddings have that the layout leaves out."""
        chosen = {site.name for site in self.layout.select(sites)}
        left_out = {
            "blocks": any(site.name not in chosen for site in embeddings.sites),
            "query-key embeddings": not self.layout.query_key
            and any(embeddings.query_key(site) is not None for site in embeddings.sites),
            "value embeddings": not self.layout.value and any(map(embeddings.has_value, embeddings.sites)),
        }
        if told := " and ".join(kind for kind, is_left_out in left_out.items() if is_left_out):
            log.warning(
                "%s has %s that method.layout leaves out: a file acts as it was learnt, and the layout isn't used; for "
                "fewer, learn them anew: drop method.embeddings",
                self.embeddings,
                told,
            )

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Learns the embeddings and saves them, or takes those of `embeddings`, which trains nothing.

        Raises:
            InputError: if nothing in the model attends over frames, a loss stops being finite, or a given file doesn't
                fit the model or was learnt on another one.
        """
        self.require(model)
        sites = model.sites()
        if self.embeddings is not None:
            self._adopt(self.embeddings, sites, model, fitting)
            return 0
        say_parameters(self.layout, sites)
        require_memory(self.layout, sites, model.device)
        embeddings = self.layout.zeros(sites)
        trained = self._learn(model, embeddings, reference, fitting)
        warn_of_idle(embeddings)
        embeddings.save(fitting.state, identity(model))
        return trained

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling with the saved embeddings, their value part mapped by the strategy.

        Raises:
            InputError: if nothing in the model attends over frames, or the state was learnt for another one, size or
                clip length.
        """
        assert state is not None
        self.require(model)
        embeddings = cast(MotionEmbeddings, kept(model, state, MotionEmbeddings.load))
        fitted = embeddings.fitted(model.sites())
        return self._sample(model, fitted.to(model.device), noise, request)

    def losses(self, model: Backbone) -> Callable[[Noised], dict[str, Scalar]]:
        """The loss of the part "motion", the embeddings injected into `model`, for a noised batch."""
        return loss_of("motion", self.loss, model)

    def _learn(self, model: Backbone, embeddings: MotionEmbeddings, reference: Reference, fitting: Fitting) -> int:
        from motion_inversion.method.training.fit import run_trainer
        from motion_inversion.method.training.module import MotionLearning

        parts = {"motion": embeddings}
        module = MotionLearning(
            model,
            parts,
            self.losses(model),
            self.timestep,
            self.optimizer,
            fitting.seed,
            train_mode=self.train_mode,
        )
        with ExitStack() as injected, model.checkpointed():
            return run_trainer(module, reference, fitting, self, self._previewing(model, embeddings, injected))

    def _previewing(
        self, model: Backbone, embeddings: MotionEmbeddings, injected: ExitStack
    ) -> Callable[[Latents, Request], Latents]:
        """Injects embeddings; gives a sampler that takes them out while it runs with its own, as both would add up."""
        injected.enter_context(inject(model.network, embeddings))

        def sample(noise: Latents, request: Request) -> Latents:
            injected.close()
            try:
                return self._sample(model, embeddings, noise, request)
            finally:
                injected.enter_context(inject(model.network, embeddings))

        return sample

    def _sample(self, model: Backbone, embeddings: MotionEmbeddings, noise: Latents, request: Request) -> Latents:
        motion: Motion = request.motion
        mapped = embeddings.map_value(lambda value: self.strategy(value, motion))
        scales = self.query_key_scale, self.value_scale
        if scales == (Constant(), Constant()):
            with inject(model.network, mapped):
                return sample_guided(model, noise, request)

        def during(t: Stop) -> AbstractContextManager[None]:
            query_key, value = (scale(model.process.sigma(t)) for scale in scales)
            return inject(model.network, mapped.scaled(query_key, value))

        return sample_guided(model, noise, request, during)

    def _adopt(self, path: Path, sites: tuple[Site, ...], model: Backbone, fitting: Fitting) -> None:
        log.info("taking the embeddings of %s: layout, loss, optimizer, timestep and trainer are not used", path)
        embeddings, origin = self._given(path, sites, model)
        if origin.get("fingerprint", model.config.fingerprint) != model.config.fingerprint:
            log.warning(
                "%s was learnt on other weights of %s: it may not move this model as it did that one",
                path,
                origin.get("model", "it"),
            )
        embeddings.save(fitting.state, origin)

    def _given(
        self, path: Path, sites: tuple[Site, ...], model: Backbone
    ) -> tuple[MotionEmbeddings, Mapping[str, str]]:
        """The embeddings of a file as this model takes them, and what the file says of the model they were learnt on.

        Raises:
            InputError: if they were learnt on a model of another name, or don't fit this one.
        """
        if path.suffix == ".pt":
            return import_official(path, sites), identity(model)
        embeddings, origin = MotionEmbeddings.load(path), read_metadata(path)
        name = model.config.name
        if (learnt_on := origin.get("model", name)) != name:
            raise InputError(
                f"{path} was learnt on {learnt_on}, the model is {name}: set model={learnt_on}, or "
                f"model.name={learnt_on} to try it all the same"
            )
        if self.resample:
            return embeddings.resampled(sites), origin
        embeddings.require(sites)
        return embeddings, origin
