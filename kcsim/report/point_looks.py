"""How points are told apart in plots: values of columns, in their order, as texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.exploration import answers
from kcsim.exploration.answers import column_of
from kcsim.report.axes import in_words as run_in_words
from kcsim.report.axes import verbatim
from kcsim.report.pictures import COLORS
from kcsim.report.quantities import in_words, valued

if TYPE_CHECKING:
    import pandas as pd

MOST_LOOKS = len(COLORS)
LETTER = 0.065
"""Width of a letter in inches, about."""
_SYMBOL = 5
"""Letters that the symbol beside an entry of a legend takes."""
_MANY = 3
"""Values by which it is seen how they grow."""


def is_scale(frame: pd.DataFrame, color: str) -> bool:
    """Whether a column needs a scale of colors."""
    name = column_of(frame, color)
    many = len(frame[name].drop_duplicates()) > MOST_LOOKS
    is_text = frame[name].dropna().map(lambda value: isinstance(value, str)).any()
    if many and is_text:
        raise InputError(
            Problem(f"'{color}' has more than {MOST_LOOKS} values", "a column with fewer")
        )
    return many


def looks_of(frame: pd.DataFrame, color: str) -> list[tuple[str, np.ndarray]]:
    """The values of a column as texts, and the rows with each."""
    name = column_of(frame, color)
    values = sorted_values(frame[name])
    if len(values) > MOST_LOOKS:
        raise InputError(
            Problem(f"'{color}' has {len(values)} values", f"at most {MOST_LOOKS} to tell apart")
        )
    unit = answers.unit_of_column(frame, name)
    return [
        (
            verbatim(run_in_words(valued(value, unit))),
            (frame[name].isna() if value is None else frame[name] == value).to_numpy(np.bool_),
        )
        for value in values
    ]


def sorted_values(column: pd.Series[Any]) -> list[Any]:
    """Distinct values in order; ``None``, where there are missing ones, first."""
    known = column.dropna().drop_duplicates().tolist()
    missing = [None] if column.isna().any() else []
    return [*missing, *sorted(known)]


def index_of(values: list[Any], value: Any) -> int:
    """The position of a value, or of the missing one."""
    return values.index(None if value is None or value != value else value)


def short(value: Any) -> str:
    """A value for a legend or a tick."""
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def parameter_label(frame: pd.DataFrame, name: str) -> str:
    """The label of an axis whose ticks are values of a parameter."""
    unit = answers.unit_of_column(frame, name)
    return verbatim(f"{in_words(name)} [{unit}]" if unit else in_words(name))


def is_geometric(values: np.ndarray) -> bool:
    """Whether values grow by equal ratios."""
    if len(values) < _MANY or values[0] <= 0:
        return False
    ratios = values[1:] / values[:-1]
    return bool(ratios.max() <= 1.01 * ratios.min())


def side_by_side(names: Sequence[str], inches: float) -> int:
    """Entries of a legend that have room beside each other."""
    longest = max(map(len, names), default=0) + _SYMBOL
    return max(1, min(len(names), int(inches / (LETTER * longest))))


def least_along(
    places: np.ndarray, values: np.ndarray, every: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least value at each place; where there is no place, as of dense weights, at all."""
    if not np.isfinite(places).any() and np.isfinite(values).any() and np.isfinite(every).any():
        ends = np.array([np.nanmin(every), np.nanmax(every)])
        return ends, np.full(2, np.nanmin(values))
    known = np.isfinite(places) & np.isfinite(values)
    distinct = np.unique(places[known])
    least = [values[known][places[known] == place].min() for place in distinct]
    return distinct, np.array(least)
