"""The page's data and folder, and the page itself in a real browser."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_inversion.data.video import write_video
from motion_inversion.report.collect import collect
from motion_inversion.report.page.page import write_page
from motion_inversion.report.table import tabulate

Put = Callable[..., Path]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def written(tmp_path: Path) -> dict[str, Any]:
    """Writes the page of what lies below `tmp_path`, and reads its data back."""
    found = collect(tmp_path)
    table = tabulate(found.records, bounds=found.bounds)
    page = write_page([*found.records, *found.bounds], {"all": table}, tmp_path / "report", "name", (), found.faults)
    text = (page.parent / "page" / "data.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("window.REPORT = ").removesuffix(";\n"))


def clip(path: Path, level: int = 128) -> Path:
    write_video(path, np.full((16, 16, 16, 3), level, dtype=np.uint8), 8.0)
    return path


def test_clips_are_put_beside_the_page_and_what_is_missing_or_damaged_says_so(put: Put, tmp_path: Path) -> None:
    clip(tmp_path / "name/odd_path/prepare/reference/video.mp4")
    clip(tmp_path / "name/odd_path/generate/good-1/video.mp4")
    cut = clip(tmp_path / "name/odd_path/generate/cut-1/video.mp4")
    cut.write_bytes(cut.read_bytes()[:300])
    for seed, folder in enumerate(("good-1", "cut-1", "gone-1")):
        put(seed=seed, folder=folder)
    data = written(tmp_path)
    videos = [data["media"][record["video"]] for record in data["records"]]
    assert [video["fault"] for video in videos] == ["", "damaged", "missing"]
    assert [videos[0][key] for key in ("source", "width", "height", "frames", "fps")] == [
        "media/odd_path/good-1.mp4",
        256,
        256,
        16,
        8.0,
    ]
    stored = {path.name for path in (tmp_path / "report/page/media/odd_path").iterdir()}
    assert stored == {"good-1.mp4", "reference.mp4"}


def test_a_page_written_again_is_the_same_and_forgets_what_is_gone(put: Put, tmp_path: Path) -> None:
    for folder in ("a-1", "b-1"):
        clip(tmp_path / f"name/odd_path/generate/{folder}/video.mp4")
    put(folder="a-1")
    gone = put(folder="b-1", seed=1)
    written(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "report").rglob("*") if path.is_file()}
    written(tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "report").rglob("*") if path.is_file()} == before
    gone.unlink()
    written(tmp_path)
    left = [path.name for path in (tmp_path / "report").rglob("*.mp4")]
    assert left == ["a-1.mp4"]


def test_what_records_share_is_there_once_and_what_varies_tells_them_apart(put: Put, tmp_path: Path) -> None:
    put(method="none", axes={"noise": "blend"}, config={"a": 1}, metrics={"text_similarity": None})
    put(axes={"noise": "blend", "loss": "mse"}, config={"a": 1})
    put(axes={"noise": "blend", "loss": "vmc"}, config={"a": 2}, method="motion_inversion")
    put(method="source")
    data = written(tmp_path)
    assert [variant["name"] for variant in data["variants"]] == ["no customisation", "loss mse", "loss vmc"]
    assert [record["variant"] for record in data["records"]] == [0, 1, 2]
    assert [record["scores"] for record in data["records"]] == [[None], [0.5], [0.5]]
    assert data["config"] == [{"a": 1}, {"a": 2}]
    assert len({record["id"] for record in data["records"]}) == 3
    assert [row["kind"] for row in data["tables"][0]["rows"]] == ["sample", "sample", "sample", "ceiling"]


def test_a_metric_read_against_the_frozen_model_is_shown_as_the_difference_to_it(put: Put, tmp_path: Path) -> None:
    def leak(value: float) -> dict[str, Any]:
        score = {"value": value, "higher_is_better": False, "lower": -1, "upper": 1, "version": "1"}
        return {"text_similarity": 0.5, "leak": score | {"against_frozen": True}}

    put(method="none", metrics=leak(0.25))
    put(metrics=leak(0.75))
    put(metrics=leak(0.5), seed=1)  # the frozen model has none
    data = written(tmp_path)
    assert [metric["title"] for metric in data["metrics"]] == ["text_similarity", "leak − frozen model"]
    assert [record["scores"][1] for record in data["records"]] == [None, 0.5, None]
    assert [record["measured"][1] for record in data["records"]] == [0.25, 0.75, 0.5]
    assert [row["cells"][1]["mean"] for row in data["tables"][0]["rows"]] == [None, 0.5]


def test_text_of_any_kind_arrives_as_it_is(put: Put, tmp_path: Path) -> None:
    prompt = "</script><b>\u2028 \\ \"quotes\" 'and' ünïcode ☃"
    put(prompt=prompt)
    assert written(tmp_path)["records"][0]["prompt"] == prompt


@dataclass
class Opened:
    """A page in the browser, and what it complained of."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait(self, script: str) -> None:
        self.page.wait_for_function(script, timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium that plays H.264."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an invented study: 3 clips of 3 motions, 2 prompts, no method and 2 losses; one clip damaged."""
    pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    from benchmark_page import write_report, write_study

    folder = tmp_path_factory.mktemp("study")
    write_study(folder, clips=3, prompts=2, losses=3)
    page = write_report(folder)
    damaged = page.parent / "page/media/clip_00/mse-1.mp4"
    content = damaged.read_bytes()
    damaged.unlink()  # it may be a link to the clip itself
    damaged.write_bytes(content[:200])
    return page


@pytest.fixture
def visit(browser: Any, study: Path) -> Iterator[Callable[..., Opened]]:
    """Opens the page from disk; whatever the console says is a complaint."""
    pages: list[Opened] = []

    def open_page(fragment: str = "", width: int = 1280, **given: Any) -> Opened:
        given = {"reduced_motion": "reduce", **given}  # so clips stand still, which spares the machine
        opened = Opened(browser.new_page(viewport={"width": width, "height": 900}, **given))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on(
            "request", lambda request: request.url.startswith("file:") or opened.complaints.append(request.url)
        )
        opened.page.goto(study.as_uri() + fragment)
        opened.page.wait_for_selector("html[data-ready]")
        pages.append(opened)
        return opened

    yield open_page
    for opened in pages:
        opened.page.close()


def names(opened: Opened) -> list[str]:
    """The names in the table's first column, from above."""
    return opened.run("[...document.querySelectorAll('#table tbody tr')].map((row) => row.dataset.row)")


CARDS = "[...document.querySelectorAll('#gallery .card[data-variant]')]"


def test_it_opens_from_disk_without_a_complaint(visit: Callable[..., Opened]) -> None:
    opened = visit()
    assert opened.page.title() == "study · report"
    assert opened.run(f"{CARDS}.length") == 18
    assert opened.run("document.querySelectorAll('#plot .mark').length") == 3
    assert (
        opened.run("[...document.querySelectorAll('#cost tbody tr')].map((row) => row.lastChild.textContent)")
        == ["12"] * 3
    )
    assert opened.complaints == []


def test_the_table_sorts_best_first_then_the_other_way(visit: Callable[..., Opened]) -> None:
    opened = visit()
    means = opened.run("REPORT.tables[0].rows.map((row) => row.cells[1].mean)")
    best_first = [str(k) for k in sorted(range(3), key=lambda k: -means[k])]
    opened.page.click("#table thead th:nth-child(5) button")
    assert names(opened) == best_first
    assert opened.page.get_attribute("#table thead th:nth-child(5)", "aria-sort") == "descending"
    opened.page.click("#table thead th:nth-child(5) button")
    assert names(opened) == best_first[::-1]


def test_filters_narrow_and_can_be_sent_as_a_link(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.page.click("#motion .chip:has-text('camera')")
    assert opened.run(f"{CARDS}.length") == 6
    opened.page.click("#variant .chip:has-text('loss mse')")
    assert opened.run(f"{CARDS}.length") == 2
    opened.page.fill("#prompt", "square WHITE")
    assert opened.run(f"{CARDS}.length") == 1
    assert opened.page.inner_text("#count") == "1 of 18"
    again = visit(opened.run("location.hash"))
    assert again.run(f"{CARDS}.length") == 1
    opened.page.click("#reset")
    opened.page.select_option("#clip", "clip_02")
    assert opened.run(f"{CARDS}.length") == 6
    opened.page.select_option("#clip", "")
    opened.page.click("#table tbody tr:nth-child(2) th button")
    assert opened.run(f"new Set({CARDS}.map((card) => card.dataset.variant)).size") == 1
    assert opened.complaints + again.complaints == []


def test_clips_play_in_step_and_stand_on_the_same_frame(visit: Callable[..., Opened]) -> None:
    opened = visit("#clip=clip_01", reduced_motion="no-preference")
    opened.run("at('gallery-section').scrollIntoView()")
    opened.wait("clock.videos.length === 8 && clock.videos.every((video) => video.readyState >= 2)")
    spread = """(() => {
        const [first, ...others] = clock.videos;
        const apart = others.map((video) => Math.abs(video.currentTime - first.currentTime));
        return Math.max(...apart.map((gap) => Math.min(gap, first.duration - gap)));
    })()"""
    opened.wait(f"clock.videos.every((video) => !video.paused && video.currentTime > 0) && {spread} < 1 / 8")
    opened.page.keyboard.press("Space")
    opened.run("clock.seek(5 / 8)")
    there = "clock.videos.every((video) => video.paused && !video.seeking && Math.abs(video.currentTime - {}) < 0.05)"
    opened.wait(there.format(5.5 / 8))
    assert opened.page.inner_text("#clock") == "6 / 16"
    opened.page.keyboard.press("ArrowRight")
    opened.wait(there.format(6.5 / 8))
    assert opened.complaints == []


def test_only_clips_near_the_screen_are_loaded(visit: Callable[..., Opened]) -> None:
    opened = visit(width=400)
    assert opened.run("document.querySelectorAll('video').length") < 24
    opened.run("scrollTo(0, document.body.scrollHeight)")
    opened.wait("clock.videos.some((video) => video.src.includes('clip_02'))")
    opened.wait("!clock.videos.some((video) => video.src.includes('clip_00'))")


def test_a_cell_leads_to_its_record_and_configuration(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.page.click(".clip[data-clip=clip_00] .card[data-variant='2'] a")
    text = opened.page.inner_text("#detail .json[data-title=Configuration] pre")
    assert json.loads(text)["method"]["loss"] == "vmc"
    record = json.loads(opened.run("document.querySelector('#detail .json[data-title=Record] pre').textContent"))
    assert record["axes"]["loss"] == "vmc"
    assert record["metrics"]["motion_fidelity"]["version"] == "1"
    opened.wait("document.querySelectorAll('#detail video').length === 2")
    again = visit(opened.run("location.hash"))
    assert again.page.is_visible("#detail h2")
    again.page.keyboard.press("Escape")
    again.wait("!at('detail').open && location.hash === ''")
    again.run("at('gallery-section').scrollIntoView()")
    again.wait("getComputedStyle(at('player')).visibility === 'visible'")
    assert opened.complaints + again.complaints == []


def test_a_clip_that_cannot_be_played_says_so(visit: Callable[..., Opened]) -> None:
    opened = visit("#clip=clip_00")
    opened.run("at('gallery-section').scrollIntoView()")
    opened.wait(
        "[...document.querySelectorAll('.stage.fault')].map((box) => box.textContent).join() === 'can’t be played'"
    )


@pytest.mark.parametrize(("scheme", "lighter"), [("light", True), ("dark", False)])
def test_it_is_light_or_dark_as_the_reader_likes(
    visit: Callable[..., Opened], tmp_path: Path, scheme: str, lighter: bool
) -> None:
    opened = visit(color_scheme=scheme)
    assert _ground(opened, tmp_path) is lighter
    opened.page.click("#theme")
    assert _ground(opened, tmp_path) is True
    opened.page.click("#theme")
    assert _ground(opened, tmp_path) is False


def test_a_narrow_screen_need_not_be_scrolled_sideways(visit: Callable[..., Opened]) -> None:
    opened = visit(width=390)
    assert opened.run("document.documentElement.scrollWidth") <= 390


def test_clips_come_first_with_a_legend_and_a_way_to_the_rest(visit: Callable[..., Opened]) -> None:
    opened = visit()
    assert opened.run("document.querySelector('main section').id") == "gallery-section"
    assert opened.page.inner_text("#legend").split("\n")[:2] == ["TS", "text similarity ↑"]
    for scores in opened.run("[...document.querySelectorAll('.card .scores')].map((box) => box.innerText)"):
        assert "TS" in scores and "MF" in scores
    opened.page.click("#parts button:has-text('Scores')")
    opened.wait("Math.abs(at('scores-section').getBoundingClientRect().top) < 900 && scrollY > 0")
    assert opened.run("location.hash") == ""
    assert opened.complaints == []


def test_references_of_one_clip_have_scenes_of_their_own(put: Put, tmp_path: Path) -> None:
    for start in (0, 8):
        for method in ("none", "motion_inversion"):
            put(
                method=method,
                folder=f"{method}-1",
                dataset={"start": start},
                checksums={"footage": str(start)},
                reference=f"../../prepare/reference-{start}/video.mkv",
            )
    data = written(tmp_path)
    assert [record["cut"] for record in data["records"]] == ["start 0", "start 8"] * 2
    assert [variant["name"] for variant in data["variants"]] == ["no customisation", "motion inversion"]
    assert len({record["id"] for record in data["records"]}) == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(visit: Callable[..., Opened], scheme: str) -> None:
    opened = visit("#clip=clip_01", color_scheme=scheme)
    opened.page.add_script_tag(path=_axe())
    found = opened.run("axe.run({ preload: false })")["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], [part["html"] for part in fault["nodes"]][:3]) for fault in serious] == []


def _axe() -> Path:
    """axe-core's script as npm installs it, here or globally."""
    folders = [Path("node_modules")]
    if npm := shutil.which("npm"):
        folders.append(Path(subprocess.run([npm, "root", "-g"], capture_output=True, text=True).stdout.strip()))
    for folder in folders:
        if (script := folder / "axe-core" / "axe.min.js").is_file():
            return script
    pytest.skip("axe-core isn't installed (npm install --global axe-core)")


def _beyond_disk(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:")) else [url]


def _ground(opened: Opened, tmp_path: Path) -> bool:
    """Whether a screenshot's corner is light."""
    from PIL import Image

    opened.page.screenshot(path=tmp_path / "page.png")
    return sum(Image.open(tmp_path / "page.png").convert("RGB").getpixel((3, 3))) > 3 * 128  # type: ignore[arg-type]
