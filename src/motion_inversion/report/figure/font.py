"""Owns which fonts write a text of any script, and what stands for a sign that none of them has."""

import logging
import unicodedata
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

PLAIN = "DejaVu Sans Latin"  # comes with this package (scripts/lean_fonts.py): figures are alike on every machine
WIDE = "DejaVu Sans"  # comes with matplotlib, and has the plain one's letters and those of many more scripts
_SILENT = "\ufe0f\ufe0e"  # say how the sign before is drawn


@cache
def register() -> None:
    """Tells matplotlib of the plain font."""
    from matplotlib import font_manager

    for path in sorted((Path(__file__).parent / "fonts").glob("*.ttf")):
        font_manager.fontManager.addfont(path)


def legible(text: str) -> str:
    """The text with the name in brackets of each sign that no font of this machine has, as in "[dog face]"."""
    return "".join(_spelt(sign) for sign in text if sign not in _SILENT)


def families(text: str) -> list[str]:
    """The fonts that together have every sign of a legible text, the plain one first."""
    return list(dict.fromkeys((PLAIN, *(family for sign in text if (family := _family(sign))))))


def is_latin(text: str) -> bool:
    """Whether all signs are of scripts that have italics."""
    return all(ord(sign) < 0x250 or 0x2000 <= ord(sign) < 0x2070 for sign in text)


def _spelt(sign: str) -> str:
    if _family(sign):
        return sign
    name = unicodedata.name(sign, f"U+{ord(sign):04X}").lower()
    _warn(f"no font of this machine has {sign}, which figures call [{name}]; install one, such as the Noto fonts")
    return f"[{name}]"


@cache
def _warn(line: str) -> None:
    log.warning("%s", line)


@cache
def _family(sign: str) -> str | None:
    """The font that writes a sign: the plain one, else the first of the machine's; None if there is none."""
    if sign.isascii() and sign.isprintable():  # which the plain one has
        return PLAIN
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    register()
    if sign.isspace() or unicodedata.category(sign) == "Cf" or ord(sign) in _signs(font_manager.findfont(PLAIN)):
        return PLAIN
    for path in (font_manager.findfont(WIDE), *_installed()):
        if ord(sign) in _signs(path):
            font_manager.fontManager.addfont(path)
            return FT2Font(path).family_name
    return None


@cache
def _installed() -> tuple[str, ...]:
    """The machine's font files, upright sans-serif ones first. Colour fonts are no outlines, which figures need."""
    from matplotlib import font_manager

    found = [path for path in font_manager.findSystemFonts() if "emoji" not in Path(path).name.lower()]

    def rank(path: str) -> tuple[bool, bool, str]:
        name = Path(path).name.lower()
        return "sans" not in name, "regular" not in name, path

    return tuple(sorted(found, key=rank))


@cache
def _signs(path: str) -> frozenset[int]:
    """The code points that a font file has; none if it can't be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
