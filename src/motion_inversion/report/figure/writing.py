"""Owns which figures a report has, and what their files are called."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from motion_inversion.report.figure.choice import Chosen, choose, pages, read
from motion_inversion.report.figure.crew import each
from motion_inversion.report.figure.follower import Follower
from motion_inversion.report.figure.font import families, legible
from motion_inversion.report.figure.kept import Kept, digest, file_names
from motion_inversion.report.figure.series import name, table_looks
from motion_inversion.report.figure.swept import swept
from motion_inversion.report.group import grouped, reference_keys, tells_references
from motion_inversion.report.record import Record
from motion_inversion.report.table import Table
from motion_inversion.storage.checksum import known_sha256

log = logging.getLogger(__name__)

AXES = ("text_similarity", "motion_fidelity")
_SHORT = 40  # letters of a file's name that say how a clip is cut
_UNPICTURED = {"clip", "motion", "prompt", "seed"}  # prompts have rows anyway, of the others one is shown


def write_figures(
    records: Sequence[Record],
    table: Table,
    target: Path,
    follower: Follower | None = None,
    unwanted: frozenset[str] = frozenset(),
    processes: int = 1,
) -> list[str]:
    """Writes what the records allow, each as PNG and PDF, in the folder `target`.

    Of the table, scatter and sweep-<key> for each number that varies; of each clip, comparison-<clip> and,
    with a follower, tracks-<clip>, with rows by the table's keys except those `unwanted`; many rows are several pages,
    and a clip that was cut in several ways has figures of each. What is there, drawn
    of the same, stays (see `Kept`); the others are drawn by so many processes.

    Returns: the names of the files.

    Raises:
        InputError: a file can't be written.
    """
    pictures = [*_plots(table), *_of_clips(records, table, follower, unwanted)]
    kept = Kept(target)
    digests = {picture.stem: digest(picture.of) for picture in pictures}
    due = [picture for picture in pictures if not kept.keeps(picture.stem, digests[picture.stem])]
    for k, (stem, files) in enumerate(each(partial(_write, target), due, processes), start=1):
        kept.add(stem, digests[stem], files)
        log.info("picture %s (%d of %d)", stem, k, len(due))
    kept.close()
    return [name for picture in pictures for name in file_names(picture.stem)]


@dataclass(frozen=True)
class _Picture:
    """A figure: what its files are called, what it is drawn of, as JSON, and how."""

    stem: str
    of: Any
    draw: Callable[[], Any]


def _write(target: Path, picture: _Picture) -> tuple[str, dict[str, str]]:
    from motion_inversion.report.figure import style

    figure = picture.draw()
    assert figure is not None  # `_plots` leaves out the one that there can't be
    return picture.stem, style.save(target / picture.stem, figure)


def _of_clips(
    records: Sequence[Record], table: Table, follower: Follower | None, unwanted: frozenset[str]
) -> Iterator[_Picture]:
    keys = [key for key in table.keys if key not in _UNPICTURED | unwanted and not tells_references(key)]
    for stem, (clip, members) in _by_reference(table, records).items():
        rows = choose(members, clip, keys)
        yield from _paged(f"comparison-{stem}", rows, None)
        if follower:
            first = [rows[0], *(row for row in rows[1:] if row.prompt == rows[1].prompt)]
            yield from _paged(f"tracks-{stem}", first, follower)


def _paged(stem: str, rows: Sequence[Chosen], follower: Follower | None) -> Iterator[_Picture]:
    """The figure, or of many rows its pages, of which the first has the plain name."""
    for number, page in enumerate(pages(rows), start=1):
        of = [repr(follower), [[*_written(row.label), *_written(row.prompt), _checksum(row.path)] for row in page]]
        yield _Picture(stem if number == 1 else f"{stem}-page{number}", of, partial(_frames, page, follower))


def _frames(rows: Sequence[Chosen], follower: Follower | None) -> Any:
    from motion_inversion.report.figure.comparison import comparison
    from motion_inversion.report.figure.overlay import overlay

    return overlay(read(rows), follower) if follower else comparison(read(rows))


def _written(text: str) -> tuple[str, list[str]]:
    """A text as figures have it: which fonts there are depends on the machine."""
    return legible(text), families(legible(text))


def _checksum(path: Path | None) -> str | None:
    try:
        return path and known_sha256(path)
    except OSError:
        return None


def _by_reference(table: Table, records: Sequence[Record]) -> dict[str, tuple[str, list[Record]]]:
    """By what files are called, each clip with its records, and those of its cuts apart if there are several."""
    cuts = reference_keys([record for record in records if not record.is_bound], table.keys)
    found: dict[str, tuple[str, list[Record]]] = {}
    for clip in sorted({record.clip for record in records if not record.is_bound}):
        members = [record for record in records if record.clip == clip and not record.is_bound]
        groups = grouped(members, cuts)
        for number, (cut, own) in enumerate(groups.items(), start=1):
            told = re.sub(r"[^\w.]+", "-", name(cuts, cut))[:_SHORT].strip("-") or str(number)
            stem = f"{clip}-{told}" if len(groups) > 1 else clip
            found[stem if stem not in found else f"{stem}-{number}"] = (clip, own)
    return found


def _plots(table: Table) -> Iterator[_Picture]:
    of = [repr(table), [_written(look.name) for look in table_looks(table)]]
    if {*AXES} <= {column.name for column in table.columns}:
        yield _Picture("scatter", of, partial(_scatter, table))
    for key in swept(table):
        yield _Picture(f"sweep-{key}", of, partial(_sweep, table, key))


def _scatter(table: Table) -> Any:
    from motion_inversion.report.figure.scatter import scatter

    return scatter(table, *AXES)


def _sweep(table: Table, key: str) -> Any:
    from motion_inversion.report.figure.sweep import sweep

    return sweep(table, key)
