"""Colours and cropping that PNG and AVIF state are honoured, in stills and in animated ones, or refused in one line."""

import zlib
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from PIL import Image, ImageCms

from motion_inversion.data import decode
from motion_inversion.data.still import opened_image, reading, standard
from motion_inversion.error import InputError

RED = (220, 30, 30)
IN_P3 = (202, 54, 44)  # RED as Display P3 stores it
IN_HLG = (149, 56, 36)  # and BT.2100's HLG
IN_PQ = (127, 81, 63)  # and PQ, 203 cd/m² being white


def read(file: Path) -> tuple[np.ndarray, str]:
    with opened_image(file) as image:
        return np.asarray(standard(image, file)).astype(int), reading(image, file)


def png(path: Path, colour: tuple[int, ...], *chunks: tuple[bytes, bytes], frames: int = 1) -> Path:
    """A PNG with these chunks after its header, animated if it has several frames."""
    image = Image.new("RGBA" if len(colour) == 4 else "RGB", (16, 8), colour)
    image.save(path, format="PNG", save_all=frames > 1, append_images=[image.rotate(0)] * (frames - 1), duration=100)
    content = path.read_bytes()
    added = b"".join(pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    path.write_bytes(content[:33] + added + content[33:])
    return path


def avif(path: Path, colour: tuple[int, int, int], primaries: int, transfer: int, frames: int = 1) -> Path:
    image = Image.new("RGB", (64, 32), colour)
    image.save(path, quality=100, save_all=frames > 1, append_images=[image] * (frames - 1), duration=100)
    content = path.read_bytes()
    at = content.index(b"nclx") + 4
    path.write_bytes(content.replace(content[at - 4 : at + 4], b"nclx" + pack(">HH", primaries, transfer)))
    return path


WIDE = [(IN_P3, 12, 13, "from Display P3 sRGB"), (IN_HLG, 9, 18, "from BT.2020 HLG"), (IN_PQ, 9, 16, "from BT.2020 PQ")]


@pytest.mark.parametrize(("stored", "primaries", "transfer", "said"), WIDE)
def test_hdr_and_wide_gamut_come_out_as_they_were(
    tmp_path: Path, stored: tuple[int, int, int], primaries: int, transfer: int, said: str
) -> None:
    """The 8 bits of a still leave an error of a few levels."""
    code = (b"cICP", bytes([primaries, transfer, 0, 1]))
    for file in (png(tmp_path / "a.png", stored, code), avif(tmp_path / "a.avif", stored, primaries, transfer)):
        pixels, words = read(file)
        assert np.abs(pixels[2, 2] - RED).max() <= 6
        assert words == said
    clear = png(tmp_path / "a.png", (*stored, 0), code)
    assert read(clear)[0].min() == 255


@pytest.mark.parametrize(("stored", "primaries", "transfer", "said"), WIDE)
def test_animated_ones_are_read_alike(
    tmp_path: Path, stored: tuple[int, int, int], primaries: int, transfer: int, said: str
) -> None:
    code = (b"cICP", bytes([primaries, transfer, 0, 1]))
    moving = [
        png(tmp_path / "a.apng", stored, code, frames=2),
        avif(tmp_path / "a.avif", stored, primaries, transfer, frames=2),
    ]
    for file in moving:
        pictures = decode.pick(file, [0, 1], lambda picture, _: np.asarray(picture).astype(int)).pictures
        assert max(np.abs(picture[2, 2] - RED).max() for picture in pictures) <= 6
        assert decode.reading(file, "crop") == said


def test_an_animated_png_is_read_by_its_profile(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")
    for profile, shown, said in ((srgb, RED, ""), (swapped, (30, 220, 30), "by its profile")):
        images = [Image.new("RGB", (16, 8), RED), Image.new("RGB", (16, 8), "black")]
        images[0].save(tmp_path / "a.apng", format="PNG", save_all=True, append_images=images[1:], icc_profile=profile)
        pixels = decode.pick(tmp_path / "a.apng", [0], lambda picture, _: np.asarray(picture).astype(int)).pictures[0]
        assert np.abs(pixels[2, 2] - shown).max() <= 2
        assert decode.reading(tmp_path / "a.apng", "crop") == said


def test_the_picture_that_is_no_part_of_an_animated_png_is_left_out(tmp_path: Path) -> None:
    shades = [Image.new("L", (16, 8), level) for level in (255, 10, 20)]
    shades[0].save(tmp_path / "a.png", save_all=True, append_images=shades[1:], default_image=True, duration=100)
    assert [
        np.asarray(picture)[0, 0, 0] for picture in decode.pick(tmp_path / "a.png", [0, 1], lambda p, _: p).pictures
    ] == [10, 20]
    assert decode.count_pictures(tmp_path / "a.png") == 2


def chromaticities(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", pack(">8I", *(round(100_000 * value) for value in values))


P3 = chromaticities(0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
LINEAR = (b"gAMA", pack(">I", 100_000))
STANDARD = (b"gAMA", pack(">I", 45_455))


def test_chromaticities_of_a_png_are_followed_where_nothing_better_is_said(tmp_path: Path) -> None:
    pixels, said = read(png(tmp_path / "a.png", IN_P3, P3, STANDARD))
    assert np.abs(pixels[2, 2] - RED).max() <= 4
    assert said == "from Display P3 sRGB"
    for chunks in ([], [STANDARD], [(b"sRGB", b"\0"), P3, LINEAR], [(b"cICP", bytes([1, 13, 0, 1])), P3, LINEAR]):
        pixels, said = read(png(tmp_path / "a.png", RED, *chunks))
        assert (pixels[2, 2].tolist(), said) == (list(RED), "")


@pytest.mark.parametrize(
    ("chunk", "what"),
    [
        ((b"cICP", bytes([10, 13, 0, 1])), r"H\.273's primaries 10, transfer 13"),
        ((b"cICP", bytes([9, 18, 0, 0])), "matrix 0, full range 0"),
        (LINEAR, r"a gamma of 1 where 0\.455 is read"),
        (chromaticities(0.35, 0.35, 0.7, 0.3, 0.2, 0.7, 0.1, 0.1), "chromaticities"),
    ],
)
def test_colours_of_a_png_that_cant_be_followed_are_refused(
    tmp_path: Path, chunk: tuple[bytes, bytes], what: str
) -> None:
    with pytest.raises(InputError, match=rf"a\.png stores colours in a way that isn't read \({what}.*save it as sRGB"):
        read(png(tmp_path / "a.png", RED, chunk))


def test_colours_of_an_avif_that_cant_be_followed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.avif stores colours .*primaries 1, transfer 8.*save it as sRGB"):
        read(avif(tmp_path / "a.avif", RED, 1, 8))


def test_the_clean_aperture_of_an_avif_is_what_is_shown(tmp_path: Path) -> None:
    """It takes the place of a profile among the properties of the image, and is one that must be heeded."""
    image = Image.new("RGB", (64, 32))
    image.paste("white", (8, 4, 48, 30))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "a.avif", quality=100, icc_profile=srgb)
    assert read(tmp_path / "a.avif")[0].shape == (32, 64, 3)
    content = bytearray((tmp_path / "a.avif").read_bytes())
    at = content.index(b"colrprof")
    content[at : at + 36] = pack(">4sIIIIiIiI", b"clap", 40, 1, 26, 1, -4, 1, 1, 1)
    place = content.index(b"\4", content.index(b"ipma") + 12)
    content[place] |= 0x80
    (tmp_path / "a.avif").write_bytes(content)
    pixels, said = read(tmp_path / "a.avif")
    assert pixels.shape == (26, 40, 3)
    assert pixels.min() > 240
    assert said == "cropped by (8, 4, 16, 2)"


@pytest.mark.parametrize("name", ["a.png", "a.avif"])
def test_a_damaged_file_never_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    file = png(tmp_path / name, RED, P3) if name == "a.png" else avif(tmp_path / name, RED, 9, 18)
    content = file.read_bytes()
    draw = np.random.default_rng(0)
    refused = 0
    for index in range(200):
        damaged = bytearray(content if index % 2 else content[: draw.integers(1, len(content))])
        for at in draw.integers(0, len(damaged), 3):
            damaged[at] = draw.integers(0, 256)
        file.write_bytes(damaged)
        assert isinstance(decode.reading(tmp_path, "crop"), str)
        try:
            read(file)
        except InputError:
            refused += 1
    assert refused
