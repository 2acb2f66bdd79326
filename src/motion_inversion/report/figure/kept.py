"""Owns which figures of a folder stay: those that were drawn of the same, and whose files are as they were written."""

import json
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import PIL

from motion_inversion import __version__
from motion_inversion.reflection import description
from motion_inversion.reflection.annotation import fits
from motion_inversion.storage.document import parse_json, read_text
from motion_inversion.storage.file import replacing, sha256_of

NAME = "figures.json"
FORMS = ("png", "pdf")


class _Entry(TypedDict):
    of: str  # the digest of what it was drawn of
    files: dict[str, str]  # the checksum of each by its name


class Kept:
    """The figures of a folder as its figures.json tells them; one that can't be read tells of none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = _read(folder / NAME)
        self._now: dict[str, _Entry] = {}

    def keeps(self, stem: str, of: str) -> bool:
        """Whether a figure need not be drawn again: one that has changed, is gone, or is damaged has to be."""
        known = self._before.get(stem)
        if known is None or known["of"] != of or {*known["files"]} != {*file_names(stem)}:
            return False
        intact = all(self._is_intact(name, checksum) for name, checksum in known["files"].items())
        if intact:
            self._now[stem] = known
        return intact

    def add(self, stem: str, of: str, files: dict[str, str]) -> None:
        """Notes a figure that was just written, and the checksums of its files.

        Raises:
            InputError: the folder can't be written.
        """
        self._now[stem] = {"of": of, "files": files}
        self._write(self._before | self._now)

    def close(self) -> None:
        """Removes the figures of an earlier report that this one doesn't have. Raises as `add`."""
        for stem in self._before.keys() - self._now.keys():
            for name, checksum in self._before[stem]["files"].items():
                if self._is_intact(name, checksum):  # what someone has changed since is theirs
                    (self._folder / name).unlink(missing_ok=True)
        self._write(self._now)

    def _is_intact(self, name: str, checksum: str) -> bool:
        with suppress(OSError):
            return sha256_of(self._folder / name) == checksum
        return False

    def _write(self, entries: dict[str, _Entry]) -> None:
        with replacing(self._folder / NAME) as part:
            part.write_text(json.dumps(entries, sort_keys=True), encoding="utf-8", newline="\n")


def file_names(stem: str) -> list[str]:
    """What the files of a figure are called."""
    return [f"{stem}.{form}" for form in FORMS]


def digest(content: Any) -> str:
    """The digest of JSON that says what a figure is drawn of; other versions or drawing code give another, too."""
    return description.digest([__version__, version("matplotlib"), PIL.__version__, _drawing(), content])


@cache
def _drawing() -> str:
    return sha256_of(*sorted(Path(__file__).parent.glob("*.py")))


def _read(path: Path) -> dict[str, _Entry]:
    try:
        found = parse_json(read_text(path, "delete it"))
    except (OSError, ValueError):
        return {}
    if not fits(found, dict[str, dict]):
        return {}
    return {
        stem: entry
        for stem, entry in found.items()
        if entry.keys() == {"of", "files"}
        and fits(entry["of"], str)
        and fits(entry["files"], dict[str, str])
        and all(Path(name).name == name for name in entry["files"])
    }
