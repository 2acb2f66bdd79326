"""Images of every depth and colour space come out as a viewer shows them, or are refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from motion_inversion.data.still import opened_image, reading, standard
from motion_inversion.error import InputError

DEEP = np.repeat(np.array([0, 128 * 257, 65535], np.uint16), 2)[None].repeat(4, 0)  # black, middle, white


def read(file: Path) -> tuple[np.ndarray, str]:
    with opened_image(file) as image:
        return np.asarray(standard(image, file)), reading(image, file)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_grey_of_16_bits_is_scaled(tmp_path: Path, name: str) -> None:
    Image.fromarray(DEEP).save(tmp_path / name)
    pixels, said = read(tmp_path / name)
    assert pixels[0, ::2, 0].tolist() == [0, 128, 255]
    assert said == "scaled from 16 bits"


def test_big_endian_grey_is_scaled(tmp_path: Path) -> None:
    Image.frombytes("I;16B", DEEP.shape[::-1], DEEP.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    assert read(tmp_path / "a.tif")[0][0, ::2, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_without_a_white_are_refused(tmp_path: Path, kind: type) -> None:
    Image.fromarray(DEEP.astype(kind)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif holds .* numbers, which have no white.*save it with 8 or 16 bits"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_white_is_white_and_black_is_black_in_every_mode(tmp_path: Path, mode: str) -> None:
    image = Image.new("L", (16, 8), 255)
    image.paste(0, (0, 0, 8, 8))
    if mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        made = ImageCms.applyTransform(image.convert("RGB"), transform)
    else:
        made = image.convert("RGB").convert(mode)
    assert made is not None
    made.save(tmp_path / "a.tif")
    pixels, said = read(tmp_path / "a.tif")
    assert np.abs(pixels[4, [2, 13], :].astype(int) - [[0] * 3, [255] * 3]).max() <= 2
    assert said == ("by its profile" if mode == "LAB" else "")


def test_a_profile_is_followed_unless_it_is_srgbs(tmp_path: Path) -> None:
    """A profile whose red and green are sRGB's green and red: what is stored as red is shown as green."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")
    red = Image.new("RGB", (8, 8), (200, 30, 30))
    red.save(tmp_path / "plain.png", icc_profile=srgb)
    red.save(tmp_path / "swapped.png", icc_profile=swapped)
    red.save(tmp_path / "damaged.png", icc_profile=b"no profile")
    for name in ("plain.png", "damaged.png"):
        pixels, said = read(tmp_path / name)
        assert (pixels[0, 0].tolist(), said) == ([200, 30, 30], "")
    pixels, said = read(tmp_path / "swapped.png")
    assert np.abs(pixels[0, 0].astype(int) - [30, 200, 30]).max() <= 2
    assert said == "by its profile"


def test_transparency_outlasts_a_profile(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((200, 30, 30, 255), (0, 0, 4, 8))
    image.save(tmp_path / "a.png", icc_profile=swapped)
    pixels, _ = read(tmp_path / "a.png")
    assert np.abs(pixels[0, [0, 7]].astype(int) - [[30, 200, 30], [255] * 3]).max() <= 2


def test_a_picture_too_large_for_memory_is_refused(tmp_path: Path) -> None:
    header = Image.new("1", (8, 8))
    header.save(tmp_path / "bomb.bmp")
    content = bytearray((tmp_path / "bomb.bmp").read_bytes())
    content[18:26] = (12_000).to_bytes(4, "little") * 2
    (tmp_path / "bomb.bmp").write_bytes(content)
    with pytest.raises(InputError, match=r"bomb\.bmp has more than [\d,]+ pixels; make it smaller"):
        read(tmp_path / "bomb.bmp")
