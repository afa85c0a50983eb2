"""Plots of results on axes of matplotlib: ``kcsim.plot``.

Each function takes a result, or a frame that one gave, or the points of an exploration, and the
axes to draw on. What is drawn is
plain data first (`Bars`), so that it can be checked or drawn otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.estimation.result import Result
from kcsim.report.axes import (
    axes_or_current,
    clear,
    in_words,
    turn_labels_that_meet,
    verbatim,
)
from kcsim.report.cells import scale
from kcsim.report.pictures import COLORS
from kcsim.report.point_plots import heat_map as heat_map
from kcsim.report.point_plots import lines as lines
from kcsim.report.point_plots import scatter as scatter
from kcsim.report.point_plots import sensitivity as sensitivity
from kcsim.report.point_plots import ski_slope as ski_slope
from kcsim.report.point_plots import small_multiples as small_multiples
from kcsim.report.point_plots import u_curve as u_curve

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

# What every hardware and every layer has looks the same in every plot.
_FIXED = {
    "MAC": COLORS[4], "codebook": COLORS[5], "static": COLORS[7],
    "weights": COLORS[0], "inputs": COLORS[1], "outputs": COLORS[2], "intermediate": COLORS[6],
    "other": COLORS[7],
}  # fmt: skip
_HATCHES = ("", "/////", "\\\\\\\\\\", ".....", "xxxxx", "-----")
_WORK = {"cycles": COLORS[7], "multiplies": COLORS[4], "adds": COLORS[5]}
_WIDE = 10
_MIDDLE = 1.5
"""Sum of red, green and blue of a color that is neither dark nor light."""


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars that are stacked of parts, those of all runs beside each other in every group.

    Attributes
    ----------
    unit : str
        ``pJ``, or ``MAC``.
    runs, groups, parts : tuple of str
        The axes of `energy`. Of a single group, runs are groups of their own.
    energy : ndarray of float64, [runs, groups, parts]
        In `unit`.
    """

    unit: str
    runs: tuple[str, ...]
    groups: tuple[str, ...]
    parts: tuple[str, ...]
    energy: np.ndarray


def bars(
    result: Result | pd.DataFrame,
    by: str | Sequence[str] = ("layer", "component"),
    largest: int = len(COLORS),
) -> Bars:
    """What `energy` draws.

    Parameters
    ----------
    result, by
        As for `energy`.
    largest : int
        How many parts to tell apart; the smallest beyond are added up as ``other``.

    Raises
    ------
    InputError
        If `by` names no keys, or more than two.
    """
    keys = (by,) if isinstance(by, str) else tuple(by)
    if isinstance(result, Result):
        frame = result.energy(by=keys)
    else:
        frame = result
        keys = tuple(name for name in frame.columns if name not in ("run", "energy", "energy_unit"))
    keys = tuple(key for key in keys if key != "run")
    if not 1 <= len(keys) <= 2:
        given = " and ".join(keys) or "nothing"
        expected = "one key, or two: what stands side by side, and what is stacked"
        raise InputError(Problem(f"bars are told apart by {given}", expected))
    named = [frame["run"], *([frame[keys[0]]] if len(keys) == 2 else []), frame[keys[-1]]]
    values = [list(map(_plain, names)) for names in named]
    runs, groups = values[0], values[1] if len(keys) == 2 else [""] * len(frame)
    # Clustered runs have more parts, so that theirs is the order.
    order = dict.fromkeys(values[-1][i] for run in reversed(list(dict.fromkeys(runs)))
                          for i in range(len(runs)) if runs[i] == run)  # fmt: skip
    places = [{name: i for i, name in enumerate(dict.fromkeys(names))}
              for names in (runs, groups, order)]  # fmt: skip
    energy = np.zeros([len(names) for names in places])
    for run, group, part, value in zip(runs, groups, values[-1], frame["energy"], strict=True):
        energy[places[0][run], places[1][group], places[2][part]] += value
    parts, energy = in_few(list(places[2]), energy, largest)
    if places[1].keys() == {""}:
        energy = energy.swapaxes(0, 1)
        places[:2] = {"": 0}, places[0]
    unit = str(frame["energy_unit"].iloc[0])
    return Bars(unit, tuple(places[0]), tuple(places[1]), tuple(parts), energy)


