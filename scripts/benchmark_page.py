"""How quick the report's page is with 500 clips, in a real browser: python scripts/benchmark_page.py."""

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from motion_inversion.data.video import Video, write_lossless, write_video
from motion_inversion.report.collect import collect
from motion_inversion.report.cost import costs
from motion_inversion.report.page.page import write_page
from motion_inversion.report.table import by_motion, tabulate
from motion_inversion.storage.names import FORMAT, MANIFEST, SCORE

LOSSES = (None, "mse", "vmc", "debiased", "smooth")  # None is the frozen model
MOTIONS = ("object", "camera", "hybrid")
PROMPTS = ("a red star", "a white square", "a green cube", "a blue ring")


def write_study(folder: Path, clips: int = 25, prompts: int = 4, losses: int = 5) -> None:
    """Invented results as a study leaves them: scores, clips, references; clips of 16 frames at 8 per second."""
    chance = random.Random(0)
    for k in range(clips):
        name, motion = f"clip_{k:02d}", MOTIONS[k % 3]
        _write_clip(folder / name / "prepare" / "reference-0", _moving(k, 40))
        for number, loss in enumerate(LOSSES[:losses]):
            first = folder / name / "generate" / f"{loss}-0"
            _write_clip(first, _moving(k, 90 + 30 * number))
            for other in range(prompts):
                made = first.with_name(f"{loss}-{other}")
                if other:
                    made.mkdir()
                    for clip in first.iterdir():
                        os.link(clip, made / clip.name)
                fidelity = chance.gauss(0.4 + 0.1 * number, 0.1)
                scores = {"text_similarity": chance.gauss(0.3 - 0.01 * number, 0.03), "motion_fidelity": fidelity}
                _write_score(folder / name / "evaluate" / made.name, motion, PROMPTS[other], loss, scores)


def write_report(folder: Path) -> Path:
    """The page of what `write_study` wrote."""
    found = collect(folder)
    table = tabulate(found.records)
    tables = {"all": table, **{part.part: part for part in by_motion(table, found.records, ())}}
    return write_page(found.records, tables, folder / "report", "study", cost=costs(found.records, table.keys))


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with no window: the system's if there is one, which plays H.264, else Playwright's own."""
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


def main() -> None:
    """Prints the times of several loads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=25, help="each with 4 prompts and 5 methods")
    parser.add_argument("--loads", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, browser() as chromium:
        write_study(Path(place), given.clips)
        page = write_report(Path(place))
        size = (page.parent / "page" / "data.js").stat().st_size / 1024
        print(f"{given.clips * 20} records, data.js {size:.0f} KiB")
        times = [_measure(chromium, page) for _ in range(given.loads)]
        for what, values in zip(times[0], zip(*(time.values() for time in times), strict=True), strict=True):
            print(f"{what}: median {statistics.median(values):.0f} ms, worst {max(values):.0f} ms")


def _measure(chromium: Browser, path: Path) -> dict[str, float]:
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    ready = page.evaluate("performance.getEntriesByName('interactive')[0].startTime")
    laid_out = "const start = performance.now(); eval(act); document.body.offsetHeight"
    timed = f"(act) => {{ {laid_out}; return performance.now() - start; }}"
    found = {
        "interactive after": ready,
        "filter by motion": page.evaluate(timed, "toggle('motion', 'camera')"),
        "show all again": page.evaluate(timed, "choose(unfiltered())"),
        "sort": page.evaluate(timed, "choose({sort: {id: 'score:0', down: true}})"),
    }
    page.evaluate("at('gallery-section').scrollIntoView()")
    page.wait_for_function("clock.videos.some((video) => video.readyState >= 2)")
    page.close()
    return found


def _moving(k: int, level: int) -> Video:
    """A square that crosses the frame, its way and its grey told by the arguments."""
    video = np.full((16, 64, 64, 3), 30 + 5 * (k % 20), dtype=np.uint8)
    for frame in range(16):
        across, down = (3 * frame, 24) if k % 2 else (24, 3 * frame)
        video[frame, down : down + 16, across : across + 16] = (level, 220 - level, 160)
    return video


def _write_clip(folder: Path, video: Video) -> None:
    write_video(folder / "video.mp4", video, 8.0)
    write_lossless(folder / "video.mkv", video, 8.0)


def _write_score(folder: Path, motion: str, prompt: str, loss: str | None, scores: dict[str, float]) -> None:
    metric = {"higher_is_better": True, "lower": -1.0, "upper": 1.0, "version": "1"}
    axes = {"model": "invented", "noise": "blend", **({"loss": loss} if loss else {})}
    record = {
        "format": FORMAT,
        "clip": folder.parents[1].name,
        "motion": motion,
        "prompt": f"{prompt} in the style of {folder.parents[1].name.replace('_', ' ')}",
        "source_prompt": "a square",
        "seed": 0,
        "method": "motion_inversion" if loss else "none",
        "axes": axes,
        "frames": 16,
        "metrics": {name: {"value": value, **metric} for name, value in scores.items()},
        "video": f"../../generate/{folder.name}/video.mkv",
        "reference": "../../prepare/reference-0/video.mkv",
        "checksums": {"model": "0" * 64},
        "cost": {"sampling": {"seconds": 1.5, "memory": 12.0, "device": "invented"}},
        "config": {"model": {"name": "invented", "frames": 16}, "method": {"loss": loss}},
        "environment": {"python": "3.11"},
        "git": None,
    }
    folder.mkdir(parents=True)
    (folder / SCORE).write_text(json.dumps(record))
    (folder / MANIFEST).write_text("{}")


if __name__ == "__main__":
    main()
