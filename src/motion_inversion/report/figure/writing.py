"""Owns which figures a report has, and what their files are called."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from motion_inversion.report.figure.choice import choose
from motion_inversion.report.figure.comparison import comparison
from motion_inversion.report.figure.overlay import Follower, overlay
from motion_inversion.report.figure.scatter import scatter
from motion_inversion.report.figure.style import save
from motion_inversion.report.figure.sweep import sweep, swept
from motion_inversion.report.record import Record
from motion_inversion.report.table import Table

log = logging.getLogger(__name__)

AXES = ("text_similarity", "motion_fidelity")
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
    with a follower, tracks-<clip>, with rows by the table's keys except those `unwanted`.

    Returns: the names of the files.

    Raises:
        InputError: a file can't be written.
    """
    written = [name for stem, figure in _plots(table) for name in save(target / stem, figure)]
    keys = [key for key in table.keys if key not in _UNPICTURED | unwanted]
    clips = sorted({record.clip for record in records if not record.is_bound})
    for k, clip in enumerate(clips, start=1):
        rows = choose(records, clip, keys)
        written += save(target / f"comparison-{clip}", comparison(rows))
        if follower:
            first = [rows[0], *(row for row in rows[1:] if row.prompt == rows[1].prompt)]
            written += save(target / f"tracks-{clip}", overlay(first, follower))
        log.info("pictures of %s (%d of %d)", clip, k, len(clips))
    return written


def _plots(table: Table) -> Iterator[tuple[str, Figure]]:
    if plotted := scatter(table, *AXES):
        yield "scatter", plotted
    for key in swept(table):
        yield f"sweep-{key}", sweep(table, key)
