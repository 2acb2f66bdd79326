"""Image files as 8-bit sRGB: depth, colours, orientation, cropping and transparency as viewers show them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from motion_inversion.data.colour import Light
from motion_inversion.data.cropping import WHOLE, Crop
from motion_inversion.data.tag import stated_crop_of, stated_light
from motion_inversion.error import InputError

DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's names for 16-bit grey
# What Pillow raises of files that are damaged.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, MemoryError, RuntimeError, ArithmeticError)
_SAME = 2  # levels by which a profile may differ from sRGB and still be taken for it


@contextmanager
def opened_image(file: Path, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """The image in a file, its pixels not read yet.

    Raises:
        InputError: it can't be read, here or as long as it is open, or is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # of tags that are damaged where pixels are not
            with Image.open(file, formats=formats) as image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise InputError(f"{file} has more than {limit} pixels; make it smaller or set dataset.path=…") from error
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} can't be read as an image; repair it or set dataset.path=…") from error


def standard(image: Image.Image, file: Path) -> Image.Image:
    """An image as 8-bit sRGB, upright, transparent parts on white.

    Grey of 16 bits is scaled so that its largest value is white, as a viewer does.

    Raises:
        InputError: values without a fixed white, which are floating-point or 32-bit numbers; colours that can't be
            followed here.
    """
    upright = ImageOps.exif_transpose(_cropped(image, stated_crop_of(image, file)))
    if image.mode in DEEP or _counts_to_65535(image):
        levels = np.asarray(upright).astype(np.uint32)
        upright = Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise InputError(
            f"{file} holds {kind} numbers, which have no white of their own; save it with 8 or 16 bits, black being 0 "
            "and white the largest value, or set dataset.path=…"
        )
    light = stated_light(image, file)
    if light is not None:
        return opaque(_by_light(upright, light))
    profile = foreign_profile(upright)
    return opaque(upright if profile is None else by_profile(upright, profile))


def opaque(image: Image.Image) -> Image.Image:
    """The image in RGB, transparent parts on white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


def reading(image: Image.Image, file: Path) -> str:
    """What `standard` does that it did not always do, in words; "" for nearly every image. Errors as there."""
    light = stated_light(image, file)
    crop = stated_crop_of(image, file)
    said = [
        "scaled from 16 bits" if image.mode in DEEP or _counts_to_65535(image) else "",
        f"from {light}" if light else "",
        "by its profile" if not light and foreign_profile(image) is not None else "",
        f"cropped by {crop}" if crop != WHOLE else "",
    ]
    return " ".join(filter(None, said))


def foreign_profile(image: Image.Image) -> bytes | None:
    """The image's colour profile, or one of its mode, if colours differ by it from what the numbers are in sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        return profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return foreign(profile, _profiled_mode(image)) if profile else None


def foreign(profile: bytes, mode: str) -> bytes | None:
    """The profile if colours of this mode differ by it from what the numbers are in sRGB."""
    return profile if _differs(profile, mode) else None


def by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB, its transparency kept."""
    mode = _profiled_mode(image)
    return _with_alpha_of(image, _transformed(image if image.mode == mode else image.convert(mode), profile))


def _cropped(image: Image.Image, crop: Crop) -> Image.Image:
    left, top, right, bottom = crop
    # Pillow's copies of a TIFF lose its orientation.
    return image if crop == WHOLE else image.crop((left, top, image.width - right, image.height - bottom))


def _by_light(image: Image.Image, light: Light) -> Image.Image:
    codes = np.asarray(image.convert("RGB")).astype(np.uint16) * 257
    return _with_alpha_of(image, Image.fromarray(light.standard(codes)))


def _with_alpha_of(image: Image.Image, colours: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        colours.putalpha(image.convert("RGBA").getchannel("A"))
    return colours


def _profiled_mode(image: Image.Image) -> str:
    """The mode whose numbers a profile speaks of."""
    if image.mode in ("L", "LA", "1", *DEEP):
        return "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


@lru_cache(maxsize=16)
def _differs(profile: bytes, mode: str) -> bool:
    """Whether a few colours differ visibly by the profile; one that is damaged or of another mode counts for none."""
    if mode == "L":
        probe = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        grid = np.stack(np.meshgrid(*[np.arange(0, 256, 51, dtype=np.uint8)] * len(mode)), axis=-1)
        probe = Image.fromarray(grid.reshape(1, -1, len(mode)), mode)
    try:
        shown = _transformed(probe, profile)
    except (ImageCms.PyCMSError, OSError):
        return False
    return int(np.abs(np.asarray(shown, dtype=int) - np.asarray(probe.convert("RGB"), dtype=int)).max()) > _SAME


def _transformed(image: Image.Image, profile: bytes) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    given = ImageCms.ImageCmsProfile(BytesIO(profile))
    shown = ImageCms.profileToProfile(image, given, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB")
    assert shown is not None  # it is none only where a transform is in place
    return shown


def _counts_to_65535(image: Image.Image) -> bool:
    """Whether an image of 32-bit integers is one of 16 bits: Pillow reads such a .pgm so, its maximum scaled."""
    return image.mode == "I" and image.format == "PPM"
