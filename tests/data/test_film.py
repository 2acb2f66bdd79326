"""What a container says about how its pictures are shown is done, or the file is refused with the remedy."""

import struct
from collections.abc import Callable
from fractions import Fraction
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image, ImageCms

from motion_inversion.data import decode
from motion_inversion.data.clip import VideoFile, sha256_of_clip
from motion_inversion.data.decode import indices_at, reading
from motion_inversion.data.film import opened
from motion_inversion.data.video import Fit, Video, read_video, write_lossless
from motion_inversion.error import InputError

RED = (220, 30, 30)
ONE = 1 << 16


def flat(colour: tuple[int, ...] = RED, size: tuple[int, int] = (64, 32), frames: int = 3) -> np.ndarray:
    return np.full((frames, size[1], size[0], len(colour)), colour, np.uint8)


def encode(
    path: Path,
    codec: Any,
    frames: np.ndarray,
    pixels: str = "yuv420p",
    stored: str = "rgb24",
    options: dict[str, str] | None = None,
    times: list[int] | None = None,
    matrix: int | None = None,
    **tags: Any,
) -> None:
    """The frames, encoded; `tags` are set on the codec's context, `times` are in thousandths of a second."""
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, 10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, array in enumerate(frames):
            frame = VideoFrame.from_ndarray(array, stored)
            if pixels != stored:
                frame = frame.reformat(format=pixels, dst_colorspace=matrix, dst_color_range=tags.get("color_range"))
            for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
                if name in tags:
                    setattr(frame, name, tags[name])
            if times:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def first(path: Path) -> np.ndarray:
    return np.asarray(decode.pick(path, [0], lambda picture, _: picture).pictures[0]).astype(int)


