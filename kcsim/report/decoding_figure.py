"""Panels of the figure of a comparison: where to decode, and how each layer is executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kcsim.estimation.reasons import decoded_at
from kcsim.estimation.result import Result
from kcsim.report.axes import clear, in_words, verbatim
from kcsim.report.cells import scale
from kcsim.report.pictures import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {
    "dense": COLORS[7], "decode": COLORS[4], "share_products": COLORS[2], "share_sums": COLORS[1],
}  # fmt: skip
_DWARFS = 3.0
_ROOM = 1.35


def shown_up_to(heights: Sequence[float] | np.ndarray) -> float:
    """How high an axis has to be: of bars that dwarf the others, so much is shown.

    Parameters
    ----------
    heights : sequence of float
        Of all bars, in any unit.
    """
    ordered = sorted(float(height) for height in heights)
    if len(ordered) < 3:
        return ordered[-1] if ordered else 0.0
    # More than half of them set the scale.
    for lower, higher in zip(ordered[len(ordered) // 2 :], ordered[len(ordered) // 2 + 1 :],
                             strict=False):  # fmt: skip
        if lower and higher > _DWARFS * lower:
            return _ROOM * lower
    return ordered[-1]


def cut_bar(axis: Axes, place: float, highest: float, text: str, width: float) -> None:
    """Mark a bar that goes on above the axis, and say how high it is.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    place : float
        The middle of the bar.
    highest : float
        What is shown of it.
    text : str
    width : float
        Of the bar.
    """
    along = np.array([-0.55, 0.55]) * width
    for height in (0.66, 0.7):
        heights = highest * (height + np.array([-0.015, 0.015]))
        axis.plot(place + along, heights, color="white", linewidth=1.5, zorder=4)
    axis.annotate(
        verbatim(text), (place, highest), (0, -1), ha="center", va="top", zorder=5,
        textcoords="offset points", rotation=90 if width < 0.5 else 0,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def draw_decoding(axis: Axes, result: Result) -> None:
    """Draw what all layers take that are decoded at each level, beside dense weights.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    result : Result
    """
    places, dense = decoded_at(result), result.runs["dense"]
    heights = np.array([dense.energy, *(each.energy for each in places)])
    names = ["dense", *(each.level for each in places)]
    executions = ["dense"] + ["decode"] * len(places)
    highest, per_unit = _draw(axis, result, np.arange(len(heights)), heights, executions)
    for place, height in enumerate(heights[1:], 1):
        if height and height * per_unit <= highest:
            axis.annotate(
                f"{heights[0] / height:.2f}×", (place, height * per_unit), (0, 2), ha="center",
                textcoords="offset points",
            )  # fmt: skip
    axis.set_xticks(
        range(len(names)), [verbatim(name) for name in names], rotation=35, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.tick_params(axis="x", pad=1)
    axis.set_title("decoded at" if places else "dense")


def draw_layers(axis: Axes, result: Result) -> None:
    """Draw each layer dense, and as ``auto`` executes it.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    result : Result
    """
    from matplotlib.patches import Patch

    dense, auto = (result.runs[name].layers for name in ("dense", "auto"))
    places, width = np.arange(len(auto)), 0.4
    heights = np.concatenate([[e.energy for e in dense], [e.energy for e in auto]])
    executions = ["dense"] * len(dense) + [each.execution for each in auto]
    both = np.concatenate([places - width / 2, places + width / 2])
    _draw(axis, result, both, heights, executions, width)
    names = [verbatim(each.layer.name) for each in auto]
    axis.set_xticks(places, names, rotation=90)
    axis.tick_params(axis="x", pad=3, length=0)
    axis.set_xlim(-0.6, len(auto) - 0.4)
    axis.set_ylabel("")
    axis.set_ylim(0, 1.15 * axis.get_ylim()[1])
    axis.set_title("energy of each layer, dense and auto")
    used = [name for name in _COLORS if name in executions]
    axis.legend(
        handles=[Patch(facecolor=_COLORS[name], label=in_words(name)) for name in used],
        loc="upper center", ncols=len(used), frameon=False, borderaxespad=0.1, handlelength=1.0,
        columnspacing=1.0, handletextpad=0.4,
    )  # fmt: skip


def _draw(
    axis: Axes,
    result: Result,
    places: np.ndarray,
    heights: np.ndarray,
    executions: Sequence[str],
    width: float = 0.7,
) -> tuple[float, float]:
    """Draw bars in the colors of executions; how high the axis is, and its units per energy."""
    is_pj, highest = result.hardware.energy_unit == "pJ", shown_up_to(heights)
    base = 1e-12 if is_pj else 1.0
    factor, prefix = scale(highest * base)
    per_unit = base / factor
    axis.bar(
        places, np.minimum(heights, highest) * per_unit, width,
        color=[_COLORS[name] for name in executions],
        edgecolor="white", linewidth=0.3, zorder=2,
    )  # fmt: skip
    for place, height in zip(places, heights, strict=True):
        if height > highest:
            cut_bar(axis, place, highest * per_unit, f"{height * per_unit:.3g}", width)
    axis.set_ylim(0, 1.12 * highest * per_unit or 1)
    axis.set_ylabel(f"energy [{prefix}J]" if is_pj else f"energy [{f'{prefix} MAC'.strip()}]")
    clear(axis)
    return highest * per_unit, per_unit
