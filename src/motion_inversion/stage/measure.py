"""One clip on disk → its score file: what every metric says of it, and all that made it."""

import functools
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from motion_inversion.data.clip import Clip
from motion_inversion.data.decode import frame_rate
from motion_inversion.data.video import read_exact
from motion_inversion.error import InputError
from motion_inversion.metric.metric import Metric, NoScoreError
from motion_inversion.metric.sample import Sample
from motion_inversion.reflection.description import Json
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.content import VIDEO
from motion_inversion.stage.cost import Cost, Meter
from motion_inversion.stage.environment import environment, git
from motion_inversion.stage.record import dataset
from motion_inversion.storage.names import FORMAT, SCORE, SOURCE, UNRELATED

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Subject:
    """A clip to be measured against a reference, and what its record says of it.

    Args:
        clip: The reference clip.
        method, prompt, seed, axes, config: What made it.
        video, reference: The artifacts that hold the clip and the reference.
        model, footage: Checksums of the model's weights and of the clip's footage.
        cost: What its making took, by stage.
    """

    clip: Clip
    method: str
    prompt: str
    seed: int
    axes: Mapping[str, str]
    config: Json
    video: Artifact
    reference: Artifact
    model: str
    footage: str
    cost: Mapping[str, Cost | None] = field(default_factory=dict)


def refusal(subject: Subject, metrics: Mapping[str, Metric], artifact: Artifact, device: str) -> str:
    """Measures as `measure` does; gives why that can't be done, "" if it can. The log says so, too."""
    try:
        measure(subject, metrics, artifact, device)
    except InputError as error:
        log.error("%s, %s, seed %d: %s; going on", subject.clip.name, subject.method, subject.seed, error)
        return str(error)
    return ""


def measure(subject: Subject, metrics: Mapping[str, Metric], artifact: Artifact, device: str) -> None:
    """Writes the score file of `subject` into `artifact`; the metrics are loaded.

    Raises:
        InputError: a clip that can't be read, or that a metric refuses.
    """
    with artifact.making(SCORE) as folder:
        if folder is None:  # made by another process since this one looked
            return
        meter = Meter(device)
        sample = _sample(subject)
        scores = {name: _score(metric, sample, subject.clip.name) for name, metric in metrics.items()}
        cost = {**subject.cost, "evaluation": meter.read()}
        record = {**_facts(subject, artifact, device), "frames": len(sample.generated), "metrics": scores, "cost": cost}
        (folder / SCORE).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")


def _sample(subject: Subject) -> Sample:
    """Raises InputError for a generated clip that shows nothing: what a metric says of no picture means nothing."""
    generated, reference = (artifact.folder / VIDEO for artifact in (subject.video, subject.reference))
    video = read_exact(generated)
    if subject.method not in (SOURCE, UNRELATED) and not np.ptp(video, axis=(1, 2)).any():
        raise InputError(f"every frame of {generated} is of one colour; sample it again, with model.dtype=float32")
    return Sample(
        generated=video,
        reference=read_exact(reference),
        prompt=subject.prompt,
        source_prompt=subject.clip.source_prompt,
        generated_fps=frame_rate(generated),
        reference_fps=frame_rate(reference),
    )


def _facts(subject: Subject, artifact: Artifact, device: str) -> dict[str, object]:
    """All of a record but what is measured. Paths are as seen from the score file, so that results can be moved."""
    clip, video = subject.clip, subject.video
    return {
        "format": FORMAT,
        "clip": clip.name,
        "motion": clip.motion,
        "prompt": subject.prompt,
        "source_prompt": clip.source_prompt,
        "seed": subject.seed,
        "method": subject.method,
        "axes": dict(subject.axes),
        "dataset": dataset(clip),
        "video": f"{video.relative_to(artifact.folder)}/{VIDEO}",
        "reference": f"{subject.reference.relative_to(artifact.folder)}/{VIDEO}",
        "checksums": {
            "model": subject.model,
            "footage": subject.footage,
            "video": video.checksum(VIDEO),
        },
        "config": subject.config,
        "environment": environment(torch.device(device)),
        "git": git(),
    }


def _score(metric: Metric, sample: Sample, clip: str) -> dict[str, object]:
    """One metric's score of one clip; null where it has none, with the reason."""
    metric.reset()
    value, reason = math.nan, ""
    try:
        metric.update(sample)
        value = float(metric.compute())
    except NoScoreError as error:
        reason = str(error)
        _warn(f"{clip}: no {metric.name}: {reason}")
    metric.reset()
    return {
        "value": value if math.isfinite(value) else None,
        **({"reason": reason} if reason else {}),
        "higher_is_better": metric.higher_is_better,
        "against_frozen": metric.against_frozen,
        "lower": metric.lower,
        "upper": metric.upper,
        "version": metric.version(),
    }


@functools.cache  # once: the samples of a clip share what it lacks
def _warn(line: str) -> None:
    log.warning("%s", line)
