"""What a table of points says: the front, what matters, and the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.accuracy import ALIASES
from kcsim.exploration.expressions import read_expression
from kcsim.exploration.frames import UNITS, unit_of

if TYPE_CHECKING:
    import pandas as pd

FIRST_RESULT = "hardware_hash"
"""Columns before this one are inputs."""
_FIXED = ("point", "kcsim_version", "evaluation_seconds")
_NOT_VARIED = ("scheme", "clusters")


def column_of(frame: pd.DataFrame, name: str) -> str:
    """The column that a user means: by its name, the end of its path, or an alias.

    Raises
    ------
    InputError
        If there is none, or several.
    """
    if name in frame.columns:
        return name
    if name in ALIASES and ALIASES[name] in frame.columns:
        return ALIASES[name]
    ends = [each for each in map(str, frame.columns) if each.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise InputError(Problem(f"'{name}' may be one of several", ", ".join(ends)))
    near = nearest(name, map(str, frame.columns))
    expected = "" if near else "one of " + ", ".join(map(str, frame.columns))
    raise InputError(Problem(f"there is no column '{name}'", expected, near))


def values_of(frame: pd.DataFrame, name: str) -> list[Any]:
    """The distinct values of a column, ``None`` for those that are missing."""
    return list(dict.fromkeys(_plain(frame[column_of(frame, name)])))


def numbers_of(frame: pd.DataFrame, name: str) -> np.ndarray:
    """The values of a column as numbers, NaN where there is none: float64[rows].

    Raises
    ------
    InputError
        If they are texts.
    """
    import pandas as pd

    column = frame[column_of(frame, name)]
    try:
        values: np.ndarray = pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise InputError(Problem(f"'{name}' has texts", "a column of numbers")) from None
    return values


def varied(frame: pd.DataFrame) -> list[str]:
    """Columns of inputs that have more than one value."""
    names = list(map(str, frame.columns))
    inputs = names[: names.index(FIRST_RESULT)] if FIRST_RESULT in names else names
    return [
        name
        for name in inputs
        if name not in (*_FIXED, *_NOT_VARIED) and len(frame[name].drop_duplicates()) > 1
    ]


def independent(frame: pd.DataFrame) -> list[str]:
    """Inputs that vary, but for those that follow from another one, as schemes from clusterings."""
    kept = varied(frame)
    for name in reversed(kept):
        if any(follows(frame, name, other) for other in kept if other != name):
            kept = [other for other in kept if other != name]
    return kept


def feasible(frame: pd.DataFrame) -> pd.DataFrame:
    """The points where something fits and all constraints hold."""
    kept = frame[frame["feasible"]] if "feasible" in frame.columns else frame
    if not len(kept):
        raise InputError("no point is feasible: nothing fits, or constraints do not hold")
    return kept


def front(
    frame: pd.DataFrame, minimize: Sequence[str] = (), maximize: Sequence[str] = ()
) -> pd.DataFrame:
    """The points that no other is at least as good as in all, and better in one (Pareto front).

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `Exploration.points`. Points that are not feasible, or have no value, are left out.
    minimize, maximize : sequence of str
        Columns.

    Returns
    -------
    pandas.DataFrame
        Sorted by the first column. Of points that are equal in all, each.

    Raises
    ------
    InputError
        If no column is given, or one is unknown or no number.
    """
    names = [minimize] if isinstance(minimize, str) else list(minimize)
    above = [maximize] if isinstance(maximize, str) else list(maximize)
    if not names and not above:
        raise InputError(Problem("a front needs columns", "minimize, as ['energy', 'area_mm2']"))
    kept = feasible(frame)
    costs = np.column_stack(
        [numbers_of(kept, name) for name in names] + [-numbers_of(kept, name) for name in above]
    )
    known = np.isfinite(costs).all(axis=1)
    rows = np.flatnonzero(known)[on_front(costs[known])]
    rows = rows[np.lexsort(costs[rows].T[::-1])]
    found: pd.DataFrame = kept.iloc[rows]
    return found


def on_front(costs: np.ndarray) -> np.ndarray:
    """Whether no row is at least as good in all and better in one: bool[rows].

    Parameters
    ----------
    costs : float64[rows, goals]
        Less is better.
    """
    order = np.lexsort(costs.T[::-1])
    found = np.zeros(len(costs), np.bool_)
    best = np.empty((0, costs.shape[1]))
    for row in order:
        # Rows before it are no worse in the first goal.
        cost = costs[row]
        worse = (best <= cost).all(axis=1) & (best < cost).any(axis=1)
        if not worse.any():
            found[row] = True
            best = np.vstack([best, cost])
    return found


def best(
    frame: pd.DataFrame,
    by: str = "edp",
    constraints: Sequence[str] = (),
    each: Sequence[str] = (),
    maximize: bool = False,
) -> pd.DataFrame:
    """The best point under constraints, or the best for each value of some columns.

    Parameters
    ----------
    frame : pandas.DataFrame
    by : str
        What is to be least; with `maximize`, most.
    constraints : sequence of str
        Expressions, as ``area_mm2 <= 5``.
    each : sequence of str
        Columns whose values are told apart.
    maximize : bool

    Returns
    -------
    pandas.DataFrame
        One row, or one for each combination; of equals the first.

    Raises
    ------
    InputError
        If a column is unknown, or no point holds the constraints.
    """
    kept = holding(feasible(frame), constraints)
    values = numbers_of(kept, by)
    kept, values = kept[np.isfinite(values)], values[np.isfinite(values)]
    if not len(kept):
        raise InputError(f"no point holds the constraints, or none has a '{by}'")
    order = np.argsort(-values if maximize else values, kind="stable")
    kept = kept.iloc[order]
    columns = [column_of(kept, name) for name in ([each] if isinstance(each, str) else each)]
    found: pd.DataFrame = kept.groupby(columns, dropna=False).head(1) if columns else kept.head(1)
    return found


def holding(frame: pd.DataFrame, constraints: Iterable[str]) -> pd.DataFrame:
    """The points for which some expressions hold; what is not known does not hold."""
    texts = [constraints] if isinstance(constraints, str) else constraints
    for text in texts:
        expression = read_expression(text)
        columns = {name: column_of(frame, name) for name in expression.names}
        values = {name: _plain(frame[column]) for name, column in columns.items()}
        holds = [
            bool(expression.value({name: values[name][i] for name in values}))
            for i in range(len(frame))
        ]
        frame = frame[np.array(holds, np.bool_)]
    return frame


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Values of a column, ``None`` where there is none."""
    return [None if v is None or v != v else v for v in column.tolist()]


