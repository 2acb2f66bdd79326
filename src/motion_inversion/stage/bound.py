"""What a table's numbers lie between: the reference clips themselves, scored as if they had been generated."""

import logging
from collections.abc import Sequence

from motion_inversion.data.clip import Clip
from motion_inversion.reflection.description import describe
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import made
from motion_inversion.stage.measure import Subject, refusal
from motion_inversion.storage.names import SOURCE, UNRELATED

log = logging.getLogger(__name__)

OTHERS = 3  # unrelated clips that each clip is compared with


def bound(address: Address, device: str, clip: Clip, clips: Sequence[Clip]) -> dict[str, str]:
    """Scores the clip against itself (ceiling), and up to `OTHERS` other ones of the set against it (floor).

    Each is judged by the clip's source prompt. The other clips stand evenly apart in the order of the set.
    Gives the place of each score that a metric refuses, and why; the others are made.

    Raises:
        InputError: if one of them isn't prepared, or a metric can't be loaded.
    """
    own, *others = shown_as(clip, clips)
    pairs = [(SOURCE, own, 0), *((UNRELATED, other, k) for k, other in enumerate(others))]
    missing = [pair for pair in pairs if not address.bound(clip, pair[1]).exists()]
    if not missing:
        return {}
    log.info("%s: scoring the clip against itself and against others", clip.name)
    for metric in address.metric.values():
        metric.load(device)
    failures: dict[str, str] = {}
    for pair in missing:
        artifact = address.bound(clip, pair[1])
        if reason := refusal(_subject(address, clip, *pair), address.metric, artifact, device):
            failures[artifact.relative_to(address.root)] = reason
    return failures


def _subject(address: Address, clip: Clip, method: str, shown: Clip, number: int) -> Subject:
    return Subject(
        clip=clip,
        method=method,
        prompt=clip.source_prompt,
        seed=number,
        axes={"model": address.model.name},
        config={"model": describe(address.model, whole=True)},
        video=made(address.reference(shown), "prepare"),
        reference=made(address.reference(clip), "prepare"),
        model=address.model.fingerprint,
        footage=address.footage(clip),
    )


def shown_as(clip: Clip, clips: Sequence[Clip]) -> list[Clip]:
    """The clips that are scored as if they had been generated from `clip`: itself, then others of the set."""
    here = [other.name for other in clips].index(clip.name)
    apart = dict.fromkeys(round(len(clips) * k / (OTHERS + 1)) for k in range(1, OTHERS + 1))
    return [clip, *(clips[(here + step) % len(clips)] for step in apart if step % len(clips))]
