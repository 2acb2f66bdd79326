"""Which samples a figure shows, and that its rows are where they belong: a clip's grey tells which one it is."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from motion_inversion.data.video import write_lossless
from motion_inversion.error import InputError
from motion_inversion.report.collect import collect
from motion_inversion.report.figure.choice import Shown, choose, pages, read
from motion_inversion.report.figure.comparison import HEADING, LABEL, comparison
from motion_inversion.report.figure.series import looks, names
from motion_inversion.report.figure.style import DPI, WIDTH, save
from motion_inversion.report.figure.writing import write_figures
from motion_inversion.report.table import tabulate

Put = Callable[..., Path]
Rows = Callable[..., list[tuple[str, str, int | None]]]


@pytest.fixture
def shown(tmp_path: Path) -> Rows:
    """The label, prompt and grey of each row of the comparison of `odd_path`."""

    def compare(*keys: str, clip: str = "odd_path", **fixed: str) -> list[tuple[str, str, int | None]]:
        rows = read(choose(collect(tmp_path).records, clip, keys, fixed))
        return [(row.label, row.prompt, None if row.video is None else int(row.video.max())) for row in rows]

    return compare


def reference(tmp_path: Path, level: int = 10) -> Path:
    path = tmp_path / "name" / "odd_path" / "prepare" / "reference" / "video.mkv"
    write_lossless(path, np.full((16, 8, 8, 3), level, dtype=np.uint8), 8.0)
    return path


def drawn(figure: Figure) -> Any:
    """The figure in its dots."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return np.asarray(Image.open(file).convert("RGB"))


def test_the_source_then_control_and_result_of_each_prompt(put: Put, tmp_path: Path, shown: Rows) -> None:
    reference(tmp_path)
    put(60, seed=1)
    put(30)
    put(20, method="none")
    put(50, prompt="a cube")
    put(40, prompt="a cube", method="none")
    put(70, clip="pan")
    assert shown() == [
        ("source", "a blue disc", 10),
        ("no customisation", "a red star", 20),
        ("motion inversion", "a red star", 30),
        ("no customisation", "a cube", 40),
        ("motion inversion", "a cube", 50),
    ]


def test_keys_make_rows_and_other_axes_stay_at_one_value(put: Put, tmp_path: Path, shown: Rows) -> None:
    reference(tmp_path)
    for level, noise, loss in ((20, "blend", "mse"), (30, "random", "mse"), (40, "blend", "vmc")):
        put(level, axes={"noise": noise, "loss": loss})
    assert [row[::2] for row in shown()] == [("source", 10), ("motion inversion", 20)]
    assert [row[::2] for row in shown("loss")] == [("source", 10), ("loss mse", 20), ("loss vmc", 40)]
    assert [row[::2] for row in shown(noise="random")][1:] == [("motion inversion", 30)]


def test_a_method_with_a_value_of_its_own_is_not_missing(put: Put, tmp_path: Path, shown: Rows) -> None:
    reference(tmp_path)
    put(20, axes={"iterations": "150", "noise": "blend"})
    put(30, method="tuned", axes={"iterations": "400", "noise": "random"})
    put(40, method="tuned", axes={"iterations": "400", "noise": "blend"})
    assert [row[2] for row in shown()] == [10, 20, 40]


def test_what_is_missing_keeps_its_row(put: Put, tmp_path: Path, shown: Rows) -> None:
    reference(tmp_path).write_bytes(b"no video")
    put(30)
    put(prompt="a cube")
    put(40, method="none", clip="pan")
    assert [row[2] for row in shown()] == [None, None, 30, None, None]


