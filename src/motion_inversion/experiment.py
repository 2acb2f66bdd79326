"""An experiment: the axes as fields, and what they are checked for before a walk through the stages."""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from motion_inversion.backbone.device import kind_of
from motion_inversion.backbone.model import Model
from motion_inversion.backbone.precision import suited
from motion_inversion.core.noise import Noise
from motion_inversion.core.sampler import Ddim, OdeInversion
from motion_inversion.data.clip import Clip, Dataset
from motion_inversion.error import InputError
from motion_inversion.machine import idle_cores
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Method
from motion_inversion.method.training.logger import LoggerFactory
from motion_inversion.method.training.trainer import check_trainer
from motion_inversion.metric.metric import Metric
from motion_inversion.reflection.description import describe
from motion_inversion.report.report import Report
from motion_inversion.stage.address import Address
from motion_inversion.stage.cache import Cache
from motion_inversion.stage.economy import economise, limit_of
from motion_inversion.stage.environment import deterministic_algorithms
from motion_inversion.stage.footprint import footprint, told_against
from motion_inversion.stage.memory import Estimate
from motion_inversion.stage.objective import check_objectives, means
from motion_inversion.stage.outlook import Expected, expected
from motion_inversion.stage.readiness import require_ready
from motion_inversion.stage.request import pairs_of
from motion_inversion.stage.run import earlier_dtype, write_run
from motion_inversion.stage.walk import STAGES, Walk
from motion_inversion.stage.wording import check_words
from motion_inversion.storage.names import check_links, check_name, check_output

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Experiment:
    """One method on one dataset with one model: everything a run depends on.

    Args:
        dataset, model, method, noise, inversion, sampler, metric, trainer: The axes.
        stages: Which stages to run; those before must have run with the same settings.
        name: Names the folder of results under `output`; runs of one name share what they have in common.
        cache: A folder where experiments of all names share what depends on clip and model alone; None shares nothing.
        objective: Names of metrics whose means over the samples a search is to improve; one, or several.
        seed: Of the training's draws; samples have the dataset's seeds.
        negative_prompt: What guidance steers away from.
        prompt_prefix: Words before every prompt of a clip, its own included, for the text encoder alone.
        batch: Clips sampled at once.
        memory: What a run may take of a GPU, or its process on a CPU, as in 8gb: `economies` keep it there.
        gif: Whether to write gifs beside the mp4s.
        deterministic: Whether only algorithms are taken that give the same bits each time; GPUs have others.
        threads: CPU threads; 0 takes as many as there are idle cores.
        logger: Loggers of the training beside the CSV file.
        frozen: Whether the frozen model makes the same samples from the same noise, which its methods compare with.
        report: How results are summed up: a `Report` of everything but its source and its threads, which are ours.
    """

    dataset: Dataset
    model: Model
    method: Method
    noise: Noise
    inversion: OdeInversion
    sampler: Ddim
    metric: Mapping[str, Metric]
    stages: Sequence[str]
    name: str
    output: Path
    cache: Path | None = None
    objective: str | Sequence[str] = ()
    seed: int = 0
    trainer: Callable[..., Any] | None = None
    logger: LoggerFactory | None = None
    negative_prompt: str = ""
    prompt_prefix: str = ""
    batch: int = 4
    memory: str | None = None
    gif: bool = False
    deterministic: bool = False
    threads: int = 0
    frozen: bool = False
    report: Callable[..., Report] = Report

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown or not self.stages or len({*self.stages}) < len(self.stages):
            raise InputError(
                f"stages={list(self.stages)}: accepted are {', '.join(STAGES)}, each once; set stages=[prepare,train]"
            )
        if self.batch < 1:
            raise InputError(f"batch={self.batch}: at least one clip at a time; set batch=1")
        if self.memory is not None:
            limit_of(self.memory)
        cores = os.cpu_count() or 1
        if not 0 <= self.threads <= cores:
            raise InputError(
                f"threads={self.threads}: accepted are 1 to {cores}, the cores here, and 0 for all that are idle; set "
                "threads=0"
            )
        check_output(self.output)
        check_name(self.name)
        check_links(self.output, self.name)
        if self.cache and self.cache.resolve() in ((own := self.folder.resolve()), *own.parents):
            raise InputError(
                f"cache={self.cache} would hold the results of name={self.name} as well; set cache=… to a folder of "
                "its own"
            )
        check_objectives(self._sought, self.metric, self.stages)
        if taken := sorted({"source", "threads"} & {*getattr(self.report, "keywords", ())}):
            raise InputError(f"report.{taken[0]} is this experiment's own: drop it; threads=2 sets the threads of both")
        check_trainer(self.trainer)
        describe(self.method)

    def run(self) -> None:
        """Runs the stages in their order over all clips; what exists already is not made again.

        Raises:
            InputError: what stopped the run, or some of its clips, once the others are done.
        """
        failure = self.make()
        if report := self.summary():
            report.run()
        if failure:
            raise failure

    @property
    def folder(self) -> Path:
        """Where its results lie."""
        return self.output / self.name

    def summary(self) -> Report | None:
        """The report on all results of this name; None unless that stage is asked for."""
        return self.report(source=(self.folder,), threads=self.threads) if "report" in self.stages else None

    @property
    def objectives(self) -> dict[str, bool]:
        """The metrics that a search is to improve, and whether higher is better."""
        return {name: bool(self.metric[name].higher_is_better) for name in self._sought}

    def reached(self) -> dict[str, float]:
        """The means of the objectives over the samples of this run. Raises InputError if there are none."""
        if not self._sought:
            return {}
        return means(self._addresses[0], self._clips(), self._sought)

    @property
    def _sought(self) -> Sequence[str]:
        return [self.objective] if isinstance(self.objective, str) else self.objective

    def outlook(self) -> list[Expected]:
        """What a run makes, and what of it is there; no weights are loaded.

        Raises:
            InputError: what stops a run before it makes anything.
        """
        self.method.require(self.model.load())
        return expected(self._addresses, self._clips(), self.stages)

    def economies(self, fixed: Collection[str]) -> Mapping[str, Any]:
        """What `model.dtype=auto` stands for, and settings that keep a run within `memory`, by their keys.

        Keys in `fixed` stay as they are.

        Raises:
            InputError: if nothing keeps it there, with what would.
        """
        if self.model.dtype == "auto":
            dtype = self._dtype()
            return {"model.dtype": dtype, **replace(self, model=replace(self.model, dtype=dtype)).economies(fixed)}
        if self.memory is None:
            return {}
        self.model.folder.check()
        return economise(self._estimate(), self.memory, fixed).picks

    def _dtype(self) -> str:
        """The precision of this name's earlier runs of the model, wherever they ran; of the first, what suits it."""
        if known := earlier_dtype(self.folder, self.model):
            return known
        self.model.folder.check()
        network = self.model.folder.configuration(self.model.family.denoiser)
        return suited(network, kind_of(self.model.device))

    def footprint(self) -> str:
        """A line on the memory that a run takes, by an estimate; or on why there is none."""
        try:
            return footprint(self._estimate())
        except InputError as reason:
            return str(reason)

    def _estimate(self) -> Estimate:
        most = max((len(pairs_of(clip)) for clip in self._clips()), default=1)
        return Estimate(self._addresses[0], kind_of(self.model.device), max(1, min(self.batch, most)))

    def make(self) -> InputError | None:
        """Runs the stages before the report; gives what stopped some clips or samples.

        Raises:
            InputError: what stopped every clip, or a model that the method can't run on.
        """
        torch.set_num_threads(self.threads or idle_cores())
        if self.logger:
            self.logger.require()
        if report := self.summary():
            report.wandb.require()
        clips, model = self._clips(), self.model.load(kept=True)
        self.method.require(model)
        check_words(self._addresses[0], model, clips)
        require_ready(self._addresses[0], model, clips, self.stages)
        self._say_if_done(clips)
        try:
            with deterministic_algorithms(self.deterministic):
                start = time.time()
                failure = self._walk(clips, model.device).run(model)
                self._say_peak(clips, start)
        except BaseException:
            model.drop()  # who knows what of it was being changed
            raise
        return failure

    def _walk(self, clips: Sequence[Clip], device: torch.device) -> Walk:
        return Walk(
            addresses=self._addresses,
            clips=clips,
            stages=self.stages,
            note=lambda prepared: write_run(self._addresses[0], prepared, self, device),
            batch=self.batch,
            gif=self.gif,
            logger=self.logger,
        )

    def _say_peak(self, clips: Sequence[Clip], start: float) -> None:
        """Logs what a run since `start` took at most beside the estimate, if it was to stay within `memory`."""
        if self.memory is not None:
            with suppress(InputError):  # of what can't be estimated, after all is made
                if line := told_against(self._estimate(), clips, start):
                    log.info("memory: %s", line)

    def _say_if_done(self, clips: Sequence[Clip]) -> None:
        with suppress(InputError):  # of footage that can't be read, which is for its stage to say
            results = [] if self.gif else expected(self._addresses, clips, self.stages)
            if results and all(each.there for each in results):
                log.info("nothing left to do: all %d results of %s are there", len(results), self.folder)

    def _clips(self) -> tuple[Clip, ...]:
        if clips := self.dataset.clips():
            return clips
        raise InputError("the set has no clips; list some in dataset.clip, or choose another with dataset=demo")

    @cached_property
    def _addresses(self) -> tuple[Address, ...]:
        own = self._address()
        if not self.frozen or isinstance(self.method, Frozen):
            return (own,)
        # What an inversion loses is measured once.
        inversion = replace(self.inversion, measure=False)
        return (own, replace(own, method=Frozen(), trainer=None, inversion=inversion))

    def _address(self) -> Address:
        return Address(
            root=self.folder,
            model=self.model,
            method=self.method,
            noise=self.noise,
            inversion=self.inversion,
            sampler=self.sampler,
            metric=self.metric,
            trainer=self.trainer,
            negative_prompt=self.negative_prompt,
            prompt_prefix=self.prompt_prefix,
            seed=self.seed,
            cache=self.cache and Cache(self.cache),
        )