def sensitivity(
    frame: pd.DataFrame, of: str = "energy", parameters: Sequence[str] = ()
) -> pd.DataFrame:
    """Which parameter matters, and by how much.

    Shares of the variance of the logarithm of a figure (Sobol, Mathematics and Computers in
    Simulation 55, 2001): that of the means over all else (``first_order``), and that which
    remains where all else is fixed (``total_order``; NaN where no two points differ in the
    parameter alone).

    Parameters
    ----------
    frame : pandas.DataFrame
    of : str
        A figure above 0.
    parameters : sequence of str
        Columns; all inputs that vary when absent.

    Returns
    -------
    pandas.DataFrame
        The most important first: parameter, values (how many), first_order, total_order, swing
        (the largest geometric mean of the figure over the least), least_at (the value with it).

    Raises
    ------
    InputError
        If a column is unknown, or the figure is not above 0.
    """
    import pandas as pd

    kept = feasible(frame)
    figure = numbers_of(kept, of)
    kept, figure = kept[np.isfinite(figure)], figure[np.isfinite(figure)]
    if (figure <= 0).any():
        raise InputError(Problem(f"'{of}' has values of 0 or less", "a figure above 0"))
    logs = pd.Series(np.log(figure), index=kept.index)
    everything, variance = independent(kept), float(logs.var(ddof=0))
    names = [column_of(kept, name) for name in parameters] or everything
    rows = []
    for name in names:
        means = logs.groupby(kept[name], dropna=False).agg(["mean", "size"])
        share = np.average((means["mean"] - logs.mean()) ** 2, weights=means["size"])
        others = [
            each
            for each in everything
            if each != name and not (follows(kept, each, name) or follows(kept, name, each))
        ]
        groups = kept.groupby(others, dropna=False).ngroup() if others else 0 * logs
        inside = logs.groupby(groups)
        total = float(((logs - inside.transform("mean")) ** 2).mean())
        is_alone = bool((inside.size() > 1).any())
        rows.append(
            {
                "parameter": name,
                "values": len(means),
                "first_order": share / variance if variance else 0.0,
                "total_order": (total / variance if variance else 0.0) if is_alone else math.nan,
                "swing": math.exp(means["mean"].max() - means["mean"].min()),
                "least_at": means["mean"].idxmin(),
            }
        )
    columns = ["parameter", "values", "first_order", "total_order", "swing", "least_at"]
    found = pd.DataFrame(rows, columns=columns)
    order = np.lexsort((-found["first_order"], -found["total_order"].fillna(0.0)))
    return found.iloc[order].reset_index(drop=True)


def follows(frame: pd.DataFrame, name: str, column: str) -> bool:
    """Whether a column says nothing that another one does not say."""
    pairs = frame[[column, name]].drop_duplicates()
    return len(pairs) == len(pairs[column].drop_duplicates())


def unit_of_column(frame: pd.DataFrame, name: str) -> str:
    """The unit of a column; of energies, that of the hardware."""
    unit = str(frame.attrs.get(UNITS, {}).get(name, "")) or unit_of(name)
    if not unit and (name == "energy" or name.startswith("energy_of_")):
        units = set(frame["energy_unit"].dropna()) if "energy_unit" in frame.columns else set()
        unit = str(units.pop()) if len(units) == 1 else ""
    return unit
