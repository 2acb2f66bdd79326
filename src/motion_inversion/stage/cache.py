"""What experiments of all names share: results that depend on clip and model alone, kept once."""

import functools
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from motion_inversion.error import InputError
from motion_inversion.storage.names import CACHED, MANIFEST, UNFINISHED

log = logging.getLogger(__name__)

_AT_WORK = 3600.0  # seconds after which what is half-made is a dead process's
_LOCK = ".{name}.lock"  # beside an entry, held by who makes, takes or removes it
_VISIBLE = re.compile(r"[^.].*", re.DOTALL)
_CODE = re.compile(r"[0-9a-f]{8}")  # a version of the code
_STAGE = re.compile("prepare|text")  # a stage whose results are shared
_ENTRY = re.compile(r"[^.].*-[0-9a-f]{10}")
_PART = re.compile(rf"\..+-[0-9a-f]{{10}}\.[0-9a-f]{{8}}{re.escape(UNFINISHED)}")


@dataclass(frozen=True)
class Entry:
    """Files of a finished result, with its manifest.

    folder: where they are.
    size: of all files, in bytes.
    own: of those among them that no result holds as well: what removing the entry gives back.
    unused: seconds since it was made or last taken.
    """

    folder: Path
    size: int
    own: int
    unused: float

    @property
    def kind(self) -> str:
        """What it is: text, reference, control_maps or inversion."""
        stage, label = self.folder.parent.name, self.folder.name.rpartition("-")[0]
        return label if stage == "prepare" else stage


@dataclass(frozen=True)
class Cache:
    """A folder with one entry for each result, which is there whole or not at all.

    An entry is called <code>/<stage>/<label>-<digest>: what one version of the code made is nothing to another. A
    folder is a cache if all visible folders in it are a <code>, 8 hexadecimal digits, and all visible folders in those
    a <stage>, prepare or text; so an empty one is. Files beside them don't matter. Links are never followed below it.

    Results get hard links to an entry's files, or copies where the file system has none. So they stay what they are
    when the entry is removed, and an entry takes no room of its own while results hold its files.
    """

    folder: Path

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """An entry for this process alone: others wait, and find it made. A cache that can't be written holds none."""
        lock = FileLock(self._lock(name))
        try:
            self.folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                log.info("waiting for another process that is making %s", self.folder / name)
                lock.acquire()
        except OSError as error:
            self._not_shared(error)
        try:
            yield
        finally:
            lock.release()

    def take(self, name: str, into: Path, verify: Callable[[Path], Sequence[str]]) -> bool:
        """Puts an entry's files and its manifest into a folder; whether it was there.

        `verify` gives the names of an entry's files, or raises InputError if they aren't what was made: such an entry
        is removed.
        """
        entry, placed = self.folder / name, list[Path]()
        if not entry.is_dir():
            with suppress(OSError):  # a file or a dead link, which would keep the entry from being made
                entry.unlink()
            return False
        try:
            for each in _plain(entry, (*verify(entry), MANIFEST)):
                placed.append(into / each)
                _link(entry / each, into / each)
        except (InputError, FileNotFoundError, PermissionError) as error:
            for path in placed:
                path.unlink(missing_ok=True)
            if isinstance(error, InputError):
                log.warning("%s; that is done now", error)
                with suppress(OSError):  # a cache that can only be read
                    _discard(entry)
            elif isinstance(error, PermissionError):
                log.warning("%s can't be read (%s): it is made anew, for these results alone", entry, error.strerror)
            return False  # what isn't found is being pruned
        with suppress(OSError):  # a cache that can only be read
            os.utime(entry)
        return True

    def give(self, name: str, folder: Path, files: Sequence[str]) -> None:
        """Makes an entry of files in a folder and their manifest, unless it is there; says so if that can't be done."""
        entry = self.folder / name
        part = _part(entry)
        try:
            part.mkdir(parents=True)
            for each in (*files, MANIFEST):
                _link(folder / each, part / each)
            if not entry.exists():
                part.rename(entry)
        except OSError as error:
            self._not_shared(error)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """All that is there, by name. Raises InputError if the folder is no cache."""
        found = [folder for stage in self._stages() for folder in _folders(stage, _ENTRY)]
        return [_entry(folder) for folder in found if os.path.isfile(folder / MANIFEST)]

    def prune(self, unused: float) -> list[Entry]:
        """Removes the entries that nothing made or took for so many seconds, and what deaths left; gives the entries.

        What a process is at work on stays, and so does whatever isn't called as an entry is.

        Raises:
            InputError: if the folder is no cache, or an entry can't be removed.
        """
        removed: list[Entry] = []
        for entry in self.entries():
            if entry.unused >= unused and self._remove(entry.folder):
                removed.append(entry)
        for part in (each for stage in self._stages() for each in _folders(stage, _PART)):
            if _age(part) >= max(unused, _AT_WORK):
                shutil.rmtree(part, ignore_errors=True)
        return removed

    def _stages(self) -> list[Path]:
        """The folders that entries are in."""
        codes = self._only(_CODE, _folders(self.folder, _VISIBLE))
        return self._only(_STAGE, [stage for code in codes for stage in _folders(code, _VISIBLE)])

    def _only(self, called: re.Pattern[str], folders: list[Path]) -> list[Path]:
        """The same folders; raises InputError if one of them is called otherwise."""
        for folder in folders:
            if not called.fullmatch(folder.name):
                raise InputError(
                    f"{self.folder} is no cache: it holds {str(folder.relative_to(self.folder))!r}, and a cache only "
                    f"folders such as 1a2b3c4d/prepare; give that of cache=…, by default {CACHED} in output"
                )
        return folders

    def _remove(self, entry: Path) -> bool:
        lock = FileLock(self._lock(entry.relative_to(self.folder).as_posix()))
        try:
            with lock.acquire(blocking=False):
                _discard(entry)
                Path(lock.lock_file).unlink(missing_ok=True)
        except Timeout:
            return False
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"can't remove {entry}: {reason}; prune as a user who can write there") from error
        return True

    def _lock(self, name: str) -> Path:
        path = self.folder / name
        return path.with_name(_LOCK.format(name=path.name))

    def _not_shared(self, error: OSError) -> None:
        _say_not_shared(self.folder, str(error.strerror))