@pytest.mark.parametrize(("sar", "size"), [(Fraction(2), (64, 256)), (Fraction(1, 2), (256, 64))])
def test_oblong_pixels_are_cropped_as_shown_and_squeezed_as_stored(
    tmp_path: Path, sar: Fraction, size: tuple[int, int]
) -> None:
    """A disc of 48 lines is round in a square crop."""
    wide, high = size[0] * sar, size[1]
    y, x = np.mgrid[: size[1], : size[0]]
    inside = ((x + 0.5) * float(sar) - wide / 2) ** 2 + (y + 0.5 - high / 2) ** 2 < 24**2
    frame = np.where(inside[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    for name, codec, pixels in (("a.mp4", "libx264", "yuv420p"), ("a.mkv", "libx264", "yuv420p")):
        encode(tmp_path / name, codec, frame[None], pixels, sample_aspect_ratio=sar)
        shown = read_video(tmp_path / name, 1, 64, 64, fit="crop")[0, :, :, 0] > 127
        assert abs(int(shown.any(0).sum()) - int(shown.any(1).sum())) <= 1
        assert abs(int(shown.any(0).sum()) - 64 * 48 / min(wide, high)) <= 1
        squeezed = read_video(tmp_path / name, 1, 64, 64)[0, :, :, 0] > 127
        assert int(squeezed.any(0).sum()) == pytest.approx(64 * 48 / wide, abs=1)
        assert int(squeezed.any(1).sum()) == pytest.approx(64 * 48 / high, abs=1)


def test_a_mirrored_display_matrix_is_honoured(tmp_path: Path) -> None:
    """Every turn of a picture, mirrored or not: where the red corner goes is found from the matrix by hand."""
    frame = np.zeros((32, 64, 3), np.uint8)
    frame[:16, :32] = RED
    encode(tmp_path / "a.mp4", "libx264", frame[None], options={"crf": "1"})
    content = (tmp_path / "a.mp4").read_bytes()
    identity = struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    at = content.index(identity, content.index(b"tkhd"))

    def tagged(a: float, b: float, c: float, d: float) -> Path:
        matrix = struct.pack(">9i", *(int(ONE * v) for v in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
        (tmp_path / "b.mp4").write_bytes(content[:at] + matrix + content[at + 36 :])
        return tmp_path / "b.mp4"

    corners = {  # matrix: where red is, (right, bottom), and whether the picture is mirrored
        (-1, 0, 0, 1): (True, False, "mirrored"),
        (1, 0, 0, -1): (False, True, "mirrored"),
        (0, 1, 1, 0): (False, False, "mirrored"),
        (0, -1, -1, 0): (True, True, "mirrored"),
        (-1, 0, 0, -1): (True, True, ""),
    }
    for matrix, (right, bottom, said) in corners.items():
        pixels = first(tagged(*matrix))
        assert pixels.shape[:2] == ((32, 64) if matrix[0] else (64, 32))
        where = pixels[-8 if bottom else 8, -8 if right else 8]
        assert np.abs(where - RED).max() < 12
        assert reading(tmp_path / "b.mp4", "crop") == said
    with pytest.raises(InputError, match=r"isn't followed here; turn its pictures with ffmpeg.*dataset\.path="):
        first(tagged(0.7071, 0.7071, -0.7071, 0.7071))


# swscale's numbers of matrices (BT.601 is 5, BT.709 is 1, BT.2020 is 9) are those that files name, too.
@pytest.mark.parametrize(
    ("size", "matrix", "tag", "said"),
    [
        ((64, 32), 5, 2, ""),
        ((64, 32), 1, 1, ""),
        ((1280, 720), 1, 2, "by BT.709"),
        ((1280, 720), 5, 5, ""),
        ((1280, 720), 1, 1, ""),
        ((720, 576), 5, 2, ""),
        ((64, 32), 9, 9, ""),
    ],
)
def test_a_matrix_is_the_one_named_or_players_guess_by_size(
    tmp_path: Path, size: tuple[int, int], matrix: int, tag: int, said: str
) -> None:
    path = tmp_path / "a.mp4"
    encode(path, "libx264", flat(size=size, frames=1), options={"preset": "ultrafast"}, matrix=matrix, colorspace=tag)
    assert np.abs(first(path)[8, 8] - RED).max() <= 4
    assert reading(path, "crop") == said


@pytest.mark.parametrize("levels", [1, 2])  # limited and full
def test_both_ranges_of_levels_are_read(tmp_path: Path, levels: int) -> None:
    encode(tmp_path / "a.mp4", "libx264", flat((16, 128, 240)), matrix=1, colorspace=1, color_range=levels)
    assert np.abs(first(tmp_path / "a.mp4")[8, 8] - [16, 128, 240]).max() <= 4


def hlg(linear: np.ndarray) -> np.ndarray:
    scene = 0.265 * linear
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(12 * scene - 0.28466892 + 1e-9) + 0.55991073
    )


def pq(linear: np.ndarray) -> np.ndarray:
    power = (203 * linear / 10000) ** (2610 / 16384)
    return ((107 / 128 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


@pytest.mark.parametrize(
    ("curve", "tag", "said"),
    [(hlg, 18, "from BT.2020 HLG"), (pq, 16, "from BT.2020 PQ"), (None, 14, "from BT.2020 sRGB")],
)
def test_high_dynamic_range_and_wide_gamut_come_out_as_filmed(
    tmp_path: Path, curve: Callable[[np.ndarray], np.ndarray] | None, tag: int, said: str
) -> None:
    colour = np.array(RED) / 255
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]) @ linear
    code = curve(wide) if curve else 1.055 * wide ** (1 / 2.4) - 0.055
    frames = np.broadcast_to(np.rint(65535 * code).astype(np.uint16), (1, 32, 64, 3)).copy()
    tags: dict[str, Any] = {"colorspace": 9, "color_primaries": 9, "color_trc": tag, "color_range": 1}
    encode(
        tmp_path / "a.mp4",
        "libx264",  # libx265 fails now and then to open for pictures as small as these
        frames,
        "yuv420p10le",
        "rgb48le",
        {"crf": "4"},
        matrix=9,
        **tags,
    )
    assert np.abs(first(tmp_path / "a.mp4")[8, 8] - RED).max() <= 5
    assert reading(tmp_path / "a.mp4", "squeeze") == said


@pytest.mark.parametrize("tags", [{"color_trc": 8}, {"color_primaries": 10}, {"colorspace": 14}])
def test_colours_that_cant_be_followed_are_refused(tmp_path: Path, tags: dict[str, Any]) -> None:
    encode(tmp_path / "a.mp4", "libx264", flat(), **tags)
    with pytest.raises(InputError, match=r"in a way that isn't read .*ffmpeg -i .*zscale.*dataset\.path="):
        first(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "said"),
    [
        ("a.webm", "libvpx-vp9", "yuva420p", "with alpha"),
        ("a.mov", "prores_ks", "yuva444p10le", ""),
        ("b.mov", "qtrle", "argb", ""),
        ("a.mkv", "ffv1", "bgra", ""),
    ],
)
def test_transparent_parts_of_a_video_are_white(tmp_path: Path, name: str, codec: str, pixels: str, said: str) -> None:
    frames = flat((*RED, 255))
    frames[:, :, 32:] = (0, 200, 0, 0)
    encode(tmp_path / name, codec, frames, pixels, "rgba")
    shown = first(tmp_path / name)
    assert np.abs(shown[8, 8] - RED).max() <= 4
    assert shown[8, 56].min() >= 252
    assert reading(tmp_path / name, "crop") == said
    assert len(read_video(tmp_path / name, 3, 16, 16)) == 3


@pytest.mark.parametrize(("pixels", "middle"), [("gray16le", 32896), ("gray10le", 514), ("gray12le", 2056)])
def test_deep_grey_video_is_scaled(tmp_path: Path, pixels: str, middle: int) -> None:
    frames = np.full((2, 32, 64), middle, np.uint16)
    encode(tmp_path / "a.mkv", "ffv1", frames, pixels, pixels)
    assert np.abs(first(tmp_path / "a.mkv")[8, 8] - 128).max() <= 1


def test_two_fields_are_brought_to_one_picture(tmp_path: Path) -> None:
    """A white bar of 16 columns that moves by 16 between the fields: woven, its edge is a comb."""
    frames = np.zeros((4, 64, 128, 3), np.uint8)
    for index in range(4):
        frames[index, 0::2, 24 * index : 24 * index + 16] = 255
        frames[index, 1::2, 24 * index + 12 : 24 * index + 28] = 255
    encode(tmp_path / "a.mp4", "libx264", frames, options={"x264-params": "tff=1", "crf": "4"})
    picture = first(tmp_path / "a.mp4")[8:56, :, 0]
    assert np.abs(np.diff(picture, axis=0)).max() < 40
    assert reading(tmp_path / "a.mp4", "crop") == "deinterlaced"
    assert len(read_video(tmp_path / "a.mp4", 4, 16, 16)) == 4


def test_of_two_videos_one_is_read_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with av.open(tmp_path / "a.mkv", "w") as out:
        streams = [out.add_stream("ffv1", 8) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 32, "bgr0"
        for stream, colour in zip(streams, (RED, (0, 0, 200)), strict=True):
            out.mux(stream.encode(VideoFrame.from_ndarray(flat(colour)[0], "rgb24").reformat(format="bgr0")))
            out.mux(stream.encode(None))
    assert first(tmp_path / "a.mkv")[8, 8].tolist() == list(RED)
    assert "holds 2 videos; number 0 of them is read, of 64x32 pixels" in caplog.text


def test_a_codec_that_isnt_read_is_told(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", "libx264", flat())
    (tmp_path / "a.mp4").write_bytes((tmp_path / "a.mp4").read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(InputError, match=r"encoded in a way that isn't read here; .*ffmpeg -i .*dataset\.path="):
        first(tmp_path / "a.mp4")


def test_pictures_with_exif_in_a_video_are_read_unless_turned_by_it(tmp_path: Path) -> None:
    """PyAV 18 knows neither EXIF nor the views of spatial video among what FFmpeg notes beside a frame."""
    for orientation in (1, 6, 3):
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = orientation, "a camera"
        content = BytesIO()
        Image.new("RGB", (64, 32), RED).save(content, "JPEG", exif=exif, quality=95)
        with av.open(tmp_path / "a.avi", "w") as out:
            stream = out.add_stream("mjpeg", 10)
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuvj420p"
            packet = av.Packet(content.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 10)
            out.mux(packet)
        (tmp_path / "a.jpg").write_bytes(content.getvalue())
        for file in (tmp_path / "a.avi", tmp_path / "a.jpg"):
            if orientation == 1:
                assert np.abs(first(file)[8, 8] - RED).max() <= 6
            else:
                with pytest.raises(InputError, match=r"shown turned by .* degrees, .*ffmpeg -i .*dataset\.path="):
                    first(file)


def test_png_pictures_with_a_profile_in_a_video_are_refused(tmp_path: Path) -> None:
    """PyAV 18 frees the profile's name twice, so asking for it would end the process."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, given in (("plain.mov", None), ("profiled.mov", profile)):
        content = BytesIO()
        Image.new("RGB", (64, 32), RED).save(content, "PNG", icc_profile=given)
        with av.open(tmp_path / name, "w") as out:
            stream = out.add_stream("png", 10)
            stream.width, stream.height, stream.pix_fmt = 64, 32, "rgb24"
            packet = av.Packet(content.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 10)
            out.mux(packet)
    assert first(tmp_path / "plain.mov")[8, 8].tolist() == list(RED)
    with pytest.raises(InputError, match=r"PNG pictures with a colour profile.* -c copy .* set dataset\.path=frames"):
        first(tmp_path / "profiled.mov")


def test_frames_too_large_are_refused(tmp_path: Path) -> None:
    Image.new("L", (8200, 8200)).save(tmp_path / "a.png")
    with (
        pytest.raises(InputError, match=r"frames of 8200x8200, more than 67,108,864 pixels; .*dataset\.path="),
        opened(tmp_path / "a.png"),
    ):
        pass


def test_frames_are_picked_by_their_times(tmp_path: Path, grey: Callable[..., Video]) -> None:
    write_lossless(tmp_path / "a.mkv", grey(20), fps=30.0)
    assert indices_at(tmp_path / "a.mkv", 30.0, range(20)) == (list(range(20)), 20)
    assert indices_at(tmp_path / "a.mkv", 10.0, range(0, 6, 2)) == ([0, 6, 12], 5)
    assert indices_at(tmp_path / "a.mkv", 8.0, range(5)) == ([0, 4, 7, 11, 15], 5)  # nearest to 0, 3.75, 7.5, …
    assert indices_at(tmp_path / "a.mkv", 10.0, range(9)) == ([0, 3, 6, 9, 12, 15, 18], 7)
    footage = VideoFile(tmp_path / "a.mkv", start=1, stride=2, fps=10.0)
    assert footage.read(3, 16, 8)[:, 0, 0, 0].tolist() == [30, 90, 150]
    assert footage.rate(3) == 5.0
    with pytest.raises(InputError, match=r"has 7 frames .* at dataset\.fps=10, .*dataset\.stride=1"):
        footage.read(4, 16, 8)


def test_a_variable_rate_is_told_and_fps_mends_it(
    tmp_path: Path, grey: Callable[..., Video], caplog: pytest.LogCaptureFixture
) -> None:
    times = [0, 100, 200, 300, 600, 700, 800]  # two frames are left out after the fourth
    encode(tmp_path / "a.mkv", "ffv1", grey(7, 64, 32), "bgr0", times=times)
    read_video(tmp_path / "a.mkv", 7, 16, 8)
    assert "has a variable frame rate: its frames are 0.100 to 0.300 s apart" in caplog.text
    assert "dataset.fps=10 takes frames by time" in caplog.text
    assert indices_at(tmp_path / "a.mkv", 5.0, range(5)) == ([0, 2, 3, 4, 6], 5)
    caplog.clear()
    read_video(tmp_path / "a.mkv", 4, 16, 8)
    assert not caplog.records
    read_video(tmp_path / "a.mkv", 9, 16, 8, fps=10.0)
    assert "fewer than dataset.fps=10 frames a second: 2 of 9 are shown twice" in caplog.text


def test_maps_are_picked_by_the_clips_times_and_images_have_none(tmp_path: Path, grey: Callable[..., Video]) -> None:
    write_lossless(tmp_path / "a.mkv", grey(12), fps=30.0)
    (tmp_path / "maps").mkdir()
    for index in range(12):
        Image.new("L", (16, 8), 20 * index).save(tmp_path / "maps" / f"{index}.png")
    maps = VideoFile(tmp_path / "maps", fps=10.0, timed=tmp_path / "a.mkv")
    assert maps.read(4, 16, 8)[:, 0, 0, 0].tolist() == [0, 60, 120, 180]
    with pytest.raises(InputError, match=r"doesn't say when .*set dataset\.fps=null, and dataset\.stride=2"):
        VideoFile(tmp_path / "maps", fps=10.0).read(4, 16, 8)


@pytest.mark.parametrize("fps", [0.0, -8.0, float("nan"), float("inf")])
def test_a_rate_must_be_above_zero(fps: float) -> None:
    with pytest.raises(InputError, match=r"fps is .* set dataset\.fps=8"):
        VideoFile("any.mp4", fps=fps)


def test_the_fingerprint_is_what_it_was_unless_pixels_changed(tmp_path: Path) -> None:
    encode(tmp_path / "plain.mp4", "libx264", flat())
    encode(tmp_path / "oblong.mp4", "libx264", flat(), sample_aspect_ratio=Fraction(2))
    same: list[tuple[str, Fit]] = [("plain.mp4", "crop"), ("plain.mp4", "squeeze"), ("oblong.mp4", "squeeze")]
    for name, fit in same:
        before = sha256(f"{sha256_of_clip(tmp_path / name)} 0 1 {fit}".encode()).hexdigest()
        assert VideoFile(tmp_path / name, fit=fit).fingerprint() == before
        assert VideoFile(tmp_path / name, fit=fit, fps=8.0).fingerprint() != before
    before = sha256(f"{sha256_of_clip(tmp_path / 'oblong.mp4')} 0 1 crop".encode()).hexdigest()
    assert VideoFile(tmp_path / "oblong.mp4", fit="crop").fingerprint() != before
