"""Overrides as a shell user writes them: what stops one from being read, and how to write it quoted."""

import os
import re
import shlex
import unicodedata
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from motion_inversion.error import InputError

_ACCEPTED = "accepted: key=value, group=option, +new=value, ~key"
_KEY = re.compile(r"[+~]{0,2}[\w$@/.-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_/\\+.$%*@?|: \t-]")  # what Hydra's grammar takes in a value without quotes
_BEFORE_A_QUOTE = re.compile(r"(\\*)(\"|$(?!\n))")  # Hydra's own `with_quotes` loses some of these
_INTERPOLATION = re.compile(r"(\\*)\$\{")
_FILM = (".mp4", ".mov", ".gif", ".webm", ".mkv", ".avi")


def read(overrides: list[str], loader: ConfigLoader) -> list[Override]:
    """The overrides as Hydra's grammar reads them; `loader` knows what a glob stands for.

    Raises:
        InputError: for one that can't be read, naming the character that stops it, and how to write it.
    """
    try:
        read = OverridesParser.create(loader).parse_overrides(overrides)
    except RecursionError as error:
        raise InputError("an override is nested too deeply; give lists and mappings of a few levels") from error
    except OverrideParseException as error:
        raise _unreadable(str(error.override)) from error
    if nameless := next((each for each in read if not each.key_or_group), None):
        raise InputError(f"{nameless.input_line} names no key; {_ACCEPTED}")
    return read


def several(override: str) -> InputError:
    """What is said of a comma in a value where nothing is swept."""
    quoted = f", or as one text {as_text(override)}" if "," in override else ""
    return InputError(f"{override} gives several values; add -m to run each, or give a list as [a,b]{quoted}")


def as_text(override: str) -> str:
    """The override with its value as one text, whatever its characters: a word for the shell, to be pasted.

    A leading ~ becomes the home folder, which no shell puts there behind an equals sign.
    """
    key, _, value = override.partition("=")
    return shell(f"{key}={quoted(os.path.expanduser(value))}")


def at_home(override: str) -> str:
    """The override with a path below the user's folder as the shell would give it, if it looked behind equals signs.

    A value with a comma or brackets stays, which stands for several.
    """
    key, _, value = override.partition("=")
    if not _KEY.fullmatch(key) or not re.fullmatch(r"~\w*(/[^,\[\](){}]*)?", value):
        return override
    path = os.path.expanduser(value)
    return override if path == value else f"{key}={quoted(path)}"


def _as_list(override: str) -> str:
    """The override with the items between its brackets as texts; a comma parts them, unless it is in quotes."""
    key, _, value = override.partition("=")
    items = re.findall(r"""\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'(?=\s*(?:,|$))|[^,]+)""", value[1:-1])
    whole = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
    words = [item.strip() for item in items]
    return shell(f"{key}=[{','.join(word if whole.fullmatch(word) else quoted(word) for word in words)}]")


def _unreadable(override: str) -> InputError:
    key, equals, value = override.partition("=")
    if not equals and (override.lower().endswith(_FILM) or Path(override).exists()):
        clip = as_text(f"dataset.path={override}")
        return InputError(f"{override} names no key; {_ACCEPTED}; a clip is given by dataset=clip {clip}")
    if not equals or not _KEY.fullmatch(key):
        return InputError(f"{override} can't be read; {_ACCEPTED}")
    listed = value.startswith("[") and value.endswith("]")
    remedy = f"as a list of texts: {_as_list(override)}" if listed else f"as one text: {as_text(override)}"
    return InputError(f"{override} can't be read, as {_culprit(value)} needs quotes around the value; {remedy}")


def _culprit(value: str) -> str:
    """The first character that a plain value can't hold; in a value that begins with a quote, or a list, the first
    inside."""
    inside = value[1:] if value[:1] in ("'", '"', "[", "{") else value
    found = next((letter for letter in inside if not _PLAIN.match(letter) and letter != ","), value[:1])
    name = unicodedata.name(found, "a control character").lower()
    return f"{found} ({name})" if found.isprintable() and not found.isspace() else name


def quoted(text: str) -> str:
    """The text in quotes for Hydra; what would else stand for another value is escaped for OmegaConf."""
    literal = _INTERPOLATION.sub(lambda found: f"{2 * found[1]}\\${{", text)
    escaped = _BEFORE_A_QUOTE.sub(lambda found: 2 * found[1] + found[2].replace('"', '\\"'), literal)
    return f'"{escaped}"'


def shell(word: str) -> str:
    """One word for bash; white space that a line of text would not keep is spelt out."""
    if re.search(r"[^\S ]| {2}|[\x00-\x1f\x7f\ud800-\udfff]", word) is None:
        return shlex.quote(word)
    spelt = word.replace("\\", "\\\\").replace("'", "\\'")
    spelt = re.sub(r"[^\S ]|  +|[\x00-\x1f\x7f\ud800-\udfff]", lambda found: _bytes(found[0]), spelt)
    return f"$'{spelt}'"


def _bytes(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(text))
