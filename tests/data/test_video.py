"""Reading at the model's size, and writing for people and for metrics."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from motion_inversion.data.video import Video, read_exact, read_video, write_gif, write_lossless, write_video
from motion_inversion.error import InputError

RED, GREEN, BLUE = (200, 30, 40), (40, 180, 60), (20, 60, 220)


def three_bands() -> Video:
    """Two frames, 8 wide and 4 high: two red columns, four green ones, two blue ones."""
    row = np.array([RED] * 2 + [GREEN] * 4 + [BLUE] * 2, dtype=np.uint8)
    return np.broadcast_to(row, (2, 4, 8, 3)).copy()


def opened(path: Path) -> InputContainer:
    return av.open(path)


def test_start_and_stride_choose_the_frames(ten: Path) -> None:
    video = read_video(ten, 4, 16, 8, start=2, stride=2)
    assert video.shape == (4, 8, 16, 3)
    assert video[:, 0, 0, 0].tolist() == [20, 40, 60, 80]


def test_the_native_size_is_left_untouched(tmp_path: Path) -> None:
    video = np.random.default_rng(0).integers(0, 256, (2, 6, 10, 3), dtype=np.uint8)
    write_lossless(tmp_path / "a.mkv", video, fps=8.0)
    for fit in ("squeeze", "crop"):
        np.testing.assert_array_equal(read_video(tmp_path / "a.mkv", 2, 10, 6, fit=fit), video)


def test_crop_cuts_the_centre_and_squeeze_keeps_the_sides(tmp_path: Path) -> None:
    write_lossless(tmp_path / "a.mkv", three_bands(), fps=8.0)
    cropped = read_video(tmp_path / "a.mkv", 2, 4, 4, fit="crop")
    assert (cropped == GREEN).all()  # the middle 4 of 8 columns are the green ones
    squeezed = read_video(tmp_path / "a.mkv", 2, 4, 4)
    # Two columns fall in one: red | green | green | blue, but for what the filter blends at the borders.
    nearest = np.abs(squeezed[0, 0, :, None].astype(int) - np.array([RED, GREEN, BLUE])).sum(-1).argmin(-1)
    assert nearest.tolist() == [0, 1, 1, 2]


def test_shrinking_averages(tmp_path: Path) -> None:
    # A checkerboard of single black and white pixels has the mean 127.5; picking pixels would give 0 or 255.
    board = np.indices((32, 32)).sum(0) % 2 * 255
    video = np.repeat(board[None, :, :, None], 3, axis=3).astype(np.uint8)
    write_lossless(tmp_path / "a.mkv", video, fps=8.0)
    assert np.abs(read_video(tmp_path / "a.mkv", 1, 4, 4).astype(float) - 127.5).max() < 3


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"frames": 0}, r"frames is 0 .*model\.frames=…"),
        ({"width": 0}, r"width is 0 .*model\.width=…"),
        ({"height": -8}, r"height is -8 .*model\.height=…"),
        ({"start": -1}, r"start is -1 .*dataset\.start=0"),
        ({"stride": 0}, r"stride is 0 .*dataset\.stride=1"),
    ],
)
def test_sizes_and_cuts_out_of_range_name_their_override(ten: Path, changed: dict[str, Any], fault: str) -> None:
    request: dict[str, Any] = {"frames": 4, "width": 16, "height": 8, **changed}
    with pytest.raises(InputError, match=fault):
        read_video(ten, **request)


# Ten frames: 6 from start 3 at stride 2 end with frame 13, so 14 are needed; stride 1 ends with frame 8, and
# at stride 2 frames 3, 5, 7, 9 are there. 9 from start 4 end with frame 12; from start 1 they would fit, and
# from start 4 six are left.
@pytest.mark.parametrize(
    ("cut", "needed", "cures"),
    [
        ({"frames": 6, "start": 3, "stride": 2}, 14, ["dataset.stride=1", "model.frames=4"]),
        ({"frames": 9, "start": 4, "stride": 1}, 13, ["dataset.start=1", "model.frames=6"]),
        ({"frames": 16, "start": 0, "stride": 1}, 16, ["model.frames=10"]),
        ({"frames": 2, "start": 30, "stride": 1}, 32, ["dataset.start=8"]),
        ({"frames": 16, "start": 9, "stride": 1}, 25, []),
    ],
)
def test_too_few_frames_say_what_there_is_what_is_needed_and_what_would_fit(
    ten: Path, cut: dict[str, Any], needed: int, cures: list[str]
) -> None:
    with pytest.raises(InputError, match=rf"has 10 frames .*need {needed}; .*dataset\.path=…") as caught:
        read_video(ten, width=16, height=8, **cut)
    assert re.findall(r"\w+\.\w+=\d+", str(caught.value)) == cures
    for cure in cures:
        key, value = cure.partition(".")[2].split("=")
        mended: dict[str, Any] = {**cut, key: int(value)}
        assert len(read_video(ten, width=16, height=8, **mended)) == mended["frames"]


def test_one_frame_is_too_few(tmp_path: Path, grey: Callable[..., Video]) -> None:
    write_lossless(tmp_path / "one.mkv", grey(1), fps=8.0)
    with pytest.raises(InputError, match=r"one\.mkv has 1 frame that .*16 frames .*need 16; give a longer clip"):
        read_video(tmp_path / "one.mkv", 16, 16, 8)


@pytest.mark.parametrize(("write", "suffix"), [(write_video, ".mp4"), (write_gif, ".gif"), (write_lossless, ".mkv")])
def test_equal_frames_give_equal_bytes_and_other_frames_others(
    tmp_path: Path, write: Callable[..., None], suffix: str
) -> None:
    video = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)
    clips = {"a": video, "b": video.copy(), "c": video[::-1].copy()}
    for name, clip in clips.items():
        write(tmp_path / (name + suffix), clip, fps=8.0)
    a, b, c = (sha256((tmp_path / (name + suffix)).read_bytes()).digest() for name in clips)
    assert a == b
    assert a != c
    assert len(list(tmp_path.iterdir())) == 3


def test_an_mp4_is_what_browsers_play_and_names_its_colour_space(tmp_path: Path, grey: Callable[..., Video]) -> None:
    write_video(tmp_path / "a.mp4", grey(8, 64, 64), fps=8.0)
    with opened(tmp_path / "a.mp4") as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 256, 256)
        # 1 is BT.709 in FFmpeg's lists of matrices, primaries and transfers; range 1 is 16 to 235.
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (
            1,
            1,
            1,
            1,
        )
        assert container.streams.video[0].average_rate == 8
        assert len(list(container.decode(video=0))) == 8


@pytest.mark.parametrize(
    ("width", "height", "scale", "size"), [(5, 3, 1, (6, 4)), (5, 3, 2, (10, 6)), (1, 1, 1, (2, 2))]
)
def test_odd_sizes_are_padded_to_even_ones(
    tmp_path: Path,
    width: int,
    height: int,
    scale: int,
    size: tuple[int, int],
    grey: Callable[..., Video],
) -> None:
    write_video(tmp_path / "a.mp4", grey(3, width, height), fps=8.0, scale=scale)
    with opened(tmp_path / "a.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == size


def test_single_pixels_stay_crisp_in_an_mp4(tmp_path: Path) -> None:
    video = np.random.default_rng(0).choice(np.array([0, 255], dtype=np.uint8), (4, 16, 16, 1)).repeat(3, axis=3)
    write_video(tmp_path / "a.mp4", video, fps=8.0)
    with opened(tmp_path / "a.mp4") as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert frames.shape == (4, 256, 256, 3)
    assert np.abs(frames[:, 8::16, 8::16].astype(int) - video).max() < 12


def test_colours_of_an_mp4_are_kept(tmp_path: Path) -> None:
    video = three_bands()
    write_video(tmp_path / "a.mp4", video, fps=8.0)
    back = read_video(tmp_path / "a.mp4", 2, 8, 4)
    assert np.abs(back[:, :, [0, 3, 7]].astype(int) - video[:, :, [0, 3, 7]]).max() <= 3


def test_a_gif_keeps_every_frame_and_up_to_256_colours_exactly(tmp_path: Path) -> None:
    still = np.repeat(three_bands()[:1], 8, axis=0)
    write_gif(tmp_path / "still.gif", still, fps=8.0, scale=1)
    with opened(tmp_path / "still.gif") as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    np.testing.assert_array_equal(frames, still)
    # A gif counts hundredths of a second: 12 or 13 for an eighth. Its looping count of 0 means for ever.
    content = (tmp_path / "still.gif").read_bytes()
    delays = [int.from_bytes(found, "little") for found in re.findall(rb"\x21\xf9\x04.(..)", content, re.DOTALL)]
    assert set(delays) <= {12, 13}
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in content


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(video=st.tuples(*[st.integers(1, 5)] * 3).flatmap(lambda size: arrays(np.uint8, (*size, 3))))
def test_lossless_is_exact_at_any_size(tmp_path: Path, video: np.ndarray) -> None:
    write_lossless(tmp_path / "a.mkv", video, fps=8.0)
    np.testing.assert_array_equal(read_exact(tmp_path / "a.mkv"), video)


def test_lossless_files_keep_their_rate(tmp_path: Path, grey: Callable[..., Video]) -> None:
    write_lossless(tmp_path / "a.mkv", grey(3), fps=25 / 3)
    with opened(tmp_path / "a.mkv") as container:
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(25 / 3, rel=1e-3)


def test_read_exact_refuses_what_was_damaged_or_written_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    rough = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    write_lossless(path, rough, fps=8.0)
    whole = path.read_bytes()
    middle = len(whole) // 2
    for content in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.mkv.*delete it and repeat"):
            read_exact(path)
    write_video(tmp_path / "b.mp4", rough, fps=8.0)
    with pytest.raises(InputError, match=r"b\.mp4 doesn't hold the frames"):
        read_exact(tmp_path / "b.mp4")
    with pytest.raises(InputError, match=r"no such file .*c\.mkv"):
        read_exact(tmp_path / "c.mkv")


def test_a_clip_is_not_written_where_it_cannot_be(tmp_path: Path, grey: Callable[..., Video]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"can't write .*a\.mp4.*output=…"):
        write_video(tmp_path / "file" / "a.mp4", grey(2), fps=8.0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
