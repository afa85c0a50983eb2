"""Plots of the points of an exploration, each on axes of matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.exploration import answers
from kcsim.exploration.answers import column_of, feasible, on_front
from kcsim.exploration.columns import GAINS
from kcsim.report.axes import axes_or_current, clear, verbatim
from kcsim.report.pictures import COLORS
from kcsim.report.point_looks import (
    LETTER,
    index_of,
    is_geometric,
    is_scale,
    least_along,
    looks_of,
    parameter_label,
    short,
    side_by_side,
    sorted_values,
)
from kcsim.report.quantities import Quantity, in_words, quantity, valued

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 4)))
_MOST_CELLS = 120
"""Cells whose values are written into them."""
_MOST_TICKS, _TICKS_AN_INCH = 20, 2.6
_SHADES = "cividis"
"""Told apart in gray as in color, and by anyone."""


def scatter(
    frame: pd.DataFrame,
    x: str,
    y: str,
    color: str | None = None,
    *,
    front: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw every point by two figures, with the front of those that no other betters in both.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `Exploration.points`; points that are not feasible are left out.
    x, y : str
        Columns of numbers.
    color : str, optional
        A column that color and mark tell; of many numbers, a scale of colors.
    front : bool
        Whether to draw the front; less is better, but for accuracies and utilization.
    ax : matplotlib.axes.Axes, optional
        Where to draw; the current axes when absent.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If a column is unknown, or no point is feasible.
    """
    axis, kept = axes_or_current(ax), feasible(frame)
    across, up = quantity(kept, x), quantity(kept, y)
    if color is None:
        axis.scatter(across.values, up.values, s=12, color=COLORS[0], linewidths=0, zorder=2)
    elif is_scale(kept, color):
        shade = quantity(kept, color)
        drawn = axis.scatter(
            across.values, up.values, c=shade.values, s=12, cmap=_SHADES, linewidths=0, zorder=2,
            norm="log" if shade.is_wide else "linear",
        )  # fmt: skip
        _colorbar(axis, drawn, shade.label)
    else:
        for i, (name, rows) in enumerate(looks_of(kept, color)):
            axis.scatter(
                across.values[rows], up.values[rows], s=14, color=COLORS[i], marker=_MARKERS[i],
                linewidths=0.3, edgecolors="0.2", zorder=2, label=name,
            )  # fmt: skip
        _legend(axis, in_words(column_of(kept, color)))
    if front:
        signs = [-1.0 if column_of(kept, name) in GAINS else 1.0 for name in (x, y)]
        _draw_front(axis, np.column_stack([across.values, up.values]), np.array(signs))
    _finish(axis, across, up)
    return axis


