"""Owns the copy of a report in Weights & Biases: records, tables and clips; the report's files are the original."""

import csv
import hashlib
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from motion_inversion.report.cost import CostTable
from motion_inversion.report.format import COST, cost_to_csv, part, to_csv
from motion_inversion.report.record import Record
from motion_inversion.report.table import Table
from motion_inversion.storage.login import require_login
from motion_inversion.storage.names import RECORDS

_OWN = ("method", "clip", "motion", "prompt", "seed")


@dataclass(frozen=True)
class WandbMirror:
    """Where the copy goes.

    Args:
        mode: `offline` keeps the run in a folder `wandb` beside the report, to be sent later with `wandb sync`;
            `online` sends it at once.
        project, entity: As Weights & Biases calls them.
    """

    mode: Literal["disabled", "offline", "online"] = "disabled"
    project: str = "motion-inversion"
    entity: str | None = None

    def require(self) -> None:
        """Raises InputError if the copy is to be sent at once and there is no key to log in with."""
        require_login(
            self.mode != "online", "wandb.mode=offline of the report (report.wandb.mode=offline of an experiment)"
        )

    def mirror(
        self, records: Sequence[Record], tables: Sequence[Table], target: Path, cost: CostTable | None = None
    ) -> None:
        """Copies the report in `target`; a repeated, unchanged report is the same run again.

        The run logs `table/<part>` for each table, `table/cost`, `records`, a line per record, and `clips/<clip>`,
        what was generated from it; its files hold a copy of the file of records, and its summary the means of the
        first table. All of that lies in the run's folder, which can be moved.
        """
        if self.mode == "disabled":
            return
        import wandb  # takes a second, which no other report should wait for

        file = target / RECORDS
        with wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            dir=target,
            id=hashlib.sha256(file.read_bytes()).hexdigest()[:16],
            resume="allow",
            name=target.absolute().parent.name,
            group=target.absolute().parent.name,
            job_type="report",
            settings=wandb.Settings(silent=True, console="off"),
        ) as run:
            shown = {
                f"table/{part(table)}": wandb.Table(*_numbers(to_csv([table]), 2 + len(table.keys))) for table in tables
            }
            if cost:
                shown[f"table/{COST}"] = wandb.Table(*_numbers(cost_to_csv(cost), len(cost.keys)))
            clips = {f"clips/{name}": made for name, made in _clips(records, wandb.Video).items()}
            run.log({**shown, **clips, "records": wandb.Table(*_lines(records))})
            run.summary.update(_means(tables[0]))
            shutil.copy(file, run.dir)
        self._settings(records, target)

    def _settings(self, records: Sequence[Record], target: Path) -> None:
        """A run of job type `score` for each combination of method and axes: these as its configuration, the means of
        its scores as its summary, in the report's group."""
        import wandb

        cells: dict[tuple[tuple[str, str], ...], list[Record]] = {}
        for record in records:
            if not record.is_bound and not record.missing:
                cells.setdefault((("method", record.method), *sorted(record.axes.items())), []).append(record)
        group = target.absolute().parent.name
        for config, members in cells.items():
            with wandb.init(
                project=self.project,
                entity=self.entity,
                mode=self.mode,
                dir=target,
                id=hashlib.sha256(repr((group, config)).encode()).hexdigest()[:16],
                resume="allow",
                name=" ".join(value for _, value in config),
                group=group,
                job_type="score",
                config=dict(config),
                settings=wandb.Settings(silent=True, console="off"),
            ) as run:
                run.summary.update(_averages(members))


def _numbers(text: str, texts: int) -> tuple[list[Any], list[Any]]:
    """The columns of a table as CSV, and its lines, of which the first `texts` columns are words."""
    columns, *lines = csv.reader(io.StringIO(text))
    return columns, [[*line[:texts], *(_number(word) for word in line[texts:])] for line in lines]


def _number(word: str) -> str | float | None:
    try:
        return float(word)
    except ValueError:
        return word or None


def _lines(records: Sequence[Record]) -> tuple[list[Any], list[Any]]:
    """Columns, and a line per record: what it is, its axes and its scores."""
    axes = list(dict.fromkeys(axis for record in records for axis in record.axes if axis not in _OWN))
    scores = list(dict.fromkeys((score.name, score.version) for record in records for score in record.metrics))
    names = [name for name, _ in scores]
    titles = [name if names.count(name) == 1 else f"{name} {version}" for name, version in scores]
    lines = [
        [
            *(record.settings[key] for key in _OWN),
            *(record.axes.get(axis) for axis in axes),
            *(None if isnan(value := record.value(*score)) else value for score in scores),
            record.missing or None,
        ]
        for record in records
    ]
    return [*_OWN, *axes, *titles, "missing"], lines


def _clips(records: Sequence[Record], video: Callable[..., Any]) -> dict[str, list[Any]]:
    """By the name of the reference clip, what was generated from it, as far as there is a file to be played."""
    found: dict[str, list[Any]] = {}
    for record in records:
        view = record.video.with_suffix(".mp4")
        if view.is_file():
            settings = (record.method, *record.axes.values(), record.prompt, f"seed {record.seed}")
            found.setdefault(record.clip, []).append(video(str(view), caption=" · ".join(settings), format="mp4"))
    return found


def _averages(records: Sequence[Record]) -> dict[str, float]:
    """By metric, the mean of the scores of one version that there are."""
    names = dict.fromkeys((score.name, score.version) for record in records for score in record.metrics)
    found = {name: [record.value(*name) for record in records] for name in names}
    known = {name[0]: [value for value in values if not isnan(value)] for name, values in found.items()}
    return {name: fmean(values) for name, values in known.items() if values}


def _means(table: Table) -> dict[str, float]:
    return {
        f"{' '.join(filter(None, row.values))}/{column.heading}": cell.score.mean
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if not isnan(cell.score.mean)
    }
