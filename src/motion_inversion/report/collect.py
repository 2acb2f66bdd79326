"""Owns reading scores: every `score.json` below a folder as a record, and what can't be read as a fault."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from motion_inversion.core.annotation import fits, spell
from motion_inversion.core.error import InputError
from motion_inversion.core.record import FORMAT, MANIFEST, SCORE, UNFINISHED

log = logging.getLogger(__name__)

_KEYS: dict[str, Any] = {
    "clip": str,
    "motion": str,
    "prompt": str,
    "source_prompt": str,
    "seed": int,
    "method": str,
    "axes": dict[str, str],
    "metrics": dict[str, dict],
    "video": str,
    "reference": str,
    "config": dict,
    "environment": dict,
}
_METRIC_KEYS: dict[str, Any] = {
    "value": float | None,
    "higher_is_better": bool | None,
    "lower": float | None,
    "upper": float | None,
    "version": str,
}


@dataclass(frozen=True)
class Score:
    """What one metric gives one sample; only scores of one name and version compare.

    `value` is NaN where the metric could give none. `lower` and `upper` bound what the
    metric can give at all.
    """

    name: str
    version: str
    value: float
    higher_is_better: bool | None
    lower: float
    upper: float


@dataclass(frozen=True)
class Record:
    """One generated clip: what it was made from, by which settings, and its scores.

    `axes` names the chosen option of each axis that the method has, `config` is everything that made the
    sample, `environment` what it was measured with. `path` is the file that says so.
    """

    path: Path
    clip: str
    motion: str
    prompt: str
    source_prompt: str
    seed: int
    method: str
    axes: Mapping[str, str]
    metrics: tuple[Score, ...]
    video: Path
    reference: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]

    @cached_property
    def settings(self) -> dict[str, str]:
        """What it can be grouped by: clip, motion, prompt, seed, method, axes, config by dotted path."""
        own = {
            "method": self.method,
            "clip": self.clip,
            "motion": self.motion,
            "prompt": self.prompt,
            "seed": str(self.seed),
        }
        return {**_flat(self.config), **self.axes, **own}

    def value(self, metric: str, version: str) -> float:
        """The score of one metric in one version; NaN if the sample has none."""
        return next((s.value for s in self.metrics if (s.name, s.version) == (metric, version)), math.nan)


@dataclass(frozen=True)
class Collection:
    """The records found, in the order of their paths, and a line on each file that gave none."""

    records: tuple[Record, ...]
    faults: tuple[str, ...]


def collect(source: Path) -> Collection:
    """The records of all finished evaluations below `source`.

    A file that can't be used is logged and kept as a fault. Files on the same generated clip, as two
    evaluations with different metrics leave them, or two experiments that share a control, become one record.

    Raises:
        InputError: `source` is no folder, or there is no record below it.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; set source=… to one with scores, such as outputs/my_name")
    records: list[Record] = []
    faults: list[str] = []
    for path in sorted(source.rglob(SCORE)):
        if any(part.endswith(UNFINISHED) for part in path.relative_to(source).parts):
            continue
        try:
            records.append(_read(path))
        except (OSError, ValueError) as error:
            faults.append(f"{path}: {error}")
    records = _merged(records, faults)
    for fault in faults:
        log.warning("%s", fault)
    if not records:
        unusable = f" ({len(faults)} unusable)" if faults else ""
        raise InputError(
            f"no scores below {source}{unusable}; make some with motion-inversion "
            "stages=[prepare,train,generate,evaluate], or set source=… to a folder with scores"
        )
    return Collection(tuple(records), tuple(faults))


def _read(path: Path) -> Record:
    if not path.with_name(MANIFEST).is_file():
        raise ValueError(f"there is no {MANIFEST} beside it, so the evaluation didn't finish; repeat it")
    score = json.loads(path.read_text(encoding="utf-8"))
    given = score.get("format") if isinstance(score, dict) else None
    if given != FORMAT:
        raise ValueError(f"its format is {given!r}, but this version reads {FORMAT!r}; evaluate again")
    _check(score, _KEYS, "")
    for name, metric in score["metrics"].items():
        _check(metric, _METRIC_KEYS, f"metrics.{name}.")
    folder = path.parent
    return Record(
        path=path,
        metrics=tuple(_score(name, metric) for name, metric in score["metrics"].items()),
        video=(folder / score["video"]).resolve(),
        reference=(folder / score["reference"]).resolve(),
        **{key: score[key] for key in _KEYS if key not in ("metrics", "video", "reference")},
    )


def _check(found: Mapping[str, Any], keys: Mapping[str, Any], where: str) -> None:
    for key, annotation in keys.items():
        if key not in found:
            raise ValueError(f"{where}{key} is missing; evaluate again")
        if not fits(found[key], annotation):
            raise ValueError(f"{where}{key} is {found[key]!r}, not of type {spell(annotation)}; evaluate again")


def _score(name: str, metric: Mapping[str, Any]) -> Score:
    value, lower, upper = (
        default if metric[key] is None else float(metric[key])
        for key, default in (("value", math.nan), ("lower", -math.inf), ("upper", math.inf))
    )
    return Score(name, metric["version"], value, metric["higher_is_better"], lower, upper)


def _merged(records: Sequence[Record], faults: list[str]) -> list[Record]:
    known: dict[tuple[object, ...], Record] = {}
    for record in records:
        # The name of a generated clip's folder ends in the digest of all that made it.
        axes = tuple(sorted(record.axes.items()))
        made = record.video.parent.name
        identity = (record.clip, record.prompt, record.seed, record.method, axes, made)
        first = known.setdefault(identity, record)
        if first is not record:
            known[identity] = _joined(first, record, faults)
    return list(known.values())


def _joined(first: Record, other: Record, faults: list[str]) -> Record:
    known = {(score.name, score.version): score for score in first.metrics}
    for score in other.metrics:
        kept = known.setdefault((score.name, score.version), score)
        if not (math.isclose(kept.value, score.value, abs_tol=1e-4) or math.isnan(kept.value + score.value)):
            faults.append(
                f"{other.path}: {score.name} is {score.value:.4f}, but {kept.value:.4f} on the same clip in "
                f"{first.path}, which counts; delete the wrong one"
            )
    return replace(first, metrics=tuple(known.values()))


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat
