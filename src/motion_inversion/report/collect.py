"""Owns finding records: scores and plans below folders, and files of records; what can't be read is a fault."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from motion_inversion.error import InputError
from motion_inversion.report.record import Record, parse
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.names import MANIFEST, PLAN, PLAN_FORMAT, SCORE, UNFINISHED

_NOT_MADE = "not made"
_REPEAT = "evaluate again"
_PLANNED = PLAN.partition("{")[0]


@dataclass(frozen=True)
class Collection:
    """What was found, in the order of the paths.

    records: the samples. Planned ones that there aren't have no metrics, and say why in `missing`.
    bounds: reference clips scored for comparison: each against itself, and unrelated ones.
    faults: a line on each file that gave none, or contradicts another.
    """

    records: tuple[Record, ...]
    bounds: tuple[Record, ...]
    faults: tuple[str, ...]


def collect(*sources: Path) -> Collection:
    """The records of all finished evaluations below folders, and those in files with a record a line.

    A file or line that can't be used is kept as a fault. What several say of one generated clip, as two
    evaluations with different metrics, or two experiments that share samples of the frozen model, becomes one
    record. A sample that a plan in one of the folders names and nothing else becomes a record that is missing.

    Raises:
        InputError: a source that isn't there, or no score in any of them.
    """
    faults: list[str] = []
    found = [record for source in sources for record in _found(source, faults)]
    records = _swept(_merged(found, faults), found)
    if all(record.missing for record in records):
        unusable = f" ({len(faults)} unusable)" if faults else ""
        raise InputError(
            f"no scores below {', '.join(map(str, sources))}{unusable}; make some with motion-inversion "
            "stages=[prepare,train,generate,evaluate], or set source=… to a folder with scores"
        )
    samples = tuple(record for record in records if not record.is_bound)
    return Collection(samples, tuple(record for record in records if record.is_bound), tuple(faults))


def _found(source: Path, faults: list[str]) -> Iterator[Record]:
    if source.is_file():
        yield from _lines(source, faults)
    elif source.is_dir():
        for path in _files(source, SCORE):
            yield from _usable(path, faults)
        for path in _files(source, PLAN.format(digest="*")):
            yield from _planned(path, faults)
    else:
        raise InputError(
            f"{source} is not there; set source=… to a folder with scores, such as outputs/my_name, or to a "
            "records.jsonl"
        )


def _files(source: Path, name: str) -> Iterator[Path]:
    for path in sorted(source.rglob(name)):
        if not any(part.endswith(UNFINISHED) for part in path.relative_to(source).parts):
            yield path


def _usable(path: Path, faults: list[str]) -> Iterator[Record]:
    try:
        if not path.with_name(MANIFEST).is_file():
            raise ValueError(f"there is no {MANIFEST} beside it, so the evaluation didn't finish; repeat it")
        yield _inside(parse(read_text(path, _REPEAT), path), [*path.resolve().parents][:4][-1])
    except (OSError, ValueError) as error:
        faults.append(f"{path}: {error}")


def _inside(record: Record, results: Path) -> Record:
    """The record, if what it shows lies in the folder of its experiment: a report copies it, whoever wrote the record.

    Raises:
        ValueError: a path or a link leads out of that folder.
    """
    for path in (record.video, record.reference):
        if not path.is_relative_to(results):
            raise ValueError(f"it shows {path}, outside of {results}; move that there")
    return record


def _lines(path: Path, faults: list[str]) -> Iterator[Record]:
    try:
        lines = read_text(path, _REPEAT).splitlines()
    except (OSError, ValueError) as error:
        faults.append(f"{path}: {error}")
        return
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                yield parse(line, path)
        except ValueError as error:
            faults.append(f"{path}, line {number}: {error}")


def _planned(path: Path, faults: list[str]) -> Iterator[Record]:
    try:
        plan = parse_json(read_text(path, _REPEAT))
        if plan["format"] != PLAN_FORMAT:
            raise ValueError(f"its format is {plan['format']!r}, but this version reads {PLAN_FORMAT!r}; run again")
        shared = {key: plan[key] for key in ("method", "axes", "config", "frames")}
        for sample in plan["samples"]:
            paths = {key: (path.parent / sample[key]).resolve() for key in ("video", "reference")}
            failures = plan["failures"]
            reason = str(failures.get(sample["video"]) or failures.get(sample["clip"]) or _NOT_MADE)
            told = {**shared, **sample, **paths, "missing": reason}
            planned = Record(path=path, metrics=(), checksums={}, cost={}, environment={}, **told)
            yield _inside(planned, path.parent.resolve())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        faults.append(f"{path}: {type(error).__name__}: {error}; delete it and run again")


def _merged(records: Sequence[Record], faults: list[str]) -> list[Record]:
    known: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        alike = known.setdefault(record.identity, [])
        place = next((k for k, first in enumerate(alike) if first.is_of(record)), None)
        if place is None:
            alike.append(record)
        else:
            alike[place] = _joined(alike[place], record, faults)
    return [record for alike in known.values() for record in alike]


def _swept(records: Sequence[Record], found: Sequence[Record]) -> list[Record]:
    """The records with what their jobs were given as alternatives, by the plans among `found`.

    Jobs alike in all else, of which neither has all prompts, or seeds, of the other, are alternatives. A job that adds
    prompts to those of an earlier one is none: a study grows that way.
    """
    jobs: dict[tuple[str, ...], dict[Path, list[Record]]] = {}
    for record in found:
        if record.path.name.startswith(_PLANNED):
            setting = json.dumps([record.axes, record.config, record.dataset], sort_keys=True)
            same = jobs.setdefault((record.method, record.clip, record.source_prompt, setting), {})
            same.setdefault(record.path, []).append(record)
    told = {name for record in found for name in record.swept}
    for same in jobs.values():
        for name in ("prompt", "seed"):
            given = [{record.settings[name] for record in job} for job in same.values()]
            told |= {name for a, b in combinations(given, 2) if a - b and b - a}
    return [replace(record, swept=tuple(sorted(told))) for record in records] if told else list(records)


def _joined(first: Record, other: Record, faults: list[str]) -> Record:
    if first.missing or other.missing:
        return other if first.missing else first
    known = {(score.name, score.version): score for score in first.metrics}
    for score in other.metrics:
        kept = known.setdefault((score.name, score.version), score)
        if not (math.isclose(kept.value, score.value, abs_tol=1e-4) or math.isnan(kept.value + score.value)):
            faults.append(
                f"{other.path}: {score.name} is {score.value:.4f}, but {kept.value:.4f} on the same clip in "
                f"{first.path}, which counts; delete the wrong one"
            )
    return replace(first, metrics=tuple(known.values()))
