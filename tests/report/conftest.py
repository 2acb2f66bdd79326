"""Small score files, as evaluations leave them, that the tests of this folder share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_inversion.data.video import Video, write_lossless

SETTINGS = {"model": "shapes", "noise": "blend"}


def flat(level: int, frames: int = 16) -> Video:
    """A clip of 8x8 pixels of one grey."""
    return np.full((frames, 8, 8, 3), level, dtype=np.uint8)


def content(**given: Any) -> dict[str, Any]:
    """What a score file says, with `given` in place of its entries; metrics may be given as bare values."""
    metrics = {
        name: value
        if isinstance(value, dict)
        else {"value": value, "higher_is_better": True, "lower": -1.0, "upper": 1.0, "version": "1"}
        for name, value in given.pop("metrics", {"text_similarity": 0.5}).items()
    }
    return {
        "format": "motion-inversion-score/2",
        "clip": "odd_path",
        "motion": "object",
        "prompt": "a red star",
        "source_prompt": "a blue disc",
        "seed": 0,
        "method": "motion_inversion",
        "axes": SETTINGS,
        "frames": 16,
        "metrics": metrics,
        "reference": "../../prepare/reference/video.mkv",
        "checksums": {},
        "cost": {},
        "config": {},
        "environment": {},
        "git": None,
        **given,
    }


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Path]:
    """Writes a plan of samples, given as what differs from `content`; `folder` is where each would be generated."""

    def write(*samples: dict[str, Any], failures: dict[str, str] | None = None, **given: Any) -> Path:
        shared = {key: content(**given)[key] for key in ("method", "axes", "config", "frames")}
        planned = []
        for sample in samples:
            folder = sample.pop("folder", "never")
            whole = content(**given) | sample
            named = {key: whole[key] for key in ("clip", "motion", "prompt", "source_prompt", "seed")}
            clip = whole["clip"]
            paths = {"video": f"{clip}/generate/{folder}/video.mkv", "reference": f"{clip}/prepare/a/video.mkv"}
            planned.append(named | paths)
        format = {"format": "motion-inversion-plan/1", "failures": failures or {}}
        path = tmp_path / "name" / f"plan-{abs(hash(json.dumps(planned)))}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(format | shared | {"samples": planned}))
        return path

    return write


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished evaluation below `tmp_path` and, with `level`, the generated clip as a flat grey."""
    count = 0

    def write(level: int | None = None, folder: str | None = None, **given: Any) -> Path:
        nonlocal count
        count += 1
        score = content(**given)
        made = folder or f"{count:03d}-{score['method']}"
        score.setdefault("video", f"../../generate/{made}/video.mkv")
        path = tmp_path / "name" / score["clip"] / "evaluate" / f"{count:03d}" / "score.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(score))
        path.with_name("manifest.json").write_text("{}")
        if level is not None:
            write_lossless(path.parent / score["video"], flat(level), 8.0)
        return path

    return write
