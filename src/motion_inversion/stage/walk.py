"""The walk through the stages, clip by clip: what is made of each, and what stops some of them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from motion_inversion.backbone.model import Backbone
from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.method.training.logger import LoggerFactory
from motion_inversion.stage.address import Address
from motion_inversion.stage.bound import bound
from motion_inversion.stage.evaluate import evaluate
from motion_inversion.stage.generate import generate
from motion_inversion.stage.plan import plan
from motion_inversion.stage.prepare import invert, prepare
from motion_inversion.stage.train import train

log = logging.getLogger(__name__)

Stage = Literal["prepare", "train", "generate", "evaluate", "report"]
STAGES: tuple[Stage, ...] = ("prepare", "train", "generate", "evaluate", "report")
# What is done for all clips before the next for any, and its stage: before inversion, the encoders leave memory.
_STEPS: Mapping[str, Stage] = {
    "prepare": "prepare",
    "invert": "prepare",
    "train": "train",
    "generate": "generate",
    "evaluate": "evaluate",
}


@dataclass(frozen=True)
class Walk:
    """One run's way through the stages before the report; what exists already is not made again.

    Args:
        addresses: Of the experiment, and of the frozen model that it is compared with, if it is.
        clips: All of the set.
        stages: Those to go through.
        note: Writes down what a repetition would have to know, of the clips that were prepared.
        batch: Clips sampled at once.
        gif: Whether to write gifs beside the mp4s.
        logger: Tracker of the training beside the CSV file.
    """

    addresses: Sequence[Address]
    clips: Sequence[Clip]
    stages: Sequence[str]
    note: Callable[[Sequence[Clip]], object]
    batch: int
    gif: bool
    logger: LoggerFactory | None
    _failures: dict[str, str] = field(default_factory=dict, init=False)  # by clip, or by sample's place

    def run(self, model: Backbone) -> InputError | None:
        """Makes what is missing; gives what stopped some clips or samples.

        Raises:
            InputError: what stopped every clip.
        """
        with _nothing_empty(self.addresses[0].root):
            self._plan()
            for step, stage in _STEPS.items():
                for clip in self._going if stage in self.stages else ():
                    self._try(step, model, clip)
                if step == "prepare":
                    model.release("vae", "text_encoder", "tokenizer")
                if step == "invert" and {*self.stages} - {"report"}:
                    self.note(self._going)
        return self._failure()

    @property
    def _going(self) -> list[Clip]:
        """The clips that nothing has stopped so far."""
        return [clip for clip in self.clips if clip.name not in self._failures]

    def _try(self, step: str, model: Backbone, clip: Clip) -> None:
        """One step of one clip; what stops it, or samples of it, is noted and written down."""
        going, stage = self._going, _STEPS[step]
        try:
            refused = self._step(step, model, clip, going)
        except InputError as error:
            self._failures[clip.name] = f"{stage}: {error}"
            self._plan()
            if len(going) == 1:
                raise
            log.error("%s: %s; going on with the other clips", clip.name, error)
            return
        if refused:
            self._failures.update({place: f"{stage}: {reason}" for place, reason in refused.items()})
            self._plan()

    def _step(self, step: str, model: Backbone, clip: Clip, going: Sequence[Clip]) -> dict[str, str]:
        """One step of one of the clips that are going on, at each address; gives what can't be scored, and why."""
        refused: dict[str, str] = {}
        try:
            for address in self.addresses:
                if step == "prepare":
                    prepare(address, model, clip)
                elif step == "invert":
                    invert(address, model, clip)
                elif step == "train":
                    train(address, model, clip, (self.logger,) if self.logger else (), _where(clip, going))
                elif step == "generate":
                    generate(address, model, clip, self.batch, self.gif)
                else:
                    own = address is self.addresses[0]
                    refused |= evaluate(address, str(model.device), clip, self.logger if own else None)
                    refused |= bound(address, str(model.device), clip, going)
        except FloatingPointError as error:
            raise InputError(f"{clip.name}: {_STEPS[step]} stopped, {error}; model.dtype=float32 is safest") from error
        return refused

    def _plan(self) -> None:
        """Writes down which samples there are to be, and why some won't be, for the report."""
        for address in self.addresses if "evaluate" in self.stages else ():
            plan(address, self.clips, self._failures)

    def _failure(self) -> InputError | None:
        """One line on what could not be made."""
        names = [clip.name for clip in self.clips if clip.name in self._failures]
        told = [f"{len(names)} of {len(self.clips)} clips failed: {', '.join(names)}"] if names else []
        if refused := [place for place in self._failures if place not in names]:
            of = ", ".join(dict.fromkeys(Path(place).parts[0] for place in refused))
            told.append(f"samples not scored: {len(refused)}, of {of}")
        if not told:
            return None
        others = ", or leave clips out with dataset.only=[…]" if len(self.clips) > 1 else ""
        return InputError(f"{'; '.join(told)}; the log says why; repeat the command to try again{others}")


def _where(clip: Clip, clips: Sequence[Clip]) -> str:
    """A clip's name and its number, as in car 2/6."""
    return f"{clip.name} {[other.name for other in clips].index(clip.name) + 1}/{len(clips)}"


@contextmanager
def _nothing_empty(root: Path) -> Iterator[None]:
    """Removes the empty folders that a block which is refused leaves in `root`, and those above that it made."""
    above = [root, *root.parents]
    before = {path for path in above if path.exists()}
    try:
        yield
    except InputError:
        inside = sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True)
        for folder in (*inside, *(path for path in above if path not in before)):
            with suppress(OSError):  # it isn't empty
                folder.rmdir()
        raise
