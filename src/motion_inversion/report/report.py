"""Owns the report command: from a folder with scores to a table and pictures."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from motion_inversion.core.file import replacing
from motion_inversion.data.picture import save_png
from motion_inversion.report.collect import Record, collect
from motion_inversion.report.figure import comparison
from motion_inversion.report.format import to_csv, to_markdown, to_text
from motion_inversion.report.table import tabulate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """Tables and pictures of all scores below `source`, written to `target` (by default source/report).

    `rows` are the settings that tell the table's rows apart; none means all that vary.
    """

    source: Path
    target: Path | None = None
    rows: tuple[str, ...] = ()

    def run(self) -> None:
        """Print the table; write table.csv, table.md and comparison-<clip>.png for each clip.

        Each file is replaced as a whole, so that an interrupted report is simply repeated.

        Raises:
            InputError: no scores, a key in `rows` that no record has, or a target that can't be written.
        """
        target = self.target or self.source / "report"
        collection = collect(self.source)
        table = tabulate(collection.records, self.rows)
        if collection.faults:
            unusable = f"score files left out or contradicting others: {len(collection.faults)}; the log names them"
            table = replace(table, notes=(*table.notes, unusable))
        _print(to_text(table))
        _write(target / "table.csv", to_csv(table))
        _write(target / "table.md", to_markdown(table))
        self._picture(collection.records, table.keys, target)
        log.info("wrote the report to %s", target)

    def _picture(self, records: Sequence[Record], keys: Sequence[str], target: Path) -> None:
        # Rows are already told apart by prompt, and of varying noises one is enough unless asked for.
        unwanted = {"clip", "motion", "prompt", "seed", *({"noise"} - set(self.rows))}
        shown = [key for key in keys if key not in unwanted]
        clips = sorted({record.clip for record in records})
        for k, clip in enumerate(clips, start=1):
            path = target / f"comparison-{clip}.png"
            save_png(path, comparison(records, clip, shown))
            log.info("%s (%d of %d)", path, k, len(clips))


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"  # a terminal without arrows gets question marks
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
