"""From which value of a parameter on one way is better than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.exploration.answers import column_of, feasible, follows, independent, values_of

if TYPE_CHECKING:
    import pandas as pd

_SAME = 1e-9
"""By this share, figures are equal: optima are proved to it."""
DENSE, DECODE = "dense", "decode"


def break_even(
    frame: pd.DataFrame,
    along: str,
    column: str,
    first: Any,
    second: Any,
    of: str = "energy",
) -> pd.DataFrame:
    """From which value of a parameter on one way is better than another.

    A way that a parameter means nothing to, as entries to dense weights, is the same at all of its
    values.

    Parameters
    ----------
    frame : pandas.DataFrame
    along : str
        The parameter, as ``clusters`` or ``levels.buffer.capacity``.
    column : str
        What tells the two ways apart, as ``execution``.
    first, second : object
        Its values, as ``decode`` and ``share_products``; ``None`` for none.
    of : str
        What is compared: less is better.

    Returns
    -------
    pandas.DataFrame
        A row for each combination of all other inputs that vary: those; ``better``, ``first``,
        ``second``, ``neither`` or ``changes``; ``from``, the least value from which on the second
        way is never worse, and ``up_to``, the largest up to which it is not (NaN if there is none);
        ``crossing``, where the two meet, on a line between points in logarithms (NaN if they do
        not, or meet several times); ``least_ratio`` and ``largest_ratio``, of the second over the
        first.

    Raises
    ------
    InputError
        If a column is unknown, or there are no points to compare.
    """
    import pandas as pd

    kept = feasible(frame)
    along, column, of = (column_of(kept, name) for name in (along, column, of))
    parts = [
        kept[kept[column].isna() if value is None else kept[column] == value]
        for value in (first, second)
    ]
    others = _others(kept, along, column)
    parts = [
        _at_all_values(parts[0], parts[1], (along, *others)),
        _at_all_values(parts[1], parts[0], (along, *others)),
    ]
    groups = [_by_others(part, others) for part in parts]
    rows = []
    for key in dict.fromkeys([*groups[0], *groups[1]]):
        if key not in groups[0] or key not in groups[1]:
            continue
        pair = [group[key].groupby(along)[of].min() for group in groups]
        both = pair[0].index.intersection(pair[1].index).sort_values()
        if not len(both):
            continue
        values = np.asarray(both, np.float64)
        ratio = (pair[1][both] / pair[0][both]).to_numpy(np.float64)
        known = ratio[np.isfinite(ratio)]
        if len(known):
            found = _crossing(values[np.isfinite(ratio)], known)
            rows.append(dict(zip(others, key, strict=True)) | found)
    if not rows:
        known_ways = ", ".join("none" if v is None else str(v) for v in values_of(kept, column))
        both_named = " and ".join("none" if v is None else f"'{v}'" for v in (first, second))
        problem = f"no '{along}' has points for both {both_named}"
        raise InputError(Problem(problem, f"of {known_ways}"))
    return pd.DataFrame(rows)


def ways_to_compare(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The executions of points, in pairs: decoded against dense, all others against decoded.

    Raises
    ------
    InputError
        If there are no two.
    """
    known = values_of(feasible(frame), "execution")
    pairs = [(DENSE, DECODE)] if DENSE in known else []
    pairs += [(DECODE, way) for way in known if way not in (DENSE, DECODE, None)]
    if DECODE not in known or not pairs:
        problem = "there is nothing to compare: no two executions"
        raise InputError(Problem(problem, "--between COLUMN=A,B"))
    return pairs


def _others(frame: pd.DataFrame, along: str, column: str) -> list[str]:
    """Inputs that vary beside a parameter and what tells ways apart."""
    return [
        name
        for name in independent(frame)
        if name not in (along, column)
        and not (_means_the_same(frame, name, along) or follows(frame, name, column))
    ]


def _means_the_same(frame: pd.DataFrame, name: str, along: str) -> bool:
    """Whether a column follows from a parameter, where there is one."""
    return follows(frame[frame[along].notna()], name, along)


def _at_all_values(part: pd.DataFrame, other: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """A way at all values of what it has no value of, as entries of dense weights."""
    missing = [name for name in columns if part[name].isna().all() and other[name].notna().any()]
    if not missing:
        return part
    values = other[missing].drop_duplicates()
    return part.drop(columns=missing).merge(values, how="cross")


def _by_others(part: pd.DataFrame, others: Sequence[str]) -> dict[tuple[Any, ...], pd.DataFrame]:
    if not others:
        return {(): part}
    found = {}
    for key, group in part.groupby(list(others), dropna=False, sort=False):
        names = key if isinstance(key, tuple) else (key,)
        # Missing values are not equal to each other.
        found[tuple(None if each != each else each for each in names)] = group
    return found


def _crossing(values: np.ndarray, ratio: np.ndarray) -> dict[str, Any]:
    """Where a ratio falls below 1 for good."""
    is_better, is_worse = ratio < 1 - _SAME, ratio > 1 + _SAME
    better = "second" if is_better.all() else "first" if not is_better.any() else "changes"
    better = better if is_better.any() or is_worse.any() else "neither"
    worse = np.flatnonzero(is_worse)
    start = worse[-1] + 1 if len(worse) else 0
    end = worse[0] - 1 if len(worse) else len(values) - 1
    changes = np.flatnonzero(is_better[1:] != is_better[:-1])
    crossing = math.nan
    if len(changes) == 1 and (values > 0).all():
        i = int(changes[0])
        (x0, x1), (y0, y1) = np.log(values[i : i + 2]), np.log(ratio[i : i + 2])
        crossing = math.exp(x0 - y0 * (x1 - x0) / (y1 - y0))
    return {
        "better": better,
        "from": float(values[start]) if start < len(values) else math.nan,
        "up_to": float(values[end]) if end >= 0 else math.nan,
        "crossing": crossing,
        "least_ratio": float(ratio.min()),
        "largest_ratio": float(ratio.max()),
    }
