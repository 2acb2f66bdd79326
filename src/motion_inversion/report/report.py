"""Owns the report command: from scores to tables, figures and a page."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, MinLen

from motion_inversion.machine import idle_cores
from motion_inversion.report.collect import Collection, collect
from motion_inversion.report.cost import costs
from motion_inversion.report.figure.follower import Follower
from motion_inversion.report.figure.writing import write_figures
from motion_inversion.report.format import cost_to_csv, part, to_csv, to_markdown
from motion_inversion.report.latex import Layout, to_latex
from motion_inversion.report.mirror import WandbMirror
from motion_inversion.report.note import notes
from motion_inversion.report.page.page import write_page
from motion_inversion.report.record import lines
from motion_inversion.report.table import Table, by_motion, tabulate, with_published
from motion_inversion.report.terminal import brief, printed, show
from motion_inversion.storage.file import replacing
from motion_inversion.storage.names import FROZEN, RECORDS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """Tables, figures and a page of all scores in `source`, written to `target`.

    Args:
        source: Folders with results, files of records, or several of these, which are merged.
        target: By default, the folder report in the first source, or beside it if that is a file.
        rows: The settings that tell the table's rows apart; none means all that vary.
        columns: The metrics that tables show, in this order; none means all.
        layout: How wide the table in LaTeX is: "table" fits a page, "compact" one of two columns.
        baseline: Words of the row that the others are tested against (see `partners`).
        published: Whether the numbers that the paper prints stand below ours.
        follower: What draws trajectories over frames; none, and there are no such figures.
        threads: Processes that draw figures; 0 takes as many as there are idle cores.
        wandb: Where a copy goes.
    """

    source: Path | Annotated[tuple[Path, ...], MinLen(1)]
    target: Path | None = None
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    layout: Layout = "table"
    baseline: tuple[str, ...] = (FROZEN,)
    published: bool = False
    follower: Follower | None = None
    threads: Annotated[int, Ge(0)] = 0
    wandb: WandbMirror = WandbMirror()

    def run(self) -> None:
        """Print the table; write records.jsonl, table.csv, cost.csv, table.md, table.tex, figures and the page.

        Each file is replaced as a whole, so that an interrupted report is simply repeated.

        Raises:
            InputError: no scores, a key in `rows` or a metric in `columns` that no record has, a baseline that no row
                is, or a target that can't be written.
        """
        sources, target = self._places()
        found = collect(*sources)
        for fault in found.faults:
            log.warning("%s", fault)
        tables = self._tables(found)
        cost = costs(found.records, tables[0].keys)
        every = [*found.records, *found.bounds]
        sys.stdout.write(printed(lambda console: show(tables[0], console)))
        if len(tables[0].keys) > 1:  # or that table is the means by its only key
            sys.stdout.write(f"\n{printed(lambda console: brief(tables[0], found.records, console))}")
        _write(target / RECORDS, "".join(f"{line}\n" for record in every for line in lines(record, target)))
        _write(target / "table.csv", to_csv(tables))
        _write(target / "table.md", to_markdown(tables, cost))
        _write(target / "table.tex", to_latex(tables, cost, self.layout))
        if cost:
            _write(target / "cost.csv", cost_to_csv(cost))
        # Of varying noises one is pictured, unless they are asked for.
        unwanted = frozenset({"noise"} - set(self.rows))
        processes = self.threads or idle_cores()
        figures = write_figures(found.records, tables[0], target, self.follower, unwanted, processes)
        files = [RECORDS, "table.csv", "table.md", "table.tex", *(["cost.csv"] if cost else []), *figures]
        title = ", ".join(source.stem for source in sources)
        page = write_page(every, {part(table): table for table in tables}, target, title, files, found.faults, cost)
        self.wandb.mirror(every, tables, target, cost)
        log.info("wrote the report to %s", page)

    def _places(self) -> tuple[tuple[Path, ...], Path]:
        sources = (self.source,) if isinstance(self.source, Path) else self.source
        beside = sources[0].parent if sources[0].is_file() else sources[0]
        return sources, self.target or beside / "report"

    def _tables(self, found: Collection) -> Sequence[Table]:
        """The table of all records, then that of each motion type."""
        table = tabulate(found.records, self.rows, found.bounds, self.baseline, self.columns)
        parts = by_motion(table, found.records, found.bounds)
        whole = with_published(table) if self.published else table
        faults = len(found.faults)
        unusable = f"score files left out or contradicting others: {faults}; the log names them"
        said = (*notes(whole, found.records), *([unusable] if faults else []))
        return [replace(whole, notes=said), *parts]


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
