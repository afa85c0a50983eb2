"""Numbers for people: integers exact, all else rounded, with SI prefixes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kcsim.report.table import Column, Table

NOTHING = "–"
"""What stands where a table has no value."""

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}
_WRITTEN_OUT_BELOW = 10_000


def heading(column: Column) -> str:
    """The heading of a column; with the unit, where the cells do not carry it."""
    in_cells = column.kind == "bits" or column.unit == "pJ"
    return f"{column.name} [{column.unit}]" if column.unit and not in_cells else column.name


def shown(value: Any, column: Column) -> str:
    """A value as people want to see it.

    Parameters
    ----------
    value : object
        ``None`` where there is none.
    column : Column
        Says what the value is.

    Examples
    --------
    >>> shown(42_600_000_000, Column("energy", "pJ", "energy"))
    '42.6 mJ'
    """
    if value is None:
        return NOTHING
    if column.kind == "text":
        return str(value)
    if column.kind == "energy" and column.unit == "pJ":
        return _with_prefix(value * 1e-12, "J")
    return _FORMATS[column.kind](value)


def shown_rows(table: Table) -> tuple[list[list[str]], list[list[str]]]:
    """The cells of a table and of its totals, which stay empty where they have no value.

    Parameters
    ----------
    table : Table
    """
    rows = [[shown(v, c) for v, c in zip(row, table.columns, strict=True)] for row in table.rows]
    footers = [
        ["" if v is None else shown(v, c) for v, c in zip(row, table.columns, strict=True)]
        for row in table.footers
    ]
    return rows, footers


def scale(largest: float) -> tuple[float, str]:
    """A power of 1000 and its prefix, such that `largest` becomes a number from 1 to 1000."""
    exponent = 0
    if largest > 0:
        # The text of the rounded number, so that 999.9 becomes 1.00 k and not 1000.
        exponent = int(f"{largest:.2e}".partition("e")[2]) // 3 * 3
        exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**exponent, _PREFIXES[exponent]


def _significant(value: float) -> str:
    """Three significant digits, written out."""
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):.2e}".partition("e")[2])
    return f"{value:.{max(0, 2 - exponent)}f}" if exponent > -4 else f"{value:.2e}"


def _with_prefix(value: float, unit: str = "") -> str:
    factor, prefix = scale(abs(value))
    return f"{_significant(value / factor)} {prefix}{unit}".rstrip()


def _count(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return _with_prefix(value) if abs(value) >= _WRITTEN_OUT_BELOW else _significant(value)


def _size(bits: float) -> str:
    size = bits / 8
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{_significant(size)} {unit}"
        size /= 1024
    return f"{_significant(size)} GiB"


_FORMATS: dict[str, Callable[[float], str]] = {
    "integer": _count,
    "number": _count,
    "energy": _count,
    "bits": _size,
    "ratio": lambda value: f"{value:.2f}" if 0.1 <= value < 100 else _count(value),
    "share": lambda value: f"{100 * value:.1f} %",
}
