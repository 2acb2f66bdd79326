"""What stands in each row of a comparison: a clip's grey tells which one it is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from motion_inversion.core.error import InputError
from motion_inversion.data import picture
from motion_inversion.data.video import write_lossless
from motion_inversion.report import figure
from motion_inversion.report.collect import collect

Put = Callable[..., Path]
Shown = Callable[..., list[tuple[str, int]]]


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The label and the grey of each row of the comparison of `odd_path`."""
    seen: list[tuple[str, int]] = []

    def strip(rows: list[picture.Row], count: int) -> Image.Image:
        assert {len(video) for _, video in rows} == {count}
        seen[:] = [(label, int(video.max())) for label, video in rows]
        return picture.strip(rows, count, scale=1)

    monkeypatch.setattr(figure, "strip", strip)

    def compare(*keys: str, clip: str = "odd_path", **fixed: str) -> list[tuple[str, int]]:
        figure.comparison(collect(tmp_path).records, clip, keys, fixed)
        return list(seen)

    return compare


def reference(tmp_path: Path, level: int = 10) -> Path:
    path = tmp_path / "name" / "odd_path" / "prepare" / "reference" / "video.mkv"
    write_lossless(path, np.full((16, 8, 8, 3), level, dtype=np.uint8), 8.0)
    return path


def test_the_reference_then_control_and_result_of_each_prompt(put: Put, tmp_path: Path, shown: Shown) -> None:
    reference(tmp_path)
    put(60, seed=1)
    put(30)
    put(20, method="none")
    put(50, prompt="a cube")
    put(40, prompt="a cube", method="none")
    put(70, clip="pan")
    assert shown() == [
        ("reference", 10),
        ("no customisation · a red star", 20),
        ("motion inversion · a red star", 30),
        ("no customisation · a cube", 40),
        ("motion inversion · a cube", 50),
    ]


def test_keys_make_rows_and_other_axes_stay_at_one_value(put: Put, tmp_path: Path, shown: Shown) -> None:
    reference(tmp_path)
    for level, noise, loss in ((20, "blend", "mse"), (30, "random", "mse"), (40, "blend", "vmc")):
        put(level, axes={"noise": noise, "loss": loss})
    assert shown() == [("reference", 10), ("motion inversion · a red star", 20)]
    assert shown("loss")[1:] == [
        ("motion inversion, loss mse · a red star", 20),
        ("motion inversion, loss vmc · a red star", 40),
    ]
    assert shown(noise="random")[1:] == [("motion inversion · a red star", 30)]


def test_what_is_missing_keeps_its_row(put: Put, tmp_path: Path, shown: Shown) -> None:
    damaged = reference(tmp_path)
    damaged.write_bytes(b"no video")
    put(30)
    put(prompt="a cube")
    put(40, method="none", clip="pan")
    assert shown() == [
        ("reference (missing)", figure.BLANK),
        ("no customisation · a red star (missing)", figure.BLANK),
        ("motion inversion · a red star", 30),
        ("no customisation · a cube (missing)", figure.BLANK),
        ("motion inversion · a cube (missing)", figure.BLANK),
    ]


def test_without_any_video_there_still_is_a_picture(put: Put, shown: Shown) -> None:
    put()
    assert [label for label, _ in shown()] == [
        "reference (missing)",
        "motion inversion · a red star (missing)",
    ]


def test_an_unknown_clip_is_refused(put: Put, shown: Shown) -> None:
    put()
    with pytest.raises(InputError, match="no record of the clip cat; accepted: odd_path"):
        shown(clip="cat")
