"""The figure of a comparison of executions: energy by component and by tensor, and the work."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.estimation.result import Result
from kcsim.report.axes import in_words, verbatim
from kcsim.report.beside import accuracy_text
from kcsim.report.decoding_figure import cut_bar, draw_decoding, draw_layers, shown_up_to
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
_LETTER = 0.062
_LAYER_NAMES = 0.95
_NARROW = 0.28


def draw_comparison(result: Result, size: str = "page") -> Figure:
    """Draw every run as a bar: energy by component, energy by tensor, cycles and operations.

    Below, all layers decoded at each level, and each layer dense and as ``auto`` executes it. A
    bar that dwarfs the others is cut, and says how high it is.

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
        detailed = "auto" in result.runs
        figure, axes = _page(
            len(data.parts), len(title), width, is_stacked=size == "column", is_detailed=detailed
        )
        left, middle, right = axes[:3]
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
        if detailed:
            draw_decoding(axes[3], result)
            draw_layers(axes[4], result)
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
    names: int, lines: int, width: float, *, is_stacked: bool, is_detailed: bool
) -> tuple[Figure, list[Axes]]:
    """A figure with three panels, room below each for a legend of so many names, and two more.

    Parameters
    ----------
    names : int
        Of the longest legend.
    lines : int
        Of the title.
    width : float
        In inches.
    is_stacked : bool
        Whether panels stand below each other.
    is_detailed : bool
        Whether there are two more panels below: a narrow one and a wide one.
    """
    from matplotlib.figure import Figure

    below = _LABELS + _LEGEND_LINE * (-(-names // _LEGEND_COLUMNS)) + 0.05
    top, more = _TOP + _LEGEND_LINE * (lines - 1), 2 if is_detailed else 0
    inner = width - sum(_MARGINS)
    if is_stacked:
        rooms = [below] * 3 + [_LABELS, _LAYER_NAMES][:more]
        lefts, widths = [_MARGINS[0]] * len(rooms), [inner] * len(rooms)
        starts = np.cumsum([top, *(_PANELS + each + 0.3 for each in rooms)]).tolist()
        height = starts.pop() - 0.3
    else:
        panel = (inner - sum(_GAPS)) / 3
        lefts = np.cumsum([_MARGINS[0], *(panel + gap for gap in _GAPS)]).tolist()
        widths, starts, height = [panel] * 3, [top] * 3, top + _PANELS + below
        if is_detailed:
            lefts += [_MARGINS[0], _MARGINS[0] + _NARROW * inner + _GAPS[1]]
            widths += [_NARROW * inner, (1 - _NARROW) * inner - _GAPS[1]]
            starts += [height + 0.25] * 2
            height += 0.25 + _PANELS + _LAYER_NAMES
    figure = Figure(figsize=(width, height))
    return figure, [
        figure.add_axes(
            (left / width, 1 - (start + _PANELS) / height, own / width, _PANELS / height)
        )
        for left, start, own in zip(lefts, starts, widths, strict=True)
    ]


def _draw_energy(axis: Axes, result: Result, data: Bars) -> None:
    draw_bars(axis, data)
    (totals,) = data.energy.sum(axis=-1)
    per_unit = axis.dataLim.y1 / (totals.max() or 1)
    highest = shown_up_to(totals) * per_unit
    for place, total in enumerate(totals):
        end, ratio = total * per_unit, f"{totals[0] / total:.2f}×" if place and total else ""
        if end > highest:
            cut_bar(axis, place, highest, f"{total / totals[0]:.3g}×\n{data.groups[0]}", 0.7)
        elif ratio:
            axis.annotate(
                ratio, (place, end), (0, 2), ha="center", textcoords="offset points"
            )  # fmt: skip
    axis.set_ylim(0, 1.1 * highest or 1)
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
