"""Generated clips → scores: one JSON record per clip."""

import json
import logging
import math

from motion_inversion.core.record import FORMAT, SCORE
from motion_inversion.data.clip import Clip
from motion_inversion.data.video import read_exact
from motion_inversion.metric.metric import Metric
from motion_inversion.metric.sample import Sample
from motion_inversion.stage.address import Address
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.content import VIDEO, made
from motion_inversion.stage.record import axes, configuration, environment
from motion_inversion.stage.request import Pair

log = logging.getLogger(__name__)


def evaluate(address: Address, device: str, clip: Clip) -> None:
    """Scores every generated clip with every metric, as far as that is missing.

    Raises:
        InputError: if a clip isn't generated, or a metric can't be loaded.
    """
    pairs = [(prompt, seed) for prompt in clip.prompts for seed in clip.seeds]
    missing = [pair for pair in pairs if not address.score(clip, *pair).exists()]
    if not missing:
        return
    log.info("%s: scoring %d clips", clip.name, len(missing))
    for metric in address.metric.values():
        metric.load(device)
    reference = made(address.reference(clip), "prepare")
    for pair in missing:
        _score(address, clip, pair, reference)


def _score(address: Address, clip: Clip, pair: Pair, reference: Artifact) -> None:
    generated = made(address.sample(clip, *pair), "generate")
    sample = Sample(read_exact(generated.folder / VIDEO), read_exact(reference.folder / VIDEO), pair[0])
    artifact = address.score(clip, *pair)
    prompt, seed = pair
    record = {
        "format": FORMAT,
        "clip": clip.name,
        "motion": clip.motion,
        "prompt": prompt,
        "source_prompt": clip.source_prompt,
        "seed": seed,
        "method": address.method.name,
        "axes": axes(address),
        "metrics": {name: _measure(metric, sample) for name, metric in address.metric.items()},
        "video": f"{generated.relative_to(artifact.folder)}/{VIDEO}",
        "reference": f"{reference.relative_to(artifact.folder)}/{VIDEO}",
        "config": configuration(address),
        "environment": environment(),
    }
    with artifact.making() as folder:
        if folder:
            (folder / SCORE).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")


def _measure(metric: Metric, sample: Sample) -> dict[str, object]:
    """One metric's score of one clip; null where it has none."""
    metric.reset()
    metric.update(sample)
    value = float(metric.compute())
    metric.reset()
    return {
        "value": value if math.isfinite(value) else None,
        "higher_is_better": metric.higher_is_better,
        "lower": metric.lower,
        "upper": metric.upper,
        "version": metric.version(),
    }
