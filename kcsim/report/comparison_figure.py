"""The figure of a comparison of executions: energy by component and by tensor, and the work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.estimation.result import Result
from kcsim.report.beside import accuracy_text
from kcsim.report.pictures import STYLE, write_picture
from kcsim.report.plot import Bars, bars, draw_bars, in_words, legend, verbatim, work

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All measures in inches, of a figure as wide as two columns of a paper.
_WIDTH = 7.16
_TOP = 0.48
_TITLE_LINE = 0.16
_PANELS = 1.75
_LABELS = 0.68
_LEGEND_LINE = 0.15
_LEGEND_COLUMNS = 2
_MARGINS = (0.55, 0.08)
_GAPS = (0.15, 0.4)
_SMALL = 7.5


def draw_comparison(result: Result) -> Figure:
    """Draw every run as a bar: energy by component, energy by tensor, cycles and operations.

    Parameters
    ----------
    result : Result

    Returns
    -------
    matplotlib.figure.Figure
        As wide as two columns of a paper.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        data = bars(result, "component")
        subject = f"{result.network.name} on {result.hardware.name}, {result.clustering}"
        title = [line for line in (subject, accuracy_text(result.runs.values())) if line]
        figure, (left, middle, right) = _page(len(data.parts), len(title))
        _draw_energy(left, result, data)
        left.set_title("energy by component", fontsize=9)
        _draw_energy(middle, result, bars(result, "tensor"))
        # Its scale is that of the left panel.
        middle.set_ylabel("")
        middle.tick_params(labelleft=False)
        middle.set_title("energy by tensor", fontsize=9)
        work(result, right)
        right.set_ylabel("")
        _finish(right, result, right.get_legend_handles_labels()[0])
        right.set_title(f"work relative to {next(iter(result.runs))}", fontsize=9)
        top = 1 - 0.08 / figure.get_figheight()
        figure.text(0.5, top, verbatim("\n".join(title)), ha="center", va="top")
    return figure


def plot_comparison(result: Result, path: str | os.PathLike[str]) -> None:
    """Draw a comparison into a file; see `draw_comparison`.

    Parameters
    ----------
    result : Result
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not at all.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    write_picture(path, lambda: draw_comparison(result), dpi=200)


def _page(names: int, lines: int) -> tuple[Figure, list[Axes]]:
    """A figure with three panels, and room for a title and a legend of so many lines and names."""
    from matplotlib.figure import Figure

    below = _LABELS + _LEGEND_LINE * (-(-names // _LEGEND_COLUMNS)) + 0.05
    height = _TOP + _TITLE_LINE * (lines - 1) + _PANELS + below
    figure = Figure(figsize=(_WIDTH, height))
    width = (_WIDTH - sum(_MARGINS) - sum(_GAPS)) / 3
    starts = np.cumsum([_MARGINS[0], *(width + gap for gap in _GAPS)])
    return figure, [
        figure.add_axes((left / _WIDTH, below / height, width / _WIDTH, _PANELS / height))
        for left in starts.tolist()
    ]


def _draw_energy(axis: Axes, result: Result, data: Bars) -> None:
    draw_bars(axis, data)
    (totals,) = data.energy.sum(axis=-1)
    ends = totals * axis.dataLim.y1 / (totals.max() or 1)
    for place, (end, total) in enumerate(zip(ends, totals, strict=True)):
        if place and total:
            axis.annotate(
                f"{totals[0] / total:.2f}×", (place, end), (0, 2), ha="center",
                textcoords="offset points", fontsize=_SMALL - 0.5,
            )  # fmt: skip
    axis.set_ylim(0, 1.1 * axis.dataLim.y1 or 1)
    _finish(axis, result, legend(data)[::-1])


def _finish(axis: Axes, result: Result, handles: Sequence[Any]) -> None:
    labels = [in_words(name) for name in result.runs]
    axis.set_xticks(
        range(len(labels)), labels, fontsize=_SMALL, rotation=35, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.tick_params(axis="x", pad=1)
    axis.tick_params(axis="y", labelsize=_SMALL)
    axis.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -_LABELS / _PANELS),
        ncols=_LEGEND_COLUMNS, frameon=False, borderaxespad=0,
        fontsize=_SMALL, handlelength=1.0, columnspacing=1.2, labelspacing=0.3,
    )  # fmt: skip
