"""What a run is going to make, written down before it starts, so that the report can tell what is missing."""

import json
from collections.abc import Iterator, Mapping, Sequence

from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.reflection.description import Json, digest
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import place
from motion_inversion.stage.record import axes, configuration, dataset
from motion_inversion.stage.request import pairs_of
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import PLAN, PLAN_FORMAT


def plan(address: Address, clips: Sequence[Clip], failures: Mapping[str, str]) -> None:
    """Writes the samples that `clips` stand for, unless that is written already.

    If every clip failed before anything was made of it, the run was refused: then there is no plan, not even one that
    was written when it began.

    Args:
        failures: By the name of a clip, what stopped it; by the place of a sample, why it has no scores.

    Raises:
        InputError: the folder can't be written.
    """
    content: dict[str, Json] = {
        "format": PLAN_FORMAT,
        "method": address.method.name,
        "axes": dict(axes(address)),
        "frames": address.model.frames,
        "config": configuration(address),
        "samples": [sample for clip in clips for sample in _samples(address, clip)],
    }
    path = address.root / PLAN.format(digest=digest(content))
    if all(clip.name in failures and not _begun(address, clip) for clip in clips):
        path.unlink(missing_ok=True)
        return
    text = json.dumps({**content, "failures": dict(failures)}, indent=2) + "\n"
    if not (path.is_file() and path.read_text() == text):
        with replacing(path) as part:
            part.write_text(text)


def _begun(address: Address, clip: Clip) -> bool:
    """Whether the method has begun with a clip: a state, half-made or whole, or one of its samples."""
    try:
        state = address.state(clip) if address.method.fits else None
        samples = [address.sample(clip, *pair) for pair in pairs_of(clip)]
    except InputError:  # of footage that can't be read nothing is made
        return False
    results = [*samples, *([state] if state else [])]
    return any(each.folder.exists() or each.workplace.folder.exists() for each in results)


def _samples(address: Address, clip: Clip) -> Iterator[dict[str, Json]]:
    """What each of a clip's records will say of itself.

    Of footage that can't be read there is no place to name: a digest stands for all that would have made the samples.
    """
    for prompt, seed in pairs_of(clip):
        try:
            folder = address.sample(clip, prompt, seed).folder
            reference = address.reference(clip).folder
        except InputError:
            folder = reference = address.root / clip.name / f"unreadable-{digest(configuration(address))}"
        yield {
            "clip": clip.name,
            "motion": clip.motion,
            "prompt": prompt,
            "source_prompt": clip.source_prompt,
            "seed": seed,
            "dataset": dataset(clip),
            "video": place(folder, address.root),
            "reference": place(reference, address.root),
        }
