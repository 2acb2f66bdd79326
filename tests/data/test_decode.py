"""Pictures come out upright, opaque and in order, and what holds no pictures is refused."""

import re
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from motion_inversion.data import decode
from motion_inversion.data.decode import frame_rate
from motion_inversion.data.folder import clip_files
from motion_inversion.data.video import Video, read_video, write_video
from motion_inversion.error import InputError

RED, BLUE = (255, 0, 0), (0, 0, 255)
Codec = Literal["libvpx", "mpeg4", "libx264"]


def pick(path: Path, wanted: range) -> tuple[list[Image.Image], int]:
    picked = decode.pick(path, wanted, lambda picture, _: picture)
    return picked.pictures, picked.available


def corner_marked() -> np.ndarray:
    """Black, 64 wide and 32 high, with a red quarter at the top left and a blue one at the bottom right."""
    frame = np.zeros((32, 64, 3), dtype=np.uint8)
    frame[:16, :32], frame[16:, 32:] = RED, BLUE
    return frame


def encode(path: Path, codec: Codec, frames: np.ndarray, **options: str) -> None:
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, 8, options=options)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(VideoFrame.from_ndarray(frame, "rgb24")))
        out.mux(stream.encode(None))


def test_pick_gives_the_wanted_frames_and_decodes_no_further(ten: Path) -> None:
    pictures, seen = pick(ten, range(1, 6, 2))
    assert [picture.getpixel((0, 0)) for picture in pictures] == [(10,) * 3, (30,) * 3, (50,) * 3]
    assert seen == 6
    pictures, seen = pick(ten, range(8, 12))
    assert len(pictures) == 2
    assert seen == 10


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.mov", "libx264")])
def test_common_containers_and_codecs_are_read(
    tmp_path: Path, name: str, codec: Codec, grey: Callable[..., Video]
) -> None:
    encode(tmp_path / name, codec, grey(6, 32, 32), **({"deadline": "realtime"} if codec == "libvpx" else {}))
    video = read_video(tmp_path / name, 6, 32, 32)
    assert np.abs(video.mean((1, 2, 3)) - [0, 10, 20, 30, 40, 50]).max() < 4
    assert frame_rate(tmp_path / name) == pytest.approx(8)


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "ein Bär ü.mp4"])
def test_a_name_is_only_a_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, grey: Callable[..., Video]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path(name), grey(2), fps=8.0)
    assert read_video(name, 2, 16, 8).shape == (2, 8, 16, 3)


# A display matrix (a, b, u, c, d, v, x, y, w) sends a stored point (p, q) to (a·p + c·q, b·p + d·q): phones
# write it for clips held upright. Where red (top left) and blue (bottom right) end up is found by hand.
@pytest.mark.parametrize(
    ("matrix", "size", "red", "blue"),
    [
        (
            (0, 1, -1, 0),
            (32, 64),
            (24, 8),
            (8, 56),
        ),  # a quarter clockwise: the top left goes to the top right
        ((-1, 0, 0, -1), (64, 32), (56, 24), (8, 8)),  # half a turn: to the bottom right
        ((0, -1, 1, 0), (32, 64), (8, 56), (24, 8)),  # a quarter anticlockwise: to the bottom left
    ],
)
def test_the_rotation_tag_is_honoured(
    tmp_path: Path,
    matrix: tuple[int, int, int, int],
    size: tuple[int, int],
    red: tuple[int, int],
    blue: tuple[int, int],
) -> None:
    path = tmp_path / "turned.mp4"
    encode(path, "libx264", corner_marked()[None], crf="1")
    content = path.read_bytes()
    one = 1 << 16
    identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    at = content.index(identity, content.index(b"tkhd"))
    a, b, c, d = (one * entry for entry in matrix)
    path.write_bytes(content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + 36 :])
    (picture,), _ = pick(path, range(1))
    assert picture.size == size
    pixels = np.asarray(picture).astype(int)
    assert np.abs(pixels[red[1], red[0]] - RED).max() < 8
    assert np.abs(pixels[blue[1], blue[0]] - BLUE).max() < 8


