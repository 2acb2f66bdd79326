"""Owns the table of costs: what fitting and sampling took, by the same rows as the table of scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from motion_inversion.report.group import Values, grouped
from motion_inversion.report.record import Record

_MIB = 2**20


@dataclass(frozen=True)
class Quantity:
    """A column: a number of the records' `cost`, in units of `unit`."""

    title: str
    stage: Literal["training", "sampling"]
    key: str
    unit: int = 1


QUANTITIES = (
    Quantity("trained parameters", "training", "parameters"),
    Quantity("fit (s)", "training", "seconds"),
    Quantity("fit memory (MiB)", "training", "memory"),
    Quantity("state (MiB)", "training", "size", _MIB),
    Quantity("sampling (s per clip)", "sampling", "seconds"),
    Quantity("sampling memory (MiB)", "sampling", "memory"),
)


@dataclass(frozen=True)
class Spread:
    """The mean of several costs, the least and the most of them."""

    mean: float
    least: float
    most: float


@dataclass(frozen=True)
class CostRow:
    """What the samples of a row took, by quantity; None where nothing is known, or there is nothing to fit."""

    values: Values
    cells: tuple[Spread | None, ...]


@dataclass(frozen=True)
class CostTable:
    """Rows by the values of `keys`, a column for each of `QUANTITIES`."""

    keys: tuple[str, ...]
    rows: tuple[CostRow, ...]
    note: str


def costs(records: Sequence[Record], keys: Sequence[str]) -> CostTable | None:
    """What the samples of `records` took, a row for each combination of the values of `keys`; None if none says."""
    rows = tuple(
        CostRow(values, tuple(_spread(members, quantity) for quantity in QUANTITIES))
        for values, members in grouped(records, keys).items()
    )
    if not any(cell for row in rows for cell in row.cells):
        return None
    return CostTable(tuple(keys), rows, _note(records))


def _spread(records: Sequence[Record], quantity: Quantity) -> Spread | None:
    found = [_number(cost.get(quantity.key)) for cost in _of(records, quantity.stage)]
    known = [number / quantity.unit for number in found if number is not None]
    return Spread(sum(known) / len(known), min(known), max(known)) if known else None


def _of(records: Sequence[Record], stage: str) -> list[Mapping[str, Any]]:
    """The costs of a stage; that of a training once, however many samples it serves."""
    costs = [(record.clip, cost) for record in records if (cost := record.cost.get(stage))]
    if stage == "training":
        return [*{(clip, json.dumps(cost, sort_keys=True)): cost for clip, cost in costs}.values()]
    return [cost for _, cost in costs]


def _note(records: Sequence[Record]) -> str:
    found = [cost for stage in dict.fromkeys(quantity.stage for quantity in QUANTITIES) for cost in _of(records, stage)]
    devices = dict.fromkeys(str(cost.get("device")) for cost in found)
    return (
        "cost: the mean over fits or samples, with the least and the most; memory is the peak of PyTorch's on a GPU, "
        f"else of the process; measured on {', '.join(devices)}"
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
