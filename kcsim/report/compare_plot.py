"""Figure of a comparison of executions: energy by component and by tensor, and the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kcsim.estimation.compare import Comparison
from kcsim.estimation.result import Run
from kcsim.report.cells import scale
from kcsim.report.compare_data import account_names
from kcsim.report.pictures import COLOURS, STYLE, write_picture
from kcsim.report.plots import component_colours, in_few, plain_account

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All measures in inches, of a figure as wide as two columns of a paper.
_WIDTH = 7.16
_TOP = 0.48
_PANELS = 1.75
_LABELS = 0.68
_LEGEND_LINE = 0.15
_LEGEND_COLUMNS = 2
_MARGINS = (0.55, 0.08)
_GAPS = (0.15, 0.4)
_SMALL = 7.5
_WIDE = 10
_TENSORS = {
    "weights": COLOURS[0], "inputs": COLOURS[1], "outputs": COLOURS[2],
    "intermediate": COLOURS[6], "other": COLOURS[7],
}  # fmt: skip
_WORK = {"cycles": "0.2", "multiplies": COLOURS[4], "adds": COLOURS[5]}


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw every run as a bar: energy by component, energy by tensor, cycles and operations.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    matplotlib.figure.Figure
        As wide as two columns of a paper.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        names, energy = _energies(
            comparison, lambda run: plain_account(run.energy_by_component()), len(COLOURS)
        )
        figure, (left, middle, right) = _page(len(names))
        _draw_energy(left, comparison, names, energy, component_colours(names))
        left.set_title("energy by component", fontsize=9)
        names, energy = _energies(comparison, Run.energy_by_tensor, len(_TENSORS))
        _draw_energy(middle, comparison, names, energy, [_TENSORS[name] for name in names])
        # Its scale is that of the left panel.
        middle.set_ylabel("")
        middle.tick_params(labelleft=False)
        middle.set_title("energy by tensor", fontsize=9)
        _draw_work(right, comparison)
        right.set_title("work relative to dense", fontsize=9)
        subject = f"{comparison.network.name} on {comparison.hardware.name}"
        title = f"{subject}, {comparison.clustering}".replace("$", r"\$")
        figure.text(0.5, 1 - 0.08 / figure.get_figheight(), title, ha="center", va="top")
    return figure


def plot_comparison(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw a comparison into a file; see `draw_comparison`.

    Parameters
    ----------
    comparison : Comparison
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not at all.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    write_picture(path, lambda: draw_comparison(comparison), dpi=200)


def work_by_run(comparison: Comparison) -> dict[str, np.ndarray]:
    """Cycles, multiplies and adds of every run, those of dense weights being 1.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    dict of str to ndarray of float64, [runs]
    """
    runs = comparison.runs.values()
    work = {
        "cycles": [run.cycles for run in runs],
        "multiplies": [run.operations.multiplies for run in runs],
        "adds": [run.operations.adds for run in runs],
    }
    # Numbers of operations may exceed 64 bits.
    return {name: np.array([n / max(1, each[0]) for n in each]) for name, each in work.items()}


def _energies(
    comparison: Comparison, account: Callable[[Run], Mapping[str, float]], largest: int
) -> tuple[list[str], np.ndarray]:
    """Names of an account, and the energy of every run and name."""
    accounts = [account(run) for run in comparison.runs.values()]
    names = account_names(comparison, account)
    energy = np.array([[each.get(name, 0.0) for name in names] for each in accounts])
    return in_few(names, energy, largest)


def _page(names: int) -> tuple[Figure, list[Axes]]:
    """A figure with three panels, and room below for a legend of so many names."""
    from matplotlib.figure import Figure

    below = _LABELS + _LEGEND_LINE * (-(-names // _LEGEND_COLUMNS)) + 0.05
    height = _TOP + _PANELS + below
    figure = Figure(figsize=(_WIDTH, height))
    width = (_WIDTH - sum(_MARGINS) - sum(_GAPS)) / 3
    starts = np.cumsum([_MARGINS[0], *(width + gap for gap in _GAPS)])
    return figure, [
        figure.add_axes((left / _WIDTH, below / height, width / _WIDTH, _PANELS / height))
        for left in starts.tolist()
    ]


def _draw_energy(
    axis: Axes,
    comparison: Comparison,
    names: Sequence[str],
    energy: np.ndarray,
    colours: Sequence[str],
) -> None:
    unit = comparison.hardware.energy_unit
    base = 1e-12 if unit == "pJ" else 1.0
    totals = energy.sum(axis=1) * base
    factor, prefix = scale(float(totals.max()))
    bottom = np.zeros(len(totals))
    for name, colour, heights in zip(names, colours, energy.T * (base / factor), strict=True):
        axis.bar(
            np.arange(len(heights)), heights, 0.7, bottom=bottom, label=name.replace("$", r"\$"),
            facecolor=colour, edgecolor="white", linewidth=0.3, zorder=2,
        )  # fmt: skip
        bottom += heights
    for place, (height, total) in enumerate(zip(bottom, totals, strict=True)):
        if place and total:
            axis.annotate(
                f"{totals[0] / total:.2f}×", (place, height), (0, 2), ha="center",
                textcoords="offset points", fontsize=_SMALL - 0.5,
            )  # fmt: skip
    axis.set_ylim(0, 1.1 * bottom.max() or 1)
    axis.set_ylabel(
        f"energy [{prefix}J]" if unit == "pJ" else f"energy [{f'{prefix} MAC'.strip()}]"
    )
    _finish(axis, comparison)


def _draw_work(axis: Axes, comparison: Comparison) -> None:
    work = work_by_run(comparison)
    values = np.concatenate(list(work.values()))
    # On a common scale, the smallest bars could not be seen; on this one, all start from dense.
    is_wide = 0 < values.min() * _WIDE < values.max()
    width = 0.8 / len(work)
    for number, (name, heights) in enumerate(work.items()):
        places = np.arange(len(heights)) + (number - (len(work) - 1) / 2) * width
        from_dense = 1.0 if is_wide else 0.0
        axis.bar(
            places, heights - from_dense, width, bottom=from_dense, label=name,
            facecolor=_WORK[name], zorder=2,
        )  # fmt: skip
    axis.axhline(1, color="0.4", linewidth=0.6, zorder=3)
    if is_wide:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_ylim(values.min() / 1.3, values.max() * 1.3)
    else:
        axis.set_ylim(0, 1.1 * values.max())
    _finish(axis, comparison)


def _finish(axis: Axes, comparison: Comparison) -> None:
    labels = [name.replace("_", " ") for name in comparison.runs]
    axis.set_xticks(
        range(len(labels)), labels, fontsize=_SMALL, rotation=35, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.tick_params(axis="x", pad=1)
    axis.tick_params(axis="y", labelsize=_SMALL)
    axis.grid(axis="y", color="0.85", linewidth=0.6, zorder=0)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.5, -_LABELS / _PANELS), ncols=_LEGEND_COLUMNS,
        frameon=False, borderaxespad=0,
        fontsize=_SMALL, handlelength=1.0, columnspacing=1.2, labelspacing=0.3,
    )  # fmt: skip
