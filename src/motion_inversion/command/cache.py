"""`motion-inversion cache`: what the cache of a folder holds, and removing what nobody has used for long."""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from motion_inversion.command.arguments import CACHE
from motion_inversion.error import InputError
from motion_inversion.stage.cache import Cache, Entry
from motion_inversion.storage.names import CACHED

_DAY = 86400.0  # seconds
_HELP = """Says what a cache holds, by kind, and removes what nobody has used for long.

    motion-inversion cache                              what outputs/.cache holds
    motion-inversion cache /data/cache --prune 30       removes what no run made or took for 30 days
    motion-inversion cache --prune 0                    empties it

Results stay as they are: they have files of their own, or share an entry's by hard links. What is removed is made
again when it is needed. What a running process is making stays. A folder that is no cache is refused, and no link in
one is followed.
"""


def main(words: Sequence[str]) -> str:
    """What the command says.

    Raises:
        InputError: a folder that isn't there or is no cache, or an entry that can't be removed.
    """
    parser = argparse.ArgumentParser(
        f"motion-inversion {CACHE}", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path("outputs") / CACHED
    parser.add_argument("folder", nargs="?", default=str(default), help=f"as in cache=…; default: {default}")
    parser.add_argument("--prune", type=_days, metavar="DAYS", help="remove what was unused for so many days")
    arguments = parser.parse_args(words)
    folder = Path(arguments.folder)
    if not arguments.folder.strip() or not folder.is_dir():
        given = str(folder) if arguments.folder.strip() else repr(arguments.folder)
        raise InputError(f"{given} is no folder; give that of cache=…, by default {CACHED} in output")
    cache = Cache(folder)
    if arguments.prune is None:
        return told(cache.entries())
    removed = cache.prune(arguments.prune * _DAY)
    freed = sum(entry.own for entry in removed)
    return f"removed: {len(removed)}, {_size(freed)} freed\n{told(cache.entries())}"


def told(entries: Sequence[Entry]) -> str:
    """A line for each kind of entry and one for all: how many, their size, and what removing them would free."""
    kinds: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        kinds[entry.kind].append(entry)
    lines = [_line(kind, of) for kind, of in sorted(kinds.items())]
    return "\n".join([*lines, _line("all", entries)])


def _line(kind: str, entries: Sequence[Entry]) -> str:
    size, own = sum(entry.size for entry in entries), sum(entry.own for entry in entries)
    oldest = max((entry.unused for entry in entries), default=0.0) / _DAY
    counted = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    used = f"{_size(own)} of it in no results; unused for up to {oldest:.0f} days"
    return f"{kind:<13}{counted:>12} {_size(size):>10}, {used}"


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        amount /= 1024
    return f"{amount:.3g} GiB"


def _days(word: str) -> float:
    try:
        days = float(word)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is no number of days; accepted are 0 or more, as in --prune 30")
    return days
