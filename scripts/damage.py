"""What becomes of a file on a disk that fails, or under hands that don't know what it is; and which file."""

import ctypes
import random
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from motion_inversion.storage.names import CACHED, COST, LOCK, MANIFEST, UNFINISHED

_CAPABILITIES = 0x20080522  # the version of Linux's interface
_ANYTHING = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: to read and write what one has no permission for
_STRANGER = "stranger.safetensors"


def _flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content or b"\0")


def _cut(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _delete(path: Path, draw: random.Random) -> None:
    path.unlink()


def _empty(path: Path, draw: random.Random) -> None:
    path.write_bytes(b"")


def _forbid(path: Path, draw: random.Random) -> None:
    path.chmod(0)


def _forbid_folder(path: Path, draw: random.Random) -> None:
    path.parent.chmod(0)


def _replace_by_folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def _replace_by_link(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def _replace_folder(path: Path, draw: random.Random) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("a file")


def _add_stranger(path: Path, draw: random.Random) -> None:
    path.with_name(_STRANGER).write_text("nobody knows it")


def _exchange(path: Path, draw: random.Random) -> None:
    """In its place, another artifact's file of that name or any file of another name beside it."""
    others = [each for each in path.parent.parent.glob(f"*/{path.name}") if each != path and each.is_file()]
    others = others or [each for each in path.parent.iterdir() if each.is_file() and each.name != path.name]
    path.write_bytes(draw.choice(sorted(others)).read_bytes() if others else b"another's")


KINDS: Mapping[str, Callable[[Path, random.Random], None]] = {
    "a flipped bit": _flip,
    "half of a file": _cut,
    "a deleted file": _delete,
    "an empty file": _empty,
    "a file without permission": _forbid,
    "a folder without permission": _forbid_folder,
    "a folder in a file's place": _replace_by_folder,
    "a dead link in a file's place": _replace_by_link,
    "a file in a folder's place": _replace_folder,
    "a file more": _add_stranger,
    "another's file in its place": _exchange,
}


def damage_finished(output: Path, draw: random.Random) -> str:
    """Damages one file that a manifest or a checkpoint's name vouches for, and says which and how."""
    finished = [path for path in sorted(output.glob("*/**/*")) if path.is_file() and path.parent.name[-11:-10] == "-"]
    path = draw.choice([path for path in finished if path.name not in (COST, LOCK)])
    unfinished, cached = path.suffix == ".ckpt", CACHED in path.parts
    if cached:  # where results hold the same, nobody asks for it
        for own in [
            *output.glob(f"[!.]*/*/prepare/{path.parent.name}"),
            *output.glob(f"[!.]*/text/{path.parent.name}"),
        ]:
            shutil.rmtree(own)
    if unfinished:  # as a killed training would leave it
        (path.parent / MANIFEST).unlink()
        path = path.parent.rename(path.parent.with_name(path.parent.name + UNFINISHED)) / path.name
    kind = draw.choice([*KINDS][:3])
    KINDS[kind](path, draw)
    whose = "an unfinished" if unfinished else "the cache's" if cached else "a finished"
    return f"{kind} in {whose} {path.parent.parent.name}"


def damage_left(output: Path, draw: random.Random, wanted: Collection[Path]) -> list[tuple[Path, str]]:
    """Damages a file of each unfinished artifact, or of three entries of the cache for `wanted` results, whose own
    copies are removed. Gives the folders, and what was done to each."""
    names = {place.name: place for place in wanted}
    if wanted:
        entries = [path for path in output.glob(f"{CACHED}/*/*/[!.]*") if path.name in names]
        folders = draw.sample(sorted(entries), min(3, len(entries)))
    else:
        folders = sorted(path for path in output.glob(f"[!.]*/**/*{UNFINISHED}") if path.is_dir())
    damages: list[tuple[Path, str]] = []
    for folder in folders:
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != LOCK)
        if wanted:
            shutil.rmtree(names[folder.name], ignore_errors=True)
        if files:
            path, kind = draw.choice(files), draw.choice([*KINDS])
            KINDS[kind](path, draw)
            damages.append((folder, f"{kind} ({path.name})"))
    return damages


def leave(path: Path) -> None:
    """Gives back the permissions that damages took away below a folder, so that it can be removed."""
    path.chmod(0o755)
    for each in sorted(path.iterdir()):
        if each.is_dir() and not each.is_symlink():
            leave(each)


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """In the block, root may read and write what its user may, and no more. Other users never could."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable of the first 32 capabilities, then the rest
    libc.capget(header, sets)
    before = sets[0]
    sets[0] &= ~_ANYTHING
    libc.capset(header, sets)
    try:
        yield
    finally:
        sets[0] = before
        libc.capset(header, sets)
