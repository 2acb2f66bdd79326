"""Puts what was found where a manifest wants it, whole or not at all, and checks that it is what is meant."""

import shutil
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from PIL import Image

from motion_inversion.data.clip import sha256_of_clip
from motion_inversion.data.fetching.supply import Offer, Supply
from motion_inversion.data.manifest import Entry, Frames
from motion_inversion.data.video import read_frames
from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing


@dataclass(frozen=True)
class Wanted:
    """A file that a manifest names, and what is known of it: the cut it must hold, or that it is a mask."""

    entry: Entry
    file: str
    frames: Frames | None
    sha256: str | None

    def fault(self, path: Path) -> str | None:
        """What is wrong with the file that is there, if anything."""
        if self.sha256 is not None and (found := sha256_of_clip(path)) != self.sha256:
            return f"its SHA-256 is {found[:12]}…, not {self.sha256[:12]}… as of the file that is meant"
        if self.frames is None:
            return _unreadable(path)
        # Without a count any clip of two frames will do.
        last = self.frames.start + ((self.frames.count or 2) - 1) * self.frames.stride
        found, available = read_frames(path, range(last, last + 1), (1, 1), "squeeze", self.frames.fps)
        return None if len(found) else f"it has {available} frames that can be decoded, {last + 1} are needed"


def wanted(entry: Entry) -> list[Wanted]:
    """The files of an entry: its video or folder, and its mask if it has one."""
    media = Wanted(entry, entry.file, entry.frames, entry.sha256)
    return [media, Wanted(entry, entry.mask, None, None)] if entry.mask else [media]


def place(want: Wanted, supply: Supply, root: Path) -> str | None:
    """Copies a wanted file below `root` and says from where, or nothing if it isn't offered.

    Raises:
        InputError: what is there already or what is offered isn't what is meant, or several different things are
            offered; what is there is never touched.
    """
    target = root / want.file
    if target.exists():
        if fault := want.fault(target):
            raise InputError(f"{target}: {fault}; delete it and repeat to have it replaced")
        return "is there"
    offers = supply.find(want.file)
    if want.sha256 is None and len(offers) > 1:
        raise InputError(f"{want.file} may be {' or '.join(map(str, offers))}; give one of them with --from")
    faults = []
    for offer in offers:
        try:
            _copy(want, offer, target)
            return f"copied from {offer}"
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                reason = error.__cause__.strerror
                raise InputError(f"can't write {target}: {reason}; set --into to a folder with space") from error
            faults.append(str(error))
    if faults:
        raise InputError("; ".join(faults))
    return None


def _copy(want: Wanted, offer: Offer, target: Path) -> None:
    _sweep(target)
    with replacing(target) as part:
        try:
            if offer.folder:
                part.mkdir()
            for stored in offer.files:
                stored.copy(part / stored.parts[-1] if offer.folder else part)
            if fault := want.fault(part):
                raise InputError(f"{offer} isn't what is meant: {fault}")
        except BaseException:
            _remove(part)
            raise


def _sweep(target: Path) -> None:
    """Removes what a run that was killed left half-written; a lock keeps other runs away."""
    for part in target.parent.glob(f".{escape(target.name)}.*.part"):
        _remove(part)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _unreadable(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        return f"it can't be read as an image ({error})"
    return None
