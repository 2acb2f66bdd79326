"""Owns what the page knows: records and tables as plain data, the one seam between them and the scripts."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from motion_inversion.report.cost import CostTable
from motion_inversion.report.estimate import Estimate
from motion_inversion.report.figure.series import is_yardstick, looks, name, table_looks
from motion_inversion.report.format import cost_lines
from motion_inversion.report.group import reference_keys, row_keys, values
from motion_inversion.report.page.media import Medium
from motion_inversion.report.record import Record
from motion_inversion.report.table import Cell, Table

Place = Callable[[Record], tuple[Medium, Medium]]  # a record's own clip and its reference
_OWN = {"clip", "motion", "prompt", "seed"}


class _Pool:
    """Distinct values by number, so that what many records share is there once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    @property
    def keys(self) -> list[Any]:
        return list(self._numbers)

    def add(self, value: Any, key: Hashable) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def payload(
    title: str,
    records: Sequence[Record],
    tables: Mapping[str, Table],
    place: Place,
    faults: Sequence[str] = (),
    files: Sequence[str] = (),
    cost: CostTable | None = None,
) -> dict[str, Any]:
    """Everything that `data.js` holds, ready for JSON: NaN is null, what records share is there once.

    A record's `variant` is what tells it from others of its clip, prompt and seed: the settings that vary. Its `cut`
    tells its reference from others of the clip, if there are any.
    """
    shown = [record for record in records if not record.is_bound]
    varied = row_keys(shown) if shown else ()
    cuts = reference_keys(shown, varied)
    keys = [key for key in varied if key not in (*_OWN, *cuts)]
    groups = list(dict.fromkeys(values(record, keys) for record in shown))
    groups.sort(key=lambda group: not is_yardstick(keys, group))
    metrics = _metrics(tables)
    # The first table has every column, so that these are in the order of the metrics.
    scores = next(iter(tables.values())).shown(shown) if tables else []
    used = {key for table in tables.values() for key in table.keys}
    pools = {name: _Pool() for name in ("media", "config", "environment")}
    return {
        "title": title,
        "metrics": metrics.values,
        "tables": [_table(name, table, metrics) for name, table in tables.items()],
        "variants": [{"name": look.name or "all", "colour": look.colour} for look in looks(keys, groups)],
        "records": [
            {
                **_record(record, place(record), pools, used),
                "id": _identity(record, bool(cuts)),
                "cut": name(cuts, values(record, cuts)),
                "variant": groups.index(values(record, keys)),
                "scores": [_number(column.get(record)) for column in scores],
                "measured": _measured(record, metrics),
            }
            for record in shown
        ],
        **{name: pool.values for name, pool in pools.items()},
        "faults": list(faults),
        "files": list(files),
        "cost": {"lines": cost_lines(cost), "keys": len(cost.keys), "note": cost.note} if cost else None,
    }


def _identity(record: Record, cut: bool) -> str:
    """Unlike that of any other record; a sample that is scored beside several cuts of a clip is several records."""
    place = f"{record.clip}/{record.video.parent.name}"
    return f"{place}/{record.reference.parent.name}" if cut else place


def _metrics(tables: Mapping[str, Table]) -> _Pool:
    metrics = _Pool()
    for column in (column for table in tables.values() for column in table.columns):
        known = {
            "title": column.heading,
            "name": column.title,
            "version": column.version,
            "better": {None: 0, True: 1, False: -1}[column.higher_is_better],
        }
        metrics.add(known, (column.name, column.version))
    return metrics


def _measured(record: Record, metrics: _Pool) -> list[float | None]:
    """What the record itself holds, where a column shows the difference to the frozen model."""
    return [_number(record.value(*key)) for key in metrics.keys]


def _record(record: Record, media: tuple[Medium, Medium], pools: Mapping[str, _Pool], used: set[str]) -> dict[str, Any]:
    video, reference = (pools["media"].add(asdict(medium), medium) for medium in media)
    shared = {
        name: pools[name].add(content, json.dumps(content, sort_keys=True))
        for name, content in (("config", dict(record.config)), ("environment", dict(record.environment)))
    }
    return {
        **{key: getattr(record, key) for key in ("clip", "motion", "prompt", "source_prompt", "seed", "method")},
        "axes": dict(record.axes),
        "checksums": dict(record.checksums),
        "cost": {key: cost for key, cost in record.cost.items() if cost},
        "git": record.git,
        "missing": record.missing,
        "settings": {key: value for key, value in record.settings.items() if key in used},
        "path": str(record.path),
        "video": video,
        "reference": reference,
        **shared,
    }


def _table(title: str, table: Table, metrics: _Pool) -> dict[str, Any]:
    best = [table.best(k) for k in range(len(table.columns))]
    return {
        "title": title,
        "keys": list(table.keys),
        "columns": [metrics.add(None, (column.name, column.version)) for column in table.columns],
        "notes": list(table.notes),
        "baseline": " ".join(table.baseline),
        "rows": [
            {
                "name": look.name,
                "colour": look.colour,
                "kind": row.kind,
                "values": list(row.values),
                "samples": row.samples,
                "clips": row.clips,
                "cells": [{**_cell(cell), "best": n in best[k]} for k, cell in enumerate(row.cells)],
            }
            for n, (row, look) in enumerate(zip(table.rows, table_looks(table), strict=True))
        ],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    difference = _estimate(cell.difference) if cell.difference else None
    return {**_estimate(cell.score), "difference": difference, "p": _number(cell.p), "least": cell.p_is_least}


def _estimate(estimate: Estimate) -> dict[str, float | int | None]:
    return {key: _number(value) for key, value in asdict(estimate).items()}


def _number(value: float | int | None) -> float | int | None:
    return value if value is not None and isfinite(value) else None