def lines(
    frame: pd.DataFrame, x: str, y: str, color: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the least value of a figure at each value of a parameter, over all other inputs.

    What has no value of the parameter, as dense weights of entries, is a level line at its least.

    Parameters
    ----------
    frame, x, y, color, ax
        As for `scatter`; a line for each value of `color`.
    """
    axis, kept = axes_or_current(ax), feasible(frame)
    across, up = quantity(kept, x), quantity(kept, y)
    groups = [("", np.ones(len(kept), np.bool_))] if color is None else looks_of(kept, color)
    for i, (name, rows) in enumerate(groups):
        places, least = least_along(across.values[rows], up.values[rows], across.values)
        axis.plot(
            places, least, color=COLORS[i], linestyle=_LINES[i], marker=_MARKERS[i], label=name,
            zorder=2,
        )  # fmt: skip
    if color is not None:
        _legend(axis, in_words(column_of(kept, color)))
    _finish(axis, across, up)
    _tick_values(axis, across)
    return axis


def u_curve(
    frame: pd.DataFrame,
    x: str,
    y: str = "energy",
    color: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how a figure falls and rises along a parameter, and mark where it is least.

    Parameters
    ----------
    frame, x, y, color, ax
        As for `lines`.
    """
    axis = lines(frame, x, y, color, ax=ax)
    for line in list(axis.get_lines()):
        places, values = (np.asarray(line.get_data()[i], np.float64) for i in (0, 1))
        least = int(np.argmin(values))
        axis.plot(
            places[least], values[least], marker="*", markersize=10, color=line.get_color(),
            markeredgecolor="0.2", markeredgewidth=0.4, zorder=3, linestyle="none",
        )  # fmt: skip
    return axis


def ski_slope(
    frame: pd.DataFrame,
    x: str,
    y: str = "outermost_traffic_bits",
    color: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the traffic of the outermost level against a capacity, both on scales of ratios.

    Parameters
    ----------
    frame, x, y, color, ax
        As for `lines`.
    """
    axis = lines(frame, x, y, color, ax=ax)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    _tick_values(axis, quantity(feasible(frame), x))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    return axis


def heat_map(
    frame: pd.DataFrame, x: str, y: str, value: str = "energy", *, ax: Axes | None = None
) -> Axes:
    """Draw the least value of a figure for each pair of values of two parameters.

    Parameters
    ----------
    frame : pandas.DataFrame
    x, y : str
        Columns of parameters.
    value : str
        A column of numbers.
    ax : matplotlib.axes.Axes, optional
    """
    axis, kept = axes_or_current(ax), feasible(frame)
    shade = quantity(kept, value)
    names = column_of(kept, x), column_of(kept, y)
    places = [sorted_values(kept[name]) for name in names]
    found = np.full((len(places[1]), len(places[0])), np.inf)
    for column, row, number in zip(kept[names[0]], kept[names[1]], shade.values, strict=True):
        i, j = index_of(places[1], row), index_of(places[0], column)
        if number < found[i, j]:
            found[i, j] = number
    found[np.isinf(found)] = np.nan
    known = found[np.isfinite(found)]
    is_wide = len(known) > 1 and 0 < 20 * known.min() <= known.max()
    drawn = axis.pcolormesh(
        found, cmap=_SHADES, edgecolors="white", linewidth=0.4, norm="log" if is_wide else "linear"
    )
    if found.size <= _MOST_CELLS:
        _write_cells(axis, found, drawn)
    for place, values, name in zip((axis.xaxis, axis.yaxis), places, names, strict=True):
        place.set_ticks(np.arange(len(values)) + 0.5, [short(value) for value in values])
        place.set_label_text(parameter_label(kept, name))
        place.set_tick_params(length=0)
    axis.spines[:].set_visible(False)
    _colorbar(axis, drawn, shade.label)
    return axis


def sensitivity(
    frame: pd.DataFrame,
    of: str = "energy",
    parameters: Sequence[str] = (),
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw which parameters matter to a figure: shares of its variance, and its swing.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `Exploration.points`.
    of : str
    parameters : sequence of str
        As for `kcsim.exploration.answers.sensitivity`.
    ax : matplotlib.axes.Axes, optional
    """
    axis = axes_or_current(ax)
    found = answers.sensitivity(frame, of, parameters)
    rows = np.arange(len(found))
    for offset, name, look in ((-0.2, "first_order", 0), (0.2, "total_order", 1)):
        label = "alone" if look == 0 else "together with others"
        shares = 100 * found[name].fillna(0.0).to_numpy(np.float64)
        axis.barh(rows + offset, shares, 0.4, color=COLORS[look], label=label, zorder=2)
    for row, (share, total, swing) in enumerate(
        zip(found["first_order"], found["total_order"].fillna(0.0), found["swing"], strict=True)
    ):
        place = (100 * max(share, total), row)
        axis.annotate(f"{swing:.2f}×", place, (3, 0), va="center", textcoords="offset points")
    axis.set_yticks(rows, [verbatim(in_words(name)) for name in found["parameter"]])
    axis.invert_yaxis()
    axis.set_xlabel(f"share of the variance of {in_words(column_of(frame, of))} [%]")
    _legend(axis, "")
    axis.margins(x=0.15)
    clear(axis)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", color="0.85", linewidth=0.6, zorder=0)
    return axis


def small_multiples(
    frame: pd.DataFrame,
    by: str,
    draw: Callable[[pd.DataFrame, Axes], Any],
    figure: Figure,
    columns: int = 2,
) -> list[Axes]:
    """Draw the same for each value of a parameter, on scales that all share.

    Parameters
    ----------
    frame : pandas.DataFrame
    by : str
        The column whose values are told apart.
    draw : callable
        Draws points on axes, as ``lambda part, ax: kcsim.plot.u_curve(part, "k", ax=ax)``.
    figure : matplotlib.figure.Figure
    columns : int
        Panels side by side.

    Returns
    -------
    list of matplotlib.axes.Axes
    """
    kept, name = feasible(frame), column_of(frame, by)
    values = sorted_values(kept[name])
    rows = -(-len(values) // columns)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    unit = answers.unit_of_column(kept, name)
    for axis, value in zip(grid.flat, values, strict=False):
        part = kept[kept[name].isna() if value is None else kept[name] == value]
        part.attrs = dict(frame.attrs)
        draw(part, axis)
        title = f"{in_words(name)} {valued(value, unit)}"
        letters = max(8, int(_inches(axis) / LETTER))
        axis.set_title(verbatim(textwrap.fill(title, letters)))
    for axis in grid.flat[len(values) :]:
        axis.remove()
    for axis in grid[:, 1:].flat:
        axis.set_ylabel("")
    for number, axis in enumerate(grid.flat[: len(values)]):
        is_lowest = number + columns >= len(values)
        axis.tick_params(labelbottom=is_lowest)
        if not is_lowest:
            axis.set_xlabel("")
    shown: list[Axes] = list(grid.flat[: len(values)])
    boxes = [box for axis in shown if (box := axis.get_legend()) is not None]
    if boxes:
        handles, names = shown[0].get_legend_handles_labels()
        title = boxes[0].get_title().get_text()
        figure.legend(
            handles, names, title=title, loc="outside upper center",
            ncols=min(side_by_side(names, figure.get_figwidth()), 6),
        )  # fmt: skip
    for box in boxes:
        box.remove()
    return shown


def _draw_front(axis: Axes, points: np.ndarray, signs: np.ndarray) -> None:
    """Draw the front of points, of which less is better where the sign is positive."""
    points = points[np.isfinite(points).all(axis=1)]
    best = points[on_front(points * signs)]
    best = best[np.argsort(best[:, 0], kind="stable")]
    # Between two points of the front, nothing is better than the worse of each figure.
    steps = "steps-post" if signs[0] > 0 else "steps-pre"
    axis.plot(best[:, 0], best[:, 1], drawstyle=steps, color="0.15", linewidth=0.9, zorder=1)
    axis.scatter(
        best[:, 0], best[:, 1], s=34, facecolors="none", edgecolors="0.15", linewidths=0.8, zorder=3
    )


def _legend(axis: Axes, title: str) -> None:
    """Above the axes, where no point is."""
    names = axis.get_legend_handles_labels()[1]
    ncols = min(side_by_side(names, _inches(axis)), 4)
    axis.legend(
        title=verbatim(title), loc="lower left", bbox_to_anchor=(0, 1), ncols=ncols,
        borderaxespad=0.2, columnspacing=1.0, handletextpad=0.4, alignment="left",
    )  # fmt: skip


def _finish(axis: Axes, across: Quantity, up: Quantity) -> None:
    axis.set_xlabel(across.label)
    axis.set_ylabel(up.label)
    for each, scaled, place in (
        (across, axis.set_xscale, axis.xaxis),
        (up, axis.set_yscale, axis.yaxis),
    ):
        if each.is_wide:
            scaled("log")
            place.set_major_formatter("{x:g}")
            place.set_minor_formatter("")
    clear(axis)


def _tick_values(axis: Axes, across: Quantity) -> None:
    """Ticks at values of a parameter, as many as there is room for."""
    values = np.unique(across.values[np.isfinite(across.values)])
    if not (across.is_wide or is_geometric(values)) or len(values) > _MOST_TICKS:
        return
    room = max(2, int(_inches(axis) * _TICKS_AN_INCH))
    shown = values[:: -(-len(values) // room)]
    axis.set_xscale("log", base=2)
    axis.set_xticks(shown, [short(value) for value in shown])
    axis.set_xticks([], minor=True)


def _inches(axis: Axes) -> float:
    """Width of axes, about."""
    figure = axis.get_figure()
    assert figure is not None
    return float(axis.bbox.width) / figure.dpi


def _write_cells(axis: Axes, found: np.ndarray, drawn: Any) -> None:
    for (i, j), number in np.ndenumerate(found):
        if np.isfinite(number):
            shade = float(np.dot(np.ravel(drawn.to_rgba(number))[:3], (0.299, 0.587, 0.114)))
            axis.text(
                j + 0.5, i + 0.5, f"{number:.3g}", ha="center", va="center",
                color="0.1" if shade > 0.5 else "white",
            )  # fmt: skip


def _colorbar(axis: Axes, drawn: Any, label: str) -> None:
    figure = axis.get_figure()
    assert figure is not None
    bar = figure.colorbar(drawn, ax=axis)
    bar.set_label(label)
    bar.outline.set_visible(False)