def energy(
    result: Result | pd.DataFrame,
    by: str | Sequence[str] = ("layer", "component"),
    ax: Axes | None = None,
) -> Axes:
    """Draw energies as stacked bars.

    Parameters
    ----------
    result : Result or pandas.DataFrame
        A result, or what its `energy` gave.
    by : str or sequence of str
        What is stacked, as ``component``: one bar a run. Or two: what stands side by side, and
        what is stacked, as ``("layer", "component")``, with a bar for each run; bars of all runs
        but the first are hatched.
    ax : matplotlib.axes.Axes, optional
        Where to draw; the current axes when absent.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If `by` names no keys, more than two, or unknown ones.

    Examples
    --------
    >>> import kcsim
    >>> result = kcsim.estimate("eyeriss", "lenet5", "kernel:k=16")
    >>> kcsim.plot.energy(result, by=["layer", "tensor"]).get_ylabel()
    'energy [µJ]'
    """
    axis = axes_or_current(ax)
    data = bars(result, by)
    draw_bars(axis, data)
    turn_labels_that_meet(axis)
    axis.legend(handles=legend(data), frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return axis


def work(result: Result, ax: Axes | None = None) -> Axes:
    """Draw cycles, multiplies and adds of every run, those of the first one being 1.

    Parameters
    ----------
    result : Result
    ax : matplotlib.axes.Axes, optional
        Where to draw; the current axes when absent.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axis, shares = axes_or_current(ax), work_by_run(result)
    values = np.concatenate(list(shares.values()))
    # On a common scale, the smallest bars could not be seen; on this one, all start from the first.
    is_wide = 0 < values.min() * _WIDE < values.max()
    width = 0.8 / len(shares)
    for number, (name, heights) in enumerate(shares.items()):
        places = np.arange(len(heights)) + (number - (len(shares) - 1) / 2) * width
        start = 1.0 if is_wide else 0.0
        axis.bar(
            places, heights - start, width, bottom=start, label=name, facecolor=_WORK[name],
            zorder=2,
        )  # fmt: skip
    axis.axhline(1, color="0.4", linewidth=0.6, zorder=3)
    if is_wide:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_ylim(values.min() / 1.3, values.max() * 1.3)
    else:
        axis.set_ylim(0, 1.1 * values.max())
    axis.set_xticks(range(len(result.runs)), [in_words(name) for name in result.runs])
    axis.set_ylabel(f"relative to {next(iter(result.runs))}")
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(shares))
    clear(axis)
    return axis


def work_by_run(result: Result) -> dict[str, np.ndarray]:
    """Cycles, multiplies and adds of every run, those of the first one being 1.

    Parameters
    ----------
    result : Result

    Returns
    -------
    dict of str to ndarray of float64, [runs]
    """
    rows = result.summary_rows()
    # Numbers of operations may exceed 64 bits.
    return {n: np.array([row[n] / max(1, rows[0][n]) for row in rows]) for n in _WORK}


def draw_bars(
    axis: Axes,
    data: Bars,
    chosen: Sequence[int] | None = None,
    scaled_as: Sequence[int] | None = None,
) -> None:
    """Draw bars, without a legend.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    data : Bars
    chosen : sequence of int, optional
        Positions of the groups to draw; all when absent.
    scaled_as : sequence of int, optional
        Positions of the groups with which they share a scale; themselves when absent.
    """
    chosen = range(len(data.groups)) if chosen is None else chosen
    scaled_as = chosen if scaled_as is None else scaled_as
    base = 1e-12 if data.unit == "pJ" else 1.0
    largest = float(data.energy[:, scaled_as].sum(axis=-1).max()) * base
    factor, prefix = scale(largest)
    width = (0.8 if len(data.runs) > 1 else 0.7) / len(data.runs)
    places = np.arange(len(chosen))
    for run, values in enumerate(data.energy[:, chosen] * (base / factor)):
        bottom = np.zeros(len(chosen))
        middle = places + (run - (len(data.runs) - 1) / 2) * width
        for part, color, heights in zip(data.parts, part_colors(data.parts), values.T, strict=True):
            # The edge of a bar without height would show as a line.
            seen = heights > 0
            axis.bar(
                middle[seen], heights[seen], width, bottom=bottom[seen], zorder=2, label=part,
                **_look(color, run),
            )  # fmt: skip
            bottom += heights
    axis.set_xticks(places, [verbatim(in_words(data.groups[i])) for i in chosen])
    axis.set_ylim(0, 1.04 * largest / factor or 1)
    unit = f"{prefix}J" if data.unit == "pJ" else f"{prefix} MAC".strip()
    axis.set_ylabel(f"energy [{unit}]")
    clear(axis)


def legend(data: Bars) -> list[Patch]:
    """What a legend of bars shows: parts from top to bottom as they are stacked, then runs."""
    from matplotlib.patches import Patch

    shown = [*zip(data.parts, part_colors(data.parts), strict=True)]
    handles = [Patch(label=verbatim(name), **_look(color, 0)) for name, color in reversed(shown)]
    if len(data.runs) > 1:
        for run, name in enumerate(data.runs):
            look: dict[str, Any] = {"facecolor": "0.85", "edgecolor": "0.4", "hatch": _hatch(run)}
            look = look if run else {"facecolor": "0.4"}
            handles.append(Patch(label=in_words(name), **look))
    return handles


def part_colors(parts: Sequence[str]) -> list[str]:
    """A color for each part, of at most eight; all differ."""
    taken = {_FIXED[name] for name in parts if name in _FIXED}
    free = iter(sorted(set(COLORS) - taken, key=lambda c: (c in _FIXED_LAST, COLORS.index(c))))
    return [_FIXED[name] if name in _FIXED else next(free) for name in parts]


_FIXED_LAST = {_FIXED[name] for name in ("MAC", "codebook", "static")}


def in_few(names: Sequence[str], energy: np.ndarray, largest: int) -> tuple[list[str], np.ndarray]:
    """At most so many parts of an energy: the smallest beyond are added up as ``other``.

    Parameters
    ----------
    names : sequence of str
    energy : ndarray of float64, [..., names]
    largest : int
    """
    if len(names) <= largest:
        return list(names), energy
    totals = energy.reshape(-1, len(names)).sum(axis=0)
    order = np.argsort(-totals, kind="stable")
    kept = np.sort(order[: largest - 1])
    rest = energy[..., order[largest - 1 :]].sum(axis=-1, keepdims=True)
    return [*(names[i] for i in kept), "other"], np.concatenate([energy[..., kept], rest], axis=-1)


def _plain(name: str) -> str:
    """A codebook that did not fit its store is drawn with those that did."""
    return "codebook" if name.startswith("codebook (") else name or "other"


def _look(color: str, run: int) -> dict[str, Any]:
    """The color of a part; hatched for all runs but the first."""
    if run == 0:
        return {"facecolor": color, "edgecolor": "white", "linewidth": 0.3}
    from matplotlib.colors import to_rgb

    is_dark = sum(to_rgb(color)) < _MIDDLE
    line = "white" if is_dark else "0.15"
    return {"facecolor": color, "edgecolor": line, "linewidth": 0.3, "hatch": _hatch(run)}


def _hatch(run: int) -> str:
    return _HATCHES[1 + (run - 1) % (len(_HATCHES) - 1)]
