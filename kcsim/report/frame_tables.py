"""Frames of an exploration as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kcsim.exploration import answers
from kcsim.exploration.answers import column_of, unit_of_column
from kcsim.fields import FIELDS
from kcsim.report.quantities import in_words
from kcsim.report.table import Column, Table, column

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("energy", "cycles", "edp", "area_mm2", "weights_bits", "utilization")
"""Figures that a table of points has, where they are known."""


def points_table(
    frame: pd.DataFrame, title: str, figures: Sequence[str] = (), notes: Sequence[str] = ()
) -> Table:
    """Points with the inputs in which they differ from others, and some figures.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `Exploration.points`, or rows of one.
    title : str
    figures : sequence of str
        Columns to show first; those of `SHOWN` follow where they may be left out.
    notes : sequence of str
    """
    wanted = [column_of(frame, name) for name in figures]
    known = [name for name in SHOWN if name in frame.columns and frame[name].notna().any()]
    inputs = frame.attrs.get("varied") or answers.independent(frame)
    names = list(dict.fromkeys([*inputs, *wanted, *known]))
    columns = [_column(frame, name, name not in (*inputs, *wanted)) for name in names]
    return Table(title, tuple(columns), _rows(frame, names), notes=tuple(notes))


def plain_table(frame: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> Table:
    """All columns of a small frame, as of a sensitivity."""
    names = list(map(str, frame.columns))
    columns = [_column(frame, name, False) for name in names]
    return Table(title, tuple(columns), _rows(frame, names), notes=tuple(notes))


_KINDS: dict[str, Any] = {
    "first_order": "share", "total_order": "share", "swing": "ratio", "least_ratio": "ratio",
    "largest_ratio": "ratio", "values": "integer", "crossing": "number", "from": "number",
    "up_to": "number",
}  # fmt: skip


def _column(frame: pd.DataFrame, name: str, optional: bool) -> Column:
    unit = unit_of_column(frame, name)
    if name in FIELDS and unit == "%":
        return Column(FIELDS[name].heading, unit, "number", optional, name)
    if name in FIELDS:
        return column(name, unit=unit, optional=optional)
    is_text = any(isinstance(value, str) for value in frame[name].dropna())
    kind = _KINDS.get(name, "text" if is_text else "number")
    return Column(in_words(name), unit, kind, optional, name)


def _rows(frame: pd.DataFrame, names: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    columns = [
        [_plain(value, name not in FIELDS) for value in frame[name].tolist()] for name in names
    ]
    return tuple(zip(*columns, strict=True))


def _plain(value: Any, may_be_whole: bool) -> Any:
    if value is None or value != value:
        return None
    is_whole = may_be_whole and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value
