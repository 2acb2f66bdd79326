"""Owns which figures a report has, and what their files are called."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from matplotlib.figure import Figure

from motion_inversion.report.figure.choice import Shown, choose
from motion_inversion.report.figure.comparison import comparison, pages
from motion_inversion.report.figure.overlay import Follower, overlay
from motion_inversion.report.figure.scatter import scatter
from motion_inversion.report.figure.series import name
from motion_inversion.report.figure.style import save
from motion_inversion.report.figure.sweep import sweep, swept
from motion_inversion.report.group import grouped, tells_references
from motion_inversion.report.record import Record
from motion_inversion.report.table import Table

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
) -> list[str]:
    """Writes what the records allow, each as PNG and PDF, in the folder `target`.

    Of the table, scatter and sweep-<key> for each number that varies; of each clip, comparison-<clip> and,
    with a follower, tracks-<clip>, with rows by the table's keys except those `unwanted`; many rows are several pages,
    and a clip that was cut in several ways has figures of each.

    Returns: the names of the files.

    Raises:
        InputError: a file can't be written.
    """
    written = [name for stem, figure in _plots(table) for name in save(target / stem, figure)]
    keys = [key for key in table.keys if key not in _UNPICTURED | unwanted and not tells_references(key)]
    sets = _by_reference(table, records)
    for k, (stem, (clip, members)) in enumerate(sets.items(), start=1):
        rows = choose(members, clip, keys)
        written += _save_pages(target / f"comparison-{stem}", rows, comparison)
        if follower:
            first = [rows[0], *(row for row in rows[1:] if row.prompt == rows[1].prompt)]
            written += _save_pages(target / f"tracks-{stem}", first, partial(overlay, tracker=follower))
        log.info("pictures of %s (%d of %d)", stem, k, len(sets))
    return written


def _save_pages(path: Path, rows: Sequence[Shown], draw: Callable[[Sequence[Shown]], Figure]) -> list[str]:
    """The figure, or of many rows its pages, of which the first has the plain name."""
    names = (path if number == 1 else path.with_name(f"{path.name}-page{number}") for number in count(1))
    return [name for page, stem in zip(pages(rows), names, strict=False) for name in save(stem, draw(page))]


def _by_reference(table: Table, records: Sequence[Record]) -> dict[str, tuple[str, list[Record]]]:
    """By what files are called, each clip with its records, and those of its cuts apart if there are several."""
    cuts = [key for key in table.keys if tells_references(key)]
    found: dict[str, tuple[str, list[Record]]] = {}
    for clip in sorted({record.clip for record in records if not record.is_bound}):
        members = [record for record in records if record.clip == clip and not record.is_bound]
        groups = grouped(members, cuts)
        for number, (cut, own) in enumerate(groups.items(), start=1):
            told = re.sub(r"[^\w.]+", "-", name(cuts, cut))[:_SHORT].strip("-") or str(number)
            stem = f"{clip}-{told}" if len(groups) > 1 else clip
            found[stem if stem not in found else f"{stem}-{number}"] = (clip, own)
    return found


def _plots(table: Table) -> Iterator[tuple[str, Figure]]:
    if plotted := scatter(table, *AXES):
        yield "scatter", plotted
    for key in swept(table):
        yield f"sweep-{key}", sweep(table, key)