@functools.cache
def _say_not_shared(folder: Path, reason: str) -> None:
    """Once for a folder and a reason, not for every result."""
    log.warning("what is made isn't shared: can't write %s: %s; set cache=… or cache=null", folder, reason)


def _discard(entry: Path) -> None:
    """Removes an entry, or a link in its place. It is renamed first: a death leaves none that lacks some files."""
    if entry.is_symlink():
        entry.unlink()
        return
    part = _part(entry)
    entry.rename(part)
    shutil.rmtree(part)


def _part(entry: Path) -> Path:
    """Where an entry is made or removed."""
    return entry.with_name(f".{entry.name}.{uuid4().hex[:8]}{UNFINISHED}")


def _plain(entry: Path, files: Sequence[str]) -> Sequence[str]:
    """Names of files; raises InputError for one that leads out of an entry, whoever wrote its manifest."""
    for name in files:
        if Path(name).name != name or (entry / name).is_symlink():
            raise InputError(f"{entry} names {name!r}, which isn't a file in it")
    return files


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def _folders(folder: Path, called: re.Pattern[str]) -> list[Path]:
    """The folders in one that are called so, by name, links aside; none if it isn't there or may not be read."""
    try:
        with os.scandir(folder) as found:
            names = [each.name for each in found if called.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _entry(folder: Path) -> Entry:
    found = [path.lstat() for path in folder.iterdir()]
    size, own = sum(each.st_size for each in found), sum(each.st_size for each in found if each.st_nlink == 1)
    return Entry(folder, size, own, _age(folder))


def _age(path: Path) -> float:
    """Seconds since it changed; 0 if a clock that was put back says that it will."""
    return max(0.0, time.time() - path.stat().st_mtime)
