"""Owns still pictures of clips: the labelled strips of frames that papers print, and saving them as PNG."""

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from motion_inversion.data.video import VIEWING_SIDE, Video
from motion_inversion.storage.file import replacing

Row = tuple[str, UInt8[np.ndarray, "_ _ _ 3"]]  # a label and a clip; clips may differ in size

INK = (26, 26, 26)
LABEL_WIDTH = 1.1  # the widest a label may be, in frame widths
LARGEST_TEXT = 1 / 8  # in frame widths: 7 points where 8 frames span the width of a page
SMALLEST_TEXT = 10  # pixels


def strip(rows: Sequence[Row], count: int = 8, scale: int | None = None) -> Image.Image:
    """One labelled row of frames per clip on white, as in the paper's figures: 8 frames spread over 16.

    Pixels are repeated by the whole factor `scale`, never resampled; None takes the smallest factor that
    makes the longest side in any row `VIEWING_SIDE` pixels. Columns are as wide as the widest frame. Labels
    stand on the left, wrapped, all in the largest size at which each is no taller than its row; a row grows
    where even the smallest size is too tall. Without labels there is no space for them.
    """
    factor = scale or math.ceil(VIEWING_SIDE / max(max(video.shape[1:3]) for _, video in rows))
    videos = [_chosen(video, count, factor) for _, video in rows]
    wide = max(v.shape[2] for v in videos)
    gap = max(2, wide // 48)
    font, labels = _wrapped([label for label, _ in rows], [v.shape[1] for v in videos], wide)
    boxes = [_text_size(label, font) for label in labels]
    text = max(width for width, _ in boxes)
    left = gap + (text + 3 * gap if text else 0)
    heights = [max(v.shape[1], height) for v, (_, height) in zip(videos, boxes, strict=True)]
    tops = list(accumulate((height + 2 * gap for height in heights), initial=gap))
    columns = max(len(v) for v in videos)
    sheet = Image.new("RGB", (left + columns * (wide + gap), tops[-1] - gap), "white")
    draw = ImageDraw.Draw(sheet)
    for video, label, top, height in zip(videos, labels, tops, heights, strict=False):
        middle = top + height // 2
        draw.multiline_text((gap, middle), label, INK, font, anchor="lm", spacing=_leading(font))
        for column, frame in enumerate(video):
            x = left + column * (wide + gap) + (wide - video.shape[2]) // 2
            sheet.paste(Image.fromarray(frame), (x, middle - video.shape[1] // 2))
    return sheet


def spread(frames: int, count: int) -> list[int]:
    """`count` indices evenly spread over `frames` frames, first and last included; all if there are fewer.

    The k-th is k·(frames − 1)/(count − 1), rounded: 0, 2, 4, 6, 9, 11, 13, 15 for 8 of 16.
    """
    return [int(index) for index in np.linspace(0, frames - 1, min(count, frames)).round()]


def save_png(path: str | Path, image: Image.Image) -> None:
    """The picture as a PNG file, whole or not at all.

    Raises:
        InputError: the file can't be written.
    """
    with replacing(path) as part:
        image.save(part, format="PNG")


def _chosen(video: Video, count: int, factor: int) -> UInt8[np.ndarray, "n hs ws 3"]:
    return video[spread(len(video), count)].repeat(factor, axis=1).repeat(factor, axis=2)


def _wrapped(labels: Sequence[str], heights: Sequence[int], wide: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest font in which every label, wrapped, fits beside its row, and the labels wrapped in it."""
    width = round(LABEL_WIDTH * wide)
    size = max(SMALLEST_TEXT, round(LARGEST_TEXT * wide))
    while True:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)  # what Pillow gives whenever a size is named
        wrapped = [_wrap(label, font, width) for label in labels]
        sizes = [_text_size(label, font) for label in wrapped]
        fits = all(w <= width and h <= height for (w, h), height in zip(sizes, heights, strict=True))
        if fits or size == SMALLEST_TEXT:
            return font, wrapped
        size -= 1


def _wrap(label: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    lines: list[str] = []
    for word in label.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _text_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font, "la", _leading(font))
    return math.ceil(right - left), math.ceil(bottom - top)


def _leading(font: ImageFont.FreeTypeFont) -> float:
    return 0.3 * font.size
