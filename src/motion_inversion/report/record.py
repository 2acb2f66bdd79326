"""Owns what a record is: one clip, what it was made from and its scores, as JSON on disk."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from motion_inversion.reflection.annotation import fits, misfit
from motion_inversion.storage.document import parse_json
from motion_inversion.storage.names import FORMAT, SOURCE, UNRELATED

# Keys of `Record.settings` that say which reference a sample is of; the settings of a dataset begin with DATASET.
FOOTAGE, SOURCE_PROMPT, DATASET = "footage", "source_prompt", "dataset."
CUT = tuple(f"{DATASET}{key}" for key in ("start", "stride", "fps", "fit"))  # how frames are taken from a file

_KEYS: dict[str, Any] = {
    "clip": str,
    "motion": str,
    "prompt": str,
    "source_prompt": str,
    "seed": int,
    "method": str,
    "axes": dict[str, str],
    "frames": int,
    "metrics": dict[str, dict],
    "video": str,
    "reference": str,
    "checksums": dict[str, str],
    "cost": dict[str, dict | None],
    "config": dict,
    "environment": dict,
    "git": dict | None,
}
_OPTIONAL: dict[str, Any] = {"missing": str, "dataset": dict, "swept": list[str]}
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

    `value` is NaN where the metric could give none. `lower` and `upper` bound what the metric can give at all.
    One that is read `against_frozen` means something only as the difference to the frozen model's. `reason` is why
    there is no value, where that is known.
    """

    name: str
    version: str
    value: float
    higher_is_better: bool | None
    lower: float
    upper: float
    against_frozen: bool = False
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Record:
    """One clip: what it was made from, by which settings, and its scores.

    `axes` names the chosen option of each axis that the method has, `config` is everything that made the
    sample, `dataset` how its reference is cut and what goes with it, `environment` what it was measured with, `git`
    the state of the code (None for an installed package), `cost` seconds and MiB by stage. `path` is the file that
    says so. A planned sample that there isn't has no metrics, and `missing` says why. `swept` names what of clip,
    prompt and seed the jobs of a sweep differed in.
    """

    path: Path
    clip: str
    motion: str
    prompt: str
    source_prompt: str
    seed: int
    method: str
    axes: Mapping[str, str]
    frames: int
    metrics: tuple[Score, ...]
    video: Path
    reference: Path
    checksums: Mapping[str, str]
    cost: Mapping[str, Mapping[str, Any] | None]
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    git: Mapping[str, Any] | None = None
    missing: str = ""
    dataset: Mapping[str, Any] = field(default_factory=dict)
    swept: tuple[str, ...] = ()

    @cached_property
    def settings(self) -> dict[str, str]:
        """What it can be grouped by: clip, motion, prompts, seed, method, axes, config and dataset by dotted path."""
        own = {
            "method": self.method,
            "clip": self.clip,
            "motion": self.motion,
            "prompt": self.prompt,
            SOURCE_PROMPT: self.source_prompt,
            "seed": str(self.seed),
        }
        footage = {FOOTAGE: self.footage[:8]} if self.footage else {}
        return {**_flat(self.config), **_flat(self.dataset, DATASET), **footage, **self.axes, **own}

    @property
    def footage(self) -> str:
        """The checksum of the reference's frames and their cut; "" if unknown."""
        return self.checksums.get(FOOTAGE, "")

    @property
    def source(self) -> str:
        """Its clip, told apart from another of that name, as scenes of another seed or files in other folders are."""
        return f"{self.clip} {self.footage}"

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two records of one sample: the name of its folder ends in the digest of all that made it."""
        return (self.clip, self.prompt, self.seed, self.method, self.video.parent.name)

    @property
    def is_bound(self) -> bool:
        """Whether it is no generated sample but a reference clip, scored for comparison."""
        return self.method in (SOURCE, UNRELATED)

    def is_of(self, other: "Record") -> bool:
        """Whether both are of one sample beside one reference, as far as both know it; of equal identity."""
        known = ((self.footage, other.footage), (self.dataset, other.dataset))
        return self.source_prompt == other.source_prompt and all(not a or not b or a == b for a, b in known)

    def value(self, metric: str, version: str) -> float:
        """The score of one metric in one version; NaN if the sample has none."""
        return next((s.value for s in self.metrics if (s.name, s.version) == (metric, version)), math.nan)

    def reason(self, metric: str, version: str) -> str:
        """Why it has no score of one metric in one version; "" if it has, or nobody said."""
        return next((s.reason for s in self.metrics if (s.name, s.version) == (metric, version)), "")


def parse(text: str, path: Path) -> Record:
    """The record that `text` holds as JSON; its paths are relative to the folder of `path`, the file it is in.

    Raises:
        ValueError: it is no JSON, of another format, or a key is missing or of another type.
    """
    content = parse_json(text)
    given = content.get("format") if isinstance(content, dict) else None
    if given != FORMAT:
        raise ValueError(f"its format is {given!r}, but this version reads {FORMAT!r}; evaluate again")
    _check(content, _KEYS, "")
    for name, metric in content["metrics"].items():
        _check(metric, _METRIC_KEYS, f"metrics.{name}.")
    parsed: dict[str, Any] = {
        "metrics": tuple(_score(name, metric) for name, metric in content["metrics"].items()),
        "video": (path.parent / content["video"]).resolve(),
        "reference": (path.parent / content["reference"]).resolve(),
    }
    for key, annotation in _OPTIONAL.items():
        if key in content:
            _check(content, {key: annotation}, "")
            parsed[key] = tuple(content[key]) if isinstance(content[key], list) else content[key]
    return Record(path=path, **{key: content[key] for key in _KEYS} | parsed)


def lines(record: Record, folder: Path) -> Iterator[str]:
    """The record as JSON for a file in `folder`, which `parse` reads: a line, and one for each further version.

    A line has one version of each metric; what lines say of one sample becomes one record again.
    """
    content = {key: getattr(record, key) for key in _KEYS if key not in ("metrics", "video", "reference")}
    for key in ("video", "reference"):
        content[key] = Path(os.path.relpath(getattr(record, key), folder.resolve())).as_posix()
    optional = {key: value for key in _OPTIONAL if (value := getattr(record, key))}
    names = [score.name for score in record.metrics]
    numbers = [names[:k].count(name) for k, name in enumerate(names)]
    for number in range(max(numbers, default=0) + 1):
        scores = [score for score, k in zip(record.metrics, numbers, strict=True) if k == number]
        metrics = {score.name: _metric(score) for score in scores}
        yield json.dumps({"format": FORMAT, **content, "metrics": metrics, **optional}, allow_nan=False)


def _check(found: Mapping[str, Any], keys: Mapping[str, Any], where: str) -> None:
    for key, annotation in keys.items():
        if key not in found:
            raise ValueError(f"{where}{key} is missing; evaluate again")
        if not fits(found[key], annotation):
            raise ValueError(f"{where}{key}={misfit(found[key], annotation)}; evaluate again")


def _score(name: str, metric: Mapping[str, Any]) -> Score:
    value, lower, upper = (
        default if metric[key] is None else float(metric[key])
        for key, default in (("value", math.nan), ("lower", -math.inf), ("upper", math.inf))
    )
    against = metric.get("against_frozen") is True
    reason = str(metric.get("reason", ""))
    return Score(name, metric["version"], value, metric["higher_is_better"], lower, upper, against, reason)


def _metric(score: Score) -> dict[str, Any]:
    numbers = {key: getattr(score, key) for key in ("value", "lower", "upper")}
    return {
        **{key: number if math.isfinite(number) else None for key, number in numbers.items()},
        "higher_is_better": score.higher_is_better,
        "against_frozen": score.against_frozen,
        **({"reason": score.reason} if score.reason else {}),
        "version": score.version,
    }


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat
