"""Pixels that a container says are cropped off are not shown, whatever wrote the file."""

from pathlib import Path
from struct import pack, unpack

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from motion_inversion.data import decode
from motion_inversion.data.decode import reading
from motion_inversion.data.video import read_video
from motion_inversion.error import InputError

WIDE, HIGH = 64, 32
FIELDS = {b"stsd": 8, b"avc1": 78}  # bytes of a box before those in it


def encoded(path: Path, codec: str, pixels: str, turned: bool = False) -> bytes:
    """Two frames, black but for a white part from (8, 4) up to (48, 30); the content of their file."""
    picture = np.zeros((HIGH, WIDE, 3), np.uint8)
    picture[4:30, 8:48] = 255
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, 10, options={"crf": "1"} if codec == "libx264" else {})  # pyright: ignore
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, pixels
        if turned:
            stream.set_display_rotation(90)
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1, 1
        for _ in range(2):
            out.mux(stream.encode(VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixels)))
        out.mux(stream.encode(None))
    return path.read_bytes()


def with_aperture(path: Path, content: bytes, *fields: int, shown: tuple[int, int] | None = None) -> Path:
    """An MP4 whose picture is described by a clean aperture too, and whose track is `shown` at that size."""
    boxes, end = [], len(content)
    at = 0
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        while content[at + 4 : at + 8] != kind:
            at += unpack(">I", content[at : at + 4])[0]
        boxes.append(at)
        end = at + unpack(">I", content[at : at + 4])[0]
        at += 8 + FIELDS.get(kind, 0)
    made = bytearray(content)
    for box in boxes:
        made[box : box + 4] = pack(">I", unpack(">I", content[box : box + 4])[0] + 40)
    if shown:
        place = content.index(pack(">II", WIDE << 16, HIGH << 16), content.index(b"tkhd"))
        made[place : place + 8] = pack(">II", shown[0] << 16, shown[1] << 16)
    made[end:end] = pack(">I4sIIIIiIiI", 40, b"clap", *fields)
    path.write_bytes(made)
    return path


def with_pixel_crop(path: Path, content: bytes, left: int, top: int, right: int, bottom: int) -> Path:
    """A Matroska file whose element of colours, 19 bytes, made way for four of cropping and three of nothing."""
    at = content.index(b"\x55\xb0\x90\x55", content.index(b"\x16\x54\xae\x6b"))
    sides = ((0x54CC, left), (0x54BB, top), (0x54DD, right), (0x54AA, bottom))
    crop = b"".join(pack(">HBB", kind, 0x81, value) for kind, value in sides) + b"\xec\x81\0"
    path.write_bytes(content[:at] + crop + content[at + len(crop) :])
    return path


def first(path: Path) -> tuple[np.ndarray, float]:
    """The first picture as it is shown, and the aspect of its pixels."""
    picture, aspect = decode.pick(path, [0], lambda picture, aspect: (np.asarray(picture), aspect)).pictures[0]
    return picture, float(aspect)


def is_the_white_part(path: Path) -> bool:
    pixels, aspect = first(path)
    return pixels.shape == (26, 40, 3) and pixels.min() > 240 and aspect == 1


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.m4v"])
def test_a_clean_aperture_is_what_is_shown(tmp_path: Path, name: str) -> None:
    content = encoded(tmp_path / name, "libx264", "yuv420p")
    assert reading(tmp_path / name, "crop") == ""
    # 40x26 pixels, their centre 4 left of the picture's and 1 below it
    for fields in ((40, 1, 26, 1, -4, 1, 1, 1), (80, 2, 78, 3, -8, 2, 3, 3)):
        assert is_the_white_part(with_aperture(tmp_path / name, content, *fields))
        assert reading(tmp_path / name, "squeeze") == "cropped by (8, 4, 16, 2)"
    assert read_video(tmp_path / name, 2, 16, 8).min() > 240


def test_a_clean_aperture_is_that_of_stored_pixels_also_where_they_are_turned(tmp_path: Path) -> None:
    content = encoded(tmp_path / "a.mp4", "libx264", "yuv420p", turned=True)
    pixels, _ = first(with_aperture(tmp_path / "a.mp4", content, 40, 1, 26, 1, -4, 1, 1, 1))
    assert pixels.shape == (40, 26, 3)
    assert pixels.min() > 240


def test_pixels_are_square_where_the_track_has_the_size_of_the_aperture(tmp_path: Path) -> None:
    content = encoded(tmp_path / "a.mp4", "libx264", "yuv420p")
    assert is_the_white_part(with_aperture(tmp_path / "a.mp4", content, 40, 1, 26, 1, -4, 1, 1, 1, shown=(40, 26)))
    with_aperture(tmp_path / "a.mp4", content, 40, 1, 26, 1, -4, 1, 1, 1, shown=(128, 32))
    assert first(tmp_path / "a.mp4")[1] == 2


@pytest.mark.parametrize(
    "fields", [(40, 0, 26, 1, -4, 1, 1, 1), (80, 1, 26, 1, 0, 1, 0, 1), (40, 1, 26, 1, 40, 1, 0, 1)]
)
def test_an_aperture_that_cant_be_is_passed_over(tmp_path: Path, fields: tuple[int, ...]) -> None:
    content = encoded(tmp_path / "a.mp4", "libx264", "yuv420p")
    assert first(with_aperture(tmp_path / "a.mp4", content, *fields))[0].shape == (HIGH, WIDE, 3)


def test_matroskas_cropping_is_followed(tmp_path: Path) -> None:
    content = encoded(tmp_path / "a.mkv", "ffv1", "yuv420p")
    assert reading(tmp_path / "a.mkv", "crop") == ""
    assert is_the_white_part(with_pixel_crop(tmp_path / "b.mkv", content, 8, 4, 16, 2))
    assert reading(tmp_path / "b.mkv", "crop") == "cropped by (8, 4, 16, 2)"
    with pytest.raises(InputError, match=r"b\.mkv is not a video"):  # as FFmpeg has it
        first(with_pixel_crop(tmp_path / "b.mkv", content, 60, 4, 16, 2))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_file_cut_anywhere_never_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    mp4 = name == "a.mp4"
    content = encoded(tmp_path / name, "libx264" if mp4 else "ffv1", "yuv420p")
    whole = with_aperture(tmp_path / name, content, 40, 1, 26, 1, -4, 1, 1, 1) if mp4 else tmp_path / name
    content = whole.read_bytes()
    for end in range(0, len(content), 7):
        whole.write_bytes(content[:end])
        assert isinstance(reading(whole, "crop"), str)
    draw = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        for at in draw.integers(0, len(content), 4):
            damaged[at] = draw.integers(0, 256)
        whole.write_bytes(damaged)
        assert isinstance(reading(whole, "crop"), str)
