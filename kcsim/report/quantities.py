"""Columns of points as quantities on an axis: numbers with a fitting prefix, and a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.exploration.answers import column_of, numbers_of, unit_of_column
from kcsim.fields import FIELDS
from kcsim.report.axes import verbatim
from kcsim.report.cells import scale

if TYPE_CHECKING:
    import pandas as pd

_SIZES = ((8 * 2**20, "MiB"), (8 * 2**10, "KiB"), (8, "B"))
_WRITTEN = {"mm2": "mm²"}
_LEAST_FACTOR = 1e4
"""Plain numbers up to this are written out."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """A column on an axis.

    Attributes
    ----------
    column : str
    values : ndarray of float64, [rows]
        In `unit`; NaN where there is none.
    name, unit : str
    """

    column: str
    values: np.ndarray
    name: str
    unit: str

    @property
    def label(self) -> str:
        """Name and unit, for an axis."""
        return verbatim(f"{self.name} [{self.unit}]" if self.unit else self.name)

    @property
    def is_wide(self) -> bool:
        """Whether the values need a scale of ratios."""
        known = self.values[np.isfinite(self.values)]
        return len(known) > 1 and 0 < 20 * known.min() <= known.max()


def quantity(frame: pd.DataFrame, name: str) -> Quantity:
    """The quantity of a column.

    Raises
    ------
    InputError
        If there is no such column, or it has texts.
    """
    column = column_of(frame, name)
    values, unit = numbers_of(frame, column), unit_of_column(frame, column)
    words = in_words(column)
    known = values[np.isfinite(values)]
    largest = float(np.abs(known).max()) if len(known) else 0.0
    if unit == "pJ":
        factor, prefix = scale(largest * 1e-12)
        return Quantity(column, values * (1e-12 / factor), words, f"{prefix}J")
    if column == "edp":
        unit = unit_of_column(frame, "energy")
        base, unit = (1e-12, "J") if unit == "pJ" else (1.0, unit)
        factor, prefix = scale(largest * base)
        gap = "" if unit == "J" else " "
        return Quantity(column, values * (base / factor), words, f"{prefix}{gap}{unit} cycles")
    if unit == "bits":
        size, unit = next(
            (each for each in _SIZES if largest >= each[0]), _SIZES[-1]
        )  # fmt: skip
        return Quantity(column, values / size, words, unit)
    if unit in ("s", "W"):
        factor, prefix = scale(largest)
        return Quantity(column, values / factor, words, f"{prefix}{unit}")
    is_share = column in FIELDS and FIELDS[column].kind == "share"
    if is_share and unit != "%":
        return Quantity(column, values * 100, words, "%")
    if largest >= _LEAST_FACTOR and column in FIELDS:
        factor, prefix = scale(largest)
        return Quantity(column, values / factor, words, f"{prefix} {unit}".strip())
    return Quantity(column, values, words, _WRITTEN.get(unit, unit))


def valued(value: Any, unit: str) -> str:
    """One value with its unit; capacities in that in which they are written.

    Examples
    --------
    >>> valued(0.125, "KiB")
    '128 B'
    """
    if value is None or value != value:
        return "none"
    if unit == "KiB" and 0 < value < 1:
        value, unit = value * 1024, "B"
    if unit == "KiB" and value >= 1024:
        value, unit = value / 1024, "MiB"
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{shown} {unit}".rstrip()


def in_words(column: str) -> str:
    """A column for people: ``levels.buffer.capacity`` is the capacity of the buffer."""
    if column in FIELDS:
        return FIELDS[column].heading
    if column.startswith("energy_of_"):
        return f"energy of {column.removeprefix('energy_of_')}"
    if column.startswith("levels."):
        return (
            column.removeprefix("levels.").replace(".", " ").replace("_kib", "").replace("_", " ")
        )
    return column.replace("_", " ").replace(".", " ")
