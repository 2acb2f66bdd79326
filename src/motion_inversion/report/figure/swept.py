"""Owns which keys of a table were swept as numbers."""

from motion_inversion.report.table import Table

_NO_SWEEP = {"seed", "training_seed", "prompt", "clip"}


def swept(table: Table) -> list[str]:
    """The keys of `table` that at least two rows have as different numbers; seeds are none of them."""
    found = []
    for place, key in enumerate(table.keys):
        values = {row.values[place] for row in table.rows if row.kind == "sample"} - {None}
        if key not in _NO_SWEEP and len(values) > 1 and all(number(value) is not None for value in values):
            found.append(key)
    return found


def number(value: str | None) -> float | None:
    """The number that a value is; None if it is none."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
