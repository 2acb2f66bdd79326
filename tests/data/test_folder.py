"""A folder's images are one clip: one series, no number missing or given twice."""

import os
from pathlib import Path

import pytest
from PIL import Image

from motion_inversion.data.folder import IMAGE_SUFFIXES, Folder, clip_files
from motion_inversion.data.video import read_video
from motion_inversion.error import InputError


def save(folder: Path, *names: str) -> None:
    for index, name in enumerate(names):
        Image.new("RGB", (8, 8), (10 * index,) * 3).save(folder / name)


@pytest.mark.parametrize("suffix", sorted({*IMAGE_SUFFIXES} - {".apng", ".jfif", ".pbm"}))
def test_images_of_every_kind_listed_are_read(tmp_path: Path, suffix: str) -> None:
    for index in range(2):
        Image.new("L", (16, 16), 100 * index).save(tmp_path / f"{index}{suffix}")
    assert abs(int(read_video(tmp_path, 2, 8, 8)[1].mean()) - 100) <= 2


def test_other_kinds_are_told_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "0.exr").write_bytes(b"")
    with pytest.raises(InputError, match=r"kind that is read \(\.png, .*\.avif.*\) but \.exr files"):
        clip_files(tmp_path)


@pytest.mark.parametrize(
    "names", [("0_mask.png", "0.png", "1_mask.png", "1.png"), ("frame_0.png", "depth_0.png"), ("a.png", "b.png")]
)
def test_masks_beside_frames_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    save(tmp_path, *names)
    with pytest.raises(InputError, match=r"aren't one series: there are .*folder of their own.*dataset\.path=…"):
        read_video(tmp_path, 2, 8, 8)


def test_two_images_of_one_number_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "frame_1.png", "frame_01.png", "frame_2.png")
    with pytest.raises(InputError, match=r"repeat a number: frame_01\.png and frame_1\.png"):
        read_video(tmp_path, 2, 8, 8)


def test_missing_numbers_are_refused_where_the_cut_would_jump(tmp_path: Path) -> None:
    save(tmp_path, *[f"clip2_{number:03}.png" for number in (0, 1, 2, 3, 6, 7, 8)])
    with pytest.raises(InputError, match=r"missing in .*: clip2_003\.png is followed by clip2_006\.png; .*start=4"):
        read_video(tmp_path, 6, 8, 8)
    assert read_video(tmp_path, 3, 8, 8, start=4)[:, 0, 0, 0].tolist() == [40, 50, 60]
    assert len(read_video(tmp_path, 4, 8, 8)) == 4


def test_even_steps_are_no_gap(tmp_path: Path) -> None:
    save(tmp_path, *[f"{number}.png" for number in (0, 5, 10, 15)])
    assert len(read_video(tmp_path, 4, 8, 8)) == 4


def test_a_pipe_among_the_images_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "0.png")
    os.mkfifo(tmp_path / "1.png")
    with pytest.raises(InputError, match=r"1\.png is no regular file"):
        clip_files(tmp_path)


def test_only_new_ways_of_reading_are_told(tmp_path: Path) -> None:
    save(tmp_path, "0.png", "1.png")
    assert Folder(tmp_path).reading("crop") == ""
    Image.new("I;16", (8, 8), 40000).save(tmp_path / "2.png")
    assert Folder(tmp_path).reading("crop") == "scaled from 16 bits"


def test_a_number_that_begins_anew_within_the_cut_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two cameras, or two scenes, whose names differ in numbers alone."""
    save(tmp_path, *(f"cam{camera}_{index:03}.png" for camera in (1, 2) for index in range(4)))
    read_video(tmp_path, 4, 8, 8)
    read_video(tmp_path, 4, 8, 8, start=4)
    assert not caplog.records
    read_video(tmp_path, 5, 8, 8)
    assert "counts anew within the cut: cam1_003.png is followed by cam2_000.png" in caplog.text


def test_two_numbers_that_count_together_are_one_series(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, *(f"{index:03}_{40 * index}ms.png" for index in range(4)))
    read_video(tmp_path, 4, 8, 8)
    assert not caplog.records
