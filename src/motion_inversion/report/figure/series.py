"""Owns how a row is known in every figure and on the page: its name, its colour, its marker."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from motion_inversion.report.group import Values
from motion_inversion.report.table import Row, Table
from motion_inversion.storage.names import FROZEN, SOURCE, UNRELATED

# Okabe and Ito's palette (Color Universal Design, 2008) without black and the yellow that fades on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NEUTRAL = "#7A7F87"
MARKERS = "osD^v"  # another for each round through the palette


_PLAIN = {FROZEN: "no customisation", SOURCE: "source itself", UNRELATED: "unrelated clip"}


def name(keys: Sequence[str], values: Values) -> str:
    """Short and for people: `no customisation`, or `motion inversion, loss vmc`; a dash, as in tables, for no value."""
    words = []
    for key, value in zip(keys, values, strict=True):
        if key == "method":
            words.append(_PLAIN.get(value or "", str(value).replace("_", " ")))
        elif value is not None:
            words.append(value if key == "motion" else f"{key.rpartition('.')[2]} {value}".replace("_", " "))
    return ", ".join(words) or "–"


def names(keys: Sequence[str], rows: Sequence[Values]) -> list[str]:
    """The name of each row, without what all rows share that are no yardsticks, unless these differ in the rest."""
    own = [values for values in rows if not is_yardstick(keys, values)]
    telling = [k for k in range(len(keys)) if len({values[k] for values in own}) > 1]
    others = [values for values in rows if values not in own]
    if not telling or any(values[k] for values in others for k in telling if keys[k] != "method"):
        return [name(keys, values) for values in rows]
    short = [keys[k] for k in telling]
    return [name(short, tuple(values[k] for k in telling)) if values in own else name(keys, values) for values in rows]


def is_yardstick(keys: Sequence[str], values: Values) -> bool:
    """Whether these are a row to measure by: the frozen model, or reference clips."""
    return any(key == "method" and value in _PLAIN for key, value in zip(keys, values, strict=True))


@dataclass(frozen=True)
class Look:
    """How a row of a table appears: words, colour, marker."""

    name: str
    colour: str
    marker: str


def looks(keys: Sequence[str], rows: Sequence[Values]) -> list[Look]:
    """The look of each row: of yardsticks grey with a cross, of others the palette in turn, then the next marker."""
    own = dict.fromkeys(values for values in rows if not is_yardstick(keys, values))
    known = {values: Look("", PALETTE[k % len(PALETTE)], _marker(k)) for k, values in enumerate(own)}
    plain = [known.get(values, Look("", NEUTRAL, "X")) for values in rows]
    return [replace(look, name=words) for look, words in zip(plain, names(keys, rows), strict=True)]


def table_looks(table: Table) -> list[Look]:
    """The look of each row of a table. Rows that bound the others are grey; what is published says so."""
    own = [row.values for row in table.rows if row.kind == "sample"]
    known = dict(zip(own, looks(table.keys, own), strict=True))
    return [known[row.values] if row.kind == "sample" else _strange(row) for row in table.rows]


def _strange(row: Row) -> Look:
    first = row.values[0] or ""
    words = f"{first} (published)" if row.kind == "published" else _PLAIN.get(first, first)
    return Look(words, NEUTRAL, "d")


def _marker(number: int) -> str:
    return MARKERS[number // len(PALETTE) % len(MARKERS)]