def test_planned_samples_stand_behind_those_that_were_made(
    put: Put, plan: Put, tmp_path: Path, shown: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    reference(tmp_path)
    plan({"seed": -1}, axes={"noise": "blend", "loss": "mse"})
    plan({}, axes={"noise": "blend", "loss": "debiased"})
    put(20, axes={"noise": "blend", "loss": "vmc"})
    assert [row[::2] for row in shown()] == [("source", 10), ("motion inversion", 20)]
    assert [row[2] for row in shown("loss")] == [10, None, None, 20]
    assert not [line for line in caplog.messages if "no such file" in line]


def test_reference_clips_that_were_scored_are_no_rows(put: Put, tmp_path: Path, shown: Rows) -> None:
    reference(tmp_path)
    put(30)
    put(40, method="source")
    assert [row[0] for row in shown()] == ["source", "motion inversion"]


def test_an_unknown_clip_is_refused(put: Put, shown: Rows) -> None:
    put()
    with pytest.raises(InputError, match="no record of the clip cat; accepted: odd_path"):
        shown(clip="cat")


def test_names_leave_out_what_rows_share_unless_the_control_differs_in_the_rest() -> None:
    keys = ("method", "loss")
    losses = [("none", None), ("ours", "mse"), ("ours", "vmc")]
    assert names(keys, losses) == ["no customisation", "loss mse", "loss vmc"]
    noises = [("none", "blend"), ("ours", "blend"), ("ours", "random")]
    assert names(("method", "noise"), noises)[:2] == ["no customisation, noise blend", "ours, noise blend"]
    assert names(keys, [("ours", "mse")]) == ["ours, loss mse"]


def test_looks_tell_30_rows_apart_and_the_control_is_grey() -> None:
    found = looks(("method",), [("none",), *((f"m{k}",) for k in range(30))])
    assert len({(look.colour, look.marker) for look in found}) == 31
    assert len({int(found[0].colour[k : k + 2], 16) // 16 for k in (1, 3, 5)}) <= 2  # about as red as green as blue


def test_each_row_shows_its_frames_from_first_to_last_on_white() -> None:
    ramp = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), dtype=np.uint8) * 10
    figure = comparison([Shown("source", "a", ramp), Shown("ours", "b", None)], count=8)
    pixels = drawn(figure)
    assert pixels.shape[1] == round(DPI * WIDTH)
    assert tuple(pixels[2, 2]) == (255, 255, 255)
    # Frames 0, 2, 4, 6, 9, 11, 13, 15 of 16, ten levels apart, across the middle of the first row of pictures.
    wide = (WIDTH - LABEL) / 8
    middles = [int(DPI * (LABEL + (k + 0.5) * wide)) for k in range(8)]
    row = int(DPI * (0.24 + wide / 2))
    assert [round(int(pixels[row, x, 0]) / 10) for x in middles] == [0, 2, 4, 6, 9, 11, 13, 15]
    assert "missing" in [text.get_text() for text in figure.axes[0].texts]
    assert "“b”" in [text.get_text() for text in figure.axes[0].texts]


def test_frames_begin_and_end_with_a_dot_and_their_pixels_stay_square() -> None:
    video = np.random.default_rng(0).integers(0, 200, (8, 8, 8, 3), dtype=np.uint8)
    pixels = drawn(comparison([Shown("source", "a", video)], count=8))
    first = pixels[round(DPI * HEADING) :, round(DPI * LABEL) :]
    wide = int(np.argmax((first[0] == 255).all(-1)))
    assert (pixels[round(DPI * HEADING), round(DPI * LABEL) - 1] == 255).all()
    corners = np.ix_([0, wide - 1], [0, wide - 1])
    assert (first[corners] == video[0][np.ix_([0, 7], [0, 7])]).all()
    middles = ((np.arange(8) + 0.5) * wide / 8).astype(int)
    assert (first[np.ix_(middles, middles)] == video[0]).all()
    assert (first[wide, :wide] == 255).all()


def assert_on_the_page(figure: Figure) -> None:
    assert figure.dpi == DPI  # that of the file: hinting makes letters as wide as whole dots
    figure.draw_without_rendering()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width


def test_long_labels_and_prompts_stay_on_the_page() -> None:
    video = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    figure = comparison([Shown("motion inversion, loss debiased, layout deep " * 2, "word " * 80, video)])
    assert_on_the_page(figure)


def test_text_without_spaces_stays_on_the_page() -> None:
    video = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    figure = comparison([Shown("word" * 30, "移动" * 100, video)])
    assert_on_the_page(figure)
    assert any(text.get_text().endswith("…”") for text in figure.axes[0].texts)


def test_a_row_without_values_is_a_dash_as_in_tables() -> None:
    assert names(["layout"], [(None,), ("deep",), ("all",)]) == ["–", "layout deep", "layout all"]


def test_settings_are_broken_at_commas() -> None:
    video = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    figure = comparison([Shown("optimizer adamw(lr=0.1,eps=1e-12)", "a ball", video)])
    assert_on_the_page(figure)
    assert "optimizer\nadamw(lr=0.1,\neps=1e-12)" in [text.get_text() for text in figure.axes[0].texts]


def test_many_rows_are_pages_with_the_source_on_each(put: Put, tmp_path: Path) -> None:
    reference(tmp_path)
    for k in range(20):
        put(20, method=f"method_{k:02d}")
    records = collect(tmp_path).records
    names = write_figures(records, tabulate(records), tmp_path / "out")
    assert [name for name in names if name.endswith(".png")] == [
        "comparison-odd_path.png",
        "comparison-odd_path-page2.png",
        "comparison-odd_path-page3.png",
    ]
    split = pages(choose(records, "odd_path"))
    assert [len(page) for page in split] == [8, 8, 7]
    assert {page[0].label for page in split} == {"source"}
    assert [row.label for page in split for row in page[1:]] == [f"method {k:02d}" for k in range(20)]


def test_each_cut_of_a_clip_has_its_own_figure(put: Put, tmp_path: Path) -> None:
    for start in (0, 8):
        put(20, dataset={"start": start}, reference=f"../../prepare/reference-{start}/video.mkv")
    records = collect(tmp_path).records
    names = write_figures(records, tabulate(records), tmp_path / "out")
    assert {"comparison-odd_path-start-0.png", "comparison-odd_path-start-8.png"} <= set(names)


def test_scenes_that_share_a_name_have_figures_of_their_own(put: Put, tmp_path: Path) -> None:
    """Their prompts differ, so nothing else tells them apart: samples would stand below the other's source."""
    for scene in ("a", "b"):
        reference = f"../../prepare/reference-{scene}/video.mkv"
        put(20, prompt=f"a {scene}", checksums={"footage": 12 * scene}, reference=reference)
    put(20, clip="pan", checksums={"footage": 12 * "c"})
    records = collect(tmp_path).records
    names = {name.rpartition(".")[0] for name in write_figures(records, tabulate(records), tmp_path / "out")}
    assert {name for name in names if name.startswith("comparison")} == {
        "comparison-odd_path-footage-aaaaaaaa",
        "comparison-odd_path-footage-bbbbbbbb",
        "comparison-pan",
    }


def test_a_dollar_is_a_dollar() -> None:
    figure = comparison([Shown("source", "costs $5 or $6_x$", None)])
    assert drawn(figure).size


def test_files_repeat_byte_for_byte(tmp_path: Path) -> None:
    for name in ("a.b", "c.d"):
        save(tmp_path / name, comparison([Shown("source", "a", np.zeros((4, 8, 8, 3), dtype=np.uint8))]))
    for form in ("png", "pdf"):
        assert (tmp_path / f"a.b.{form}").read_bytes() == (tmp_path / f"c.d.{form}").read_bytes()
    assert (tmp_path / "a.b.pdf").read_bytes().startswith(b"%PDF")


def test_a_report_has_a_figure_of_each_clip_and_those_that_its_table_allows(put: Put, tmp_path: Path) -> None:
    metrics = {"text_similarity": 0.5, "motion_fidelity": 0.25}
    for iterations in ("100", "300"):
        put(20, metrics=metrics, axes={"iterations": iterations})
    records = collect(tmp_path).records
    names = write_figures(records, tabulate(records), tmp_path / "out")
    assert sorted([*names, "figures.json"]) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {name.rpartition(".")[0] for name in names} == {"comparison-odd_path", "scatter", "sweep-iterations"}
    assert {name.rpartition(".")[2] for name in names} == {"png", "pdf"}
