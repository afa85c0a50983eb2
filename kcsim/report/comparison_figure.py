"""The figure of a comparison of executions: energy by component and by tensor, and the work."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.estimation.result import Result
from kcsim.report.axes import in_words, verbatim
from kcsim.report.beside import accuracy_text
from kcsim.report.cut_bars import mark_cut, shown_up_to
from kcsim.report.execution_panels import draw_panels, execution_panels, panels_height
from kcsim.report.pictures import STYLE, check_size, write_picture
from kcsim.report.plot import Bars, bars, draw_bars, legend, work

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All measures in inches.
_TOP = 0.48
_PANELS = 1.75
_LABELS = 0.72
_LEGEND_LINE = 0.155
_LEGEND_COLUMNS = 2
_MARGINS = (0.6, 0.08)
_GAPS = (0.15, 0.4)
_GAP = 0.12
_BAR = 0.7
_LETTER = 0.062


def draw_comparison(result: Result, size: str = "page") -> Figure:
    """Draw every run as a bar: energy by component, energy by tensor, cycles and operations.

    Below, where the runs have ``auto``, all layers decoded at each level, and each layer dense and
    as ``auto`` executes it. Bars that dwarf all others are cut.

    Parameters
    ----------
    result : Result
    size : {"column", "page"}
        As wide as a column of a paper, panels below each other, or as a page with two columns.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib as mpl

    width = check_size(size)
    with mpl.rc_context(STYLE):
        data = bars(result, "component")
        subject = f"{result.network.name} on {result.hardware.name}"
        title = textwrap.wrap(f"{subject}, {result.clustering}", int(width / _LETTER))
        title += [line for line in (accuracy_text(result.runs.values()),) if line]
        rows = execution_panels(result, width) if "auto" in result.runs else []
        lower = _GAP + panels_height(rows, width) if rows else 0.0
        figure, axes = _page(len(data.parts), len(title), width, lower, is_stacked=size == "column")
        left, middle, right = axes
        _draw_energy(left, result, data)
        left.set_title("energy by component")
        _draw_energy(middle, result, bars(result, "tensor"))
        if size == "page":
            # Its scale is that of the left panel.
            middle.set_ylabel("")
            middle.tick_params(labelleft=False)
        middle.set_title("energy by tensor")
        work(result, right)
        right.set_ylabel("")
        _finish(right, result, right.get_legend_handles_labels()[0])
        right.set_title(f"work relative to {next(iter(result.runs))}")
        if rows:
            # What stands above has its place already.
            share = (lower - _GAP) / figure.get_figheight()
            figure.set_layout_engine("constrained", rect=(0, 0, 1, share), h_pad=0.03, w_pad=0.03)
            draw_panels(figure, rows, result.hardware.energy_unit)
        place = 1 - 0.08 / figure.get_figheight()
        figure.text(0.5, place, verbatim("\n".join(title)), ha="center", va="top")
    return figure


def plot_comparison(result: Result, path: str | os.PathLike[str], size: str = "page") -> None:
    """Draw a comparison into a file; see `draw_comparison`.

    Parameters
    ----------
    result : Result
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not at all.
    size : {"column", "page"}

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    write_picture(path, lambda: draw_comparison(result, size), dpi=200)


def _page(
    names: int, lines: int, width: float, lower: float, *, is_stacked: bool
) -> tuple[Figure, list[Axes]]:
    """A figure with three panels, and room below each for a legend of so many names.

    Parameters
    ----------
    names : int
        Of the longest legend.
    lines : int
        Of the title.
    width, lower : float
        In inches, of the figure and of what is below all of them.
    is_stacked : bool
        Whether panels stand below each other.
    """
    from matplotlib.figure import Figure

    below = _LABELS + _LEGEND_LINE * (-(-names // _LEGEND_COLUMNS)) + 0.05
    top = _TOP + _LEGEND_LINE * (lines - 1)
    if is_stacked:
        step = _PANELS + below + 0.25
        height = top + 3 * step - 0.25 + lower
        bottoms = [height - top - i * step - _PANELS for i in range(3)]
        lefts, panel = [_MARGINS[0]] * 3, width - sum(_MARGINS)
    else:
        height = top + _PANELS + below + lower
        panel = (width - sum(_MARGINS) - sum(_GAPS)) / 3
        lefts = np.cumsum([_MARGINS[0], *(panel + gap for gap in _GAPS)]).tolist()
        bottoms = [below + lower] * 3
    figure = Figure(figsize=(width, height))
    return figure, [
        figure.add_axes((left / width, bottom / height, panel / width, _PANELS / height))
        for left, bottom in zip(lefts, bottoms, strict=True)
    ]


def _draw_energy(axis: Axes, result: Result, data: Bars) -> None:
    (totals,) = data.energy.sum(axis=-1)
    highest = shown_up_to(totals, totals[0])
    # Of bars that dwarf all others, what is above is left out.
    ends = np.minimum(np.cumsum(data.energy, axis=-1), highest)
    draw_bars(axis, replace(data, energy=np.diff(ends, axis=-1, prepend=0.0)))
    scaled = np.minimum(totals, highest) * axis.dataLim.y1 / (min(totals.max(), highest) or 1)
    for place, (end, total) in enumerate(zip(scaled, totals, strict=True)):
        is_cut = total > highest
        if is_cut:
            mark_cut(axis, place, end, _BAR)
        if place and total:
            ratio = totals[0] / total
            axis.annotate(
                f"{ratio:.2g}×" if is_cut else f"{ratio:.2f}×", (place, end), (0, 2), ha="center",
                textcoords="offset points",
            )  # fmt: skip
    axis.set_ylim(0, 1.1 * axis.dataLim.y1 or 1)
    _finish(axis, result, legend(data)[::-1])


def _finish(axis: Axes, result: Result, handles: Sequence[Any]) -> None:
    labels = [in_words(name) for name in result.runs]
    axis.set_xticks(
        range(len(labels)), labels, rotation=35, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.tick_params(axis="x", pad=1)
    axis.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -_LABELS / _PANELS),
        ncols=_LEGEND_COLUMNS, frameon=False, borderaxespad=0,
        handlelength=1.0, columnspacing=1.2, labelspacing=0.3,
    )  # fmt: skip
