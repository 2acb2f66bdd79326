"""Generated clips → scores: one JSON record per clip."""

import logging

from motion_inversion.data.clip import Clip
from motion_inversion.method.training.logger import LoggerFactory
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import made, place
from motion_inversion.stage.cost import Cost, read_cost
from motion_inversion.stage.logged import log_scores
from motion_inversion.stage.measure import Subject, refusal
from motion_inversion.stage.record import axes, configuration
from motion_inversion.stage.request import Pair, pairs_of

log = logging.getLogger(__name__)


def evaluate(address: Address, device: str, clip: Clip, logger: LoggerFactory | None = None) -> dict[str, str]:
    """Scores every generated clip with every metric, as far as that is missing; the means go to the logger, once.

    Gives the place of each sample that a metric refuses, or that can't be read, and why; the others are scored.

    Raises:
        InputError: if a clip isn't generated, or a metric can't be loaded.
    """
    pairs = pairs_of(clip)
    failures: dict[str, str] = {}
    if missing := [pair for pair in pairs if not address.score(clip, *pair).exists()]:
        log.info("%s: scoring %d clips", clip.name, len(missing))
        for metric in address.metric.values():
            metric.load(device)
    for pair in missing:
        subject = _subject(address, clip, pair)
        if reason := refusal(subject, address.metric, address.score(clip, *pair), device):
            failures[place(subject.video.folder, address.root)] = reason
    if logger:  # of an earlier run, too, which died before it sent them
        log_scores(address, clip, logger)
    return failures


def _subject(address: Address, clip: Clip, pair: Pair) -> Subject:
    prompt, seed = pair
    return Subject(
        clip=clip,
        method=address.method.name,
        prompt=prompt,
        seed=seed,
        axes=axes(address),
        config=configuration(address),
        video=made(address.sample(clip, prompt, seed), "generate"),
        reference=made(address.reference(clip), "prepare"),
        model=address.model.fingerprint,
        footage=address.footage(clip),
        cost=_cost(address, clip, pair),
    )


def _cost(address: Address, clip: Clip, pair: Pair) -> dict[str, Cost | None]:
    training = read_cost(address.state(clip).folder) if address.method.fits else None
    return {"training": training, "sampling": read_cost(address.sample(clip, *pair).folder)}