def test_transparent_parts_of_a_gif_are_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste(RED, (0, 0, 8, 16))
    image.save(tmp_path / "a.gif")
    (picture,), _ = pick(tmp_path / "a.gif", range(1))
    assert picture.getpixel((2, 2)) == RED
    assert picture.getpixel((12, 2)) == (255, 255, 255)


def test_images_of_a_folder_are_read_by_number(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"frame_{number}.png")
    (tmp_path / "._frame_2.png").write_bytes(b"a resource fork")
    (tmp_path / "notes.txt").write_text("not a frame")
    pictures, available = pick(tmp_path, range(1, 3))
    assert [picture.getpixel((0, 0)) for picture in pictures] == [(9, 0, 0), (10, 0, 0)]
    assert available == 3
    assert [file.stem for file in clip_files(tmp_path)] == ["frame_1", "frame_9", "frame_10", "frame_100"]
    assert frame_rate(tmp_path) == 8


def test_images_are_turned_as_the_camera_says_and_laid_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(corner_marked())
    exif = image.getexif()
    exif[0x0112] = 6  # orientation: to be turned a quarter clockwise
    (tmp_path / "turned").mkdir()
    image.save(tmp_path / "turned" / "0.png", exif=exif)
    (picture,), _ = pick(tmp_path / "turned", range(1))
    assert picture.size == (32, 64)
    assert picture.getpixel((24, 8)) == RED
    (tmp_path / "clear").mkdir()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear" / "0.png")
    (picture,), _ = pick(tmp_path / "clear", range(1))
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_folders_that_are_no_clip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no images of a kind that is read .*dataset\.path=…"):
        pick(tmp_path, range(1))
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    Image.new("RGB", (4, 6)).save(tmp_path / "1.png")
    with pytest.raises(InputError, match=r"differ in size \(4x4 and 4x6\).*dataset\.path=…"):
        pick(tmp_path, range(2))
    (tmp_path / "1.png").write_bytes(b"cut off")
    with pytest.raises(InputError, match=r"1\.png can't be read as an image.*dataset\.path=…"):
        pick(tmp_path, range(2))
    Image.new("RGB", (4, 4)).save(tmp_path / "2.jpg")
    with pytest.raises(InputError, match=r"several kinds \(\.jpg, \.png\).*dataset\.path=…"):
        pick(tmp_path, range(2))


def test_files_without_pictures_are_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "text.txt").write_text("FFmpeg would draw this on a screen of 80 columns\n" * 50)
    faults = {
        "sound.wav": "has no pictures, only audio",
        "empty.mp4": "is an empty file",
        "noise.mp4": "is not a video, or is cut off",
        "text.txt": "has no pictures, only text",
        "missing.mp4": "no such file or folder",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=rf"(?s)^(?=.*{name})(?=.*{fault}).*dataset\.path=…$"):
            pick(tmp_path / name, range(1))


def test_a_file_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rough = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    path = tmp_path / "cut.avi"
    encode(path, "mpeg4", rough)
    content = path.read_bytes()
    starts = [found.start() for found in re.finditer(b"00dc", content[content.index(b"movi") :])]
    path.write_bytes(content[: content.index(b"movi") + starts[6]])  # ends just before frame 6
    pictures, seen = pick(path, range(10))
    assert len(pictures) == seen == 6
    assert read_video(path, 6, 32, 32).shape == (6, 32, 32, 3)
    with pytest.raises(InputError, match=r"has 6 frames .*need 8; set model\.frames=6 or"):
        read_video(path, 8, 32, 32)


def test_an_mp4_without_its_end_says_so(tmp_path: Path, grey: Callable[..., Video]) -> None:
    path = tmp_path / "cut.mp4"
    write_video(path, grey(10), fps=8.0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"cut\.mp4 is not a video, or is cut off; .*dataset\.path=…"):
        pick(path, range(1))
