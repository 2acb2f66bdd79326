"""Which frames of a cut a model gets; frame k of the file is the grey 10·k."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from motion_inversion.data.clip import sha256_of_clip
from motion_inversion.data.cut import Cut
from motion_inversion.data.video import Video, write_lossless
from motion_inversion.error import InputError


def read(cut: Cut, frames: int) -> list[int]:
    return [int(grey) // 10 for grey in cut.read(frames, 16, 8)[:, 0, 0, 0]]


@pytest.mark.parametrize(
    ("cut", "frames", "indices"),
    [
        ({"count": 10}, 10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"count": 10}, 4, [0, 3, 6, 9]),  # nine steps make three of three
        ({"count": 10}, 5, [0, 2, 4, 6, 8]),  # the last frame is left
        ({"count": 10}, 6, [0, 1, 2, 3, 4, 5]),  # steps of two would end at frame 10
        ({"count": 10}, 2, [0, 9]),
        ({"count": 10}, 1, [0]),
        ({"count": None}, 4, [0, 3, 6, 9]),
        ({"start": 1, "stride": 2, "count": 4}, 4, [1, 3, 5, 7]),
        ({"start": 1, "stride": 2, "count": 4}, 2, [1, 7]),
        ({"start": 1, "stride": 2, "count": None}, 5, [1, 3, 5, 7, 9]),
    ],
)
def test_frames_are_spread_evenly_over_the_cut(ten: Path, cut: dict, frames: int, indices: list[int]) -> None:
    assert read(Cut(ten, **cut), frames) == indices


def test_the_steps_of_a_cut_are_the_longest_that_fit() -> None:
    # 24 frames three apart would take 70, two apart they take 47.
    assert Cut(Path("any.mp4"), count=49)._indices(24) == range(0, 48, 2)


def test_a_folder_of_images_is_cut_alike(tmp_path: Path) -> None:
    for index in range(8):
        Image.new("RGB", (16, 8), (10 * index,) * 3).save(tmp_path / f"{index:05}.png")
    assert read(Cut(tmp_path, 2, 1, 5), 3) == [2, 4, 6]
    assert Cut(tmp_path, 2).available() == 6


def test_the_rate_is_that_of_the_cut(ten: Path) -> None:
    assert Cut(ten, stride=2, count=3).rate(3) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        ({"count": 4}, r"holds 4 frames, fewer than the model's 5; set model\.frames=4 or dataset\.only="),
        ({"count": None, "stride": 3}, r"holds 4 frames, fewer than the model's 5; set model\.frames=4"),
        ({"count": None, "start": 10}, r"holds 0 frames, fewer than the model's 5; set dataset\.only="),
        ({"count": 20}, r"has 10 frames .* its cut needs 17 \(start 0, stride 1, count 20\); fetch it again or mend"),
    ],
)
def test_a_cut_or_a_file_that_is_too_short_is_refused(ten: Path, cut: dict, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        Cut(ten, **cut).read(5, 16, 8)


def test_the_fingerprint_depends_on_content_and_cut_alone(ten: Path, tmp_path: Path) -> None:
    cut = Cut(ten, count=10)
    (tmp_path / "copy.mkv").write_bytes(ten.read_bytes())
    assert cut.fingerprint() == Cut(tmp_path / "copy.mkv", count=10, sha256=sha256_of_clip(ten)).fingerprint()
    others = [replace(cut, count=9), replace(cut, start=1), replace(cut, stride=2), replace(cut, fit="crop")]
    assert len({cut.fingerprint(), *(other.fingerprint() for other in others)}) == 5


def test_another_file_in_its_place_is_refused(ten: Path) -> None:
    with pytest.raises(InputError, match=r"ten\.mkv is not the file that its manifest means: .*delete it and fetch"):
        Cut(ten, sha256="0" * 64).fingerprint()


def test_another_file_may_be_the_one_that_is_counted(ten: Path, tmp_path: Path, grey: Callable[..., Video]) -> None:
    """Of a clip of ten frames, frames 0, 3, 6 and 9 are taken, and so they are of its maps, be these longer."""
    write_lossless(tmp_path / "longer.mkv", grey(16), 5.0)
    maps = Cut(tmp_path / "longer.mkv", counted=ten)
    assert read(maps, 4) == read(Cut(ten), 4) == [0, 3, 6, 9]
    assert read(replace(maps, counted=None), 4) == [0, 5, 10, 15]
    assert maps.fingerprint() != replace(maps, counted=maps.path).fingerprint()
    fixed = replace(maps, count=10)
    assert fixed.fingerprint() == replace(fixed, counted=None).fingerprint()
    write_lossless(tmp_path / "shorter.mkv", grey(6), 5.0)
    with pytest.raises(InputError, match=r"shorter\.mkv has 6 frames .* its cut needs 10"):
        replace(maps, path=tmp_path / "shorter.mkv").read(4, 16, 8)
