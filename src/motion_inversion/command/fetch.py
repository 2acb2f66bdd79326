"""`motion-inversion fetch`: builds the folder of videos that validation sets read, from downloads; uses no network."""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from motion_inversion.command.arguments import FETCH
from motion_inversion.data.fetching.placing import Wanted, place, wanted
from motion_inversion.data.fetching.supply import Supply
from motion_inversion.data.manifest import Entry, read_manifest
from motion_inversion.error import InputError

SHIPPED = ("embedded:object", "embedded:camera", "embedded:hybrid")


_HELP = """Builds the folder of videos that validation sets read, from downloads that you give; uses no network.

    motion-inversion fetch                                       says what is missing and where to get it
    motion-inversion fetch --from ~/Downloads/DAVIS-2017-trainval-480p.zip ~/code/TokenFlow clips/
    motion-inversion fetch my.yaml --from ~/videos --into data

Searches what is given, zip archives included, for the files that the manifests name, copies them into the folder,
and checks frames and checksums. Interrupt and repeat it as you like: a file is copied whole or not at all, and
what is there is checked and kept. The exit code is 0 when everything is there, 1 when something is missing or
wrong, 2 when a manifest or an argument can't be read.
"""


def fetch(entries: Sequence[Entry], supply: Supply, root: Path) -> bool:
    """Places every file of the entries; prints a line for each, then what is missing. True if nothing is."""
    files = [want for entry in entries for want in wanted(entry)]
    missing: list[Wanted] = []
    wrong = len(supply.faults)
    for number, want in enumerate(files, 1):
        try:
            done = place(want, supply, root)
        except InputError as error:
            wrong, done = wrong + 1, f"WRONG: {error}"
        else:
            if done is None:
                missing.append(want)
        print(f"[{number}/{len(files)}] {want.entry.id}: {want.file} {done or 'is MISSING'}", flush=True)
    for fault in supply.faults:
        print(f"WRONG: {fault}")
    _print_sources(missing)
    print(f"{len(files) - len(missing) - wrong + len(supply.faults)} of {len(files)} files are in {root}/")
    return not missing and not wrong


def _print_sources(missing: Sequence[Wanted]) -> None:
    """Where to get what is missing, one line a source."""
    by_source: dict[str, list[str]] = defaultdict(list)
    for want in missing:
        source = want.entry.source
        where = f"{source.name}, {source.address} (licence: {source.licence})" if source else "a source not named"
        by_source[where].append(want.file)
    for where, files in by_source.items():
        print(f"MISSING, from {where}: {', '.join(files)}")


def read_entries(manifests: Sequence[str], only: Sequence[str]) -> list[Entry]:
    """The entries of all manifests, or those called one of `only`.

    Raises:
        InputError: as `read_manifest`, or for a name that none has.
    """
    # What moves in a clip matters to no file; a table doesn't say.
    entries = [entry for manifest in manifests for entry in read_manifest(manifest, "object")]
    names = {entry.id for entry in entries}
    if unknown := [name for name in only if name not in names]:
        raise InputError(f"--only {unknown[0]}: there is no such clip; accepted are {', '.join(sorted(names))}")
    return [entry for entry in entries if not only or entry.id in only]


def main(words: Sequence[str]) -> int:
    """The command, without its own word; returns its exit code.

    Raises:
        InputError: a manifest or an argument that can't be read, or a folder that can't be filled.
    """
    parser = argparse.ArgumentParser(
        f"motion-inversion {FETCH}", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", nargs="*", default=SHIPPED, help="as in dataset.path; default: those that ship")
    parser.add_argument("--from", dest="given", nargs="+", type=Path, default=[], metavar="PATH", help="downloads")
    parser.add_argument("--into", type=Path, default=Path("data"), help="the folder to build, dataset.root")
    parser.add_argument("--only", nargs="+", default=[], metavar="CLIP", help="clips to fetch; default: all")
    arguments = parser.parse_args(words)
    entries = read_entries(arguments.manifest, arguments.only)
    supply = Supply(arguments.given)
    try:
        arguments.into.mkdir(parents=True, exist_ok=True)
        with FileLock(arguments.into / ".fetch.lock", timeout=0):
            return 0 if fetch(entries, supply, arguments.into) else 1
    except Timeout as error:
        raise InputError(f"another fetch fills {arguments.into}/ at this moment; wait for it") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(
            f"can't write to {arguments.into}/: {error.strerror}; set --into to a folder that you can write to"
        ) from error
