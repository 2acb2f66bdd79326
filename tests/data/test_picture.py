"""Where the frames and labels of a strip stand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from motion_inversion.data.picture import save_png, spread, strip
from motion_inversion.data.video import Video
from motion_inversion.error import InputError

WHITE = (255, 255, 255)


def coloured(frames: int, width: int, height: int, blue: int = 0) -> Video:
    """Frame k has the red level k and the green level of its own row's or column's number."""
    video = np.zeros((frames, height, width, 3), dtype=np.uint8)
    video[..., 0] = np.arange(frames)[:, None, None]
    video[..., 1] = np.arange(height)[None, :, None]
    video[..., 2] = blue
    return video


def ink(image: Image.Image) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of everything darker than white."""
    rows, columns = np.nonzero(np.asarray(image.convert("L")) < 200)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_spread_by_hand() -> None:
    # k·15/7 = 0, 2.14, 4.29, 6.43, 8.57, 10.71, 12.86, 15
    assert spread(16, 8) == [0, 2, 4, 6, 9, 11, 13, 15]
    assert spread(24, 8) == [
        0,
        3,
        7,
        10,
        13,
        16,
        20,
        23,
    ]  # k·23/7 = 0, 3.29, 6.57, 9.86, 13.14, 16.43, 19.71, 23
    assert spread(3, 8) == [0, 1, 2]
    assert spread(5, 1) == [0]


@settings(max_examples=25)
@given(frames=st.integers(2, 64), count=st.integers(2, 16))
def test_spread_is_even_and_reaches_both_ends(frames: int, count: int) -> None:
    chosen = spread(frames, count)
    steps = np.diff(chosen)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, frames - 1, min(frames, count))
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


def test_unlabelled_rows_by_hand() -> None:
    # Two rows, 96x48 and 48x32 pixels, 3 of 5 frames each, unscaled. A gap is 96 / 48 = 2 pixels, rows are 4
    # apart. Width: 2 + 3·(96 + 2) = 296. Height: 2 + 48 + 4 + 32 + 2 = 88. Narrow frames are centred, so they
    # stand (96 - 48) / 2 = 24 further in.
    rows = [("", coloured(5, 96, 48)), ("", coloured(5, 48, 32, blue=90))]
    sheet = strip(rows, count=3, scale=1)
    assert sheet.size == (296, 88)
    for column, frame in enumerate((0, 2, 4)):
        left = 2 + column * 98
        np.testing.assert_array_equal(np.asarray(sheet.crop((left, 2, left + 96, 50))), rows[0][1][frame])
        np.testing.assert_array_equal(np.asarray(sheet.crop((left + 24, 54, left + 72, 86))), rows[1][1][frame])
    for margin in ((0, 0, 296, 2), (0, 50, 296, 54), (0, 86, 296, 88), (98, 0, 100, 88), (294, 0, 296, 88)):
        assert sheet.crop(margin).getcolors() == [((margin[2] - margin[0]) * (margin[3] - margin[1]), WHITE)]


def test_tiny_frames_are_enlarged_by_repeating_pixels() -> None:
    # 256 / 20 is 12.8, so the factor is 13: frames of 260x130, a gap of 260 // 48 = 5.
    video = coloured(4, 20, 10)
    sheet = strip([("", video)], count=2)
    assert sheet.size == (5 + 2 * 265, 5 + 130 + 5)
    last = np.asarray(sheet.crop((270, 5, 530, 135)))
    np.testing.assert_array_equal(last, np.kron(video[3], np.ones((13, 13, 1), dtype=np.uint8)))


def test_labels_stand_left_of_their_row_at_mid_height() -> None:
    bright = np.full((2, 64, 64, 3), 230, dtype=np.uint8)
    sheet = strip([("Hx", bright), ("", bright)], count=2, scale=4)
    bare = strip([("", bright), ("", bright)], count=2, scale=4)
    column = sheet.width - bare.width
    left, top, right, bottom = ink(sheet.crop((0, 0, column, sheet.height)))
    # 256-pixel frames give a gap of 5: one before the label, three more between it and where frames began.
    assert 5 <= left < 10
    assert column - 10 - 3 <= right <= column - 10
    assert abs((top + bottom) / 2 - (5 + 128)) < 8
    np.testing.assert_array_equal(np.asarray(sheet)[:, column + 5 :], np.asarray(bare)[:, 5:])


def test_long_labels_wrap_and_shrink_but_stay_beside_their_row() -> None:
    bright = np.full((2, 64, 64, 3), 230, dtype=np.uint8)
    long = "A firefighter standing in front of a burning forest captured with a dolly zoom, " * 3
    bare = strip([("", bright), ("", bright)], count=2, scale=4)
    sheet = strip([(long, bright), ("Source", bright)], count=2, scale=4)
    assert sheet.height == bare.height
    column = sheet.width - bare.width
    assert column <= 1.1 * 256 + 15 + 1  # as wide as the widest label may be, and three gaps
    _, top, _, bottom = ink(sheet.crop((0, 0, column, 5 + 256 + 5)))
    assert top >= 5
    assert 128 < bottom - top <= 256


def test_a_row_grows_where_its_label_cannot_shrink_further() -> None:
    bright = np.full((2, 32, 32, 3), 230, dtype=np.uint8)
    rows = [("one two three four five six seven eight nine ten", bright), ("", bright)]
    assert strip(rows, count=2, scale=1).height > strip([("", bright)] * 2, count=2, scale=1).height


def test_a_saved_picture_reads_back(tmp_path: Path) -> None:
    sheet = strip([("a", coloured(3, 16, 16))], count=3)
    save_png(tmp_path / "new" / "strip.png", sheet)
    with Image.open(tmp_path / "new" / "strip.png") as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), np.asarray(sheet))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["strip.png"]
    with pytest.raises(InputError, match="output=…"):
        save_png(tmp_path / "new" / "strip.png" / "inside.png", sheet)
