"""Bars of very different heights on one axis: a few that dwarf all others are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DWARFED, MOST_CUT = 3.0, 3
"""A few bars that are so many times as high as all others are cut."""
FAR = 8.0
"""Any number of bars is, that are so many times as high as one that all are compared with."""
_ROOM = 1.3
"""What is shown of them, of the highest of the others."""
_BREAK = 0.84
"""Where they are broken, of what is shown."""


def shown_up_to(heights: Sequence[float] | np.ndarray, at_least: float = 0.0) -> float:
    """The height up to which bars are shown.

    That of the highest, unless a few of them, less than half, dwarf all others, or more of them
    what all are compared with.

    Parameters
    ----------
    heights : sequence of float
        In any unit.
    at_least : float
        What is shown as a whole, as the bar that all are compared with.

    Examples
    --------
    >>> shown_up_to([1, 2, 3])
    3.0
    >>> shown_up_to([1, 2, 100])
    2.6
    >>> shown_up_to([1, 12, 30, 0.9], at_least=1)
    1.3
    """
    ordered = sorted(map(float, heights), reverse=True)
    few = min(MOST_CUT, (len(ordered) - 1) // 2)
    for count in range(len(ordered) - 1 if at_least else few, 0, -1):
        rest = max(ordered[count], at_least)
        if rest and ordered[count - 1] > (DWARFED if count <= few else FAR) * rest:
            return _ROOM * rest
    return max(ordered, default=0.0)


def mark_cut(axis: Axes, place: float, height: float, width: float) -> None:
    """Break a bar that goes on above what is shown of it.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    place : float
        The middle of the bar.
    height : float
        What is shown.
    width : float
    """
    along = place + np.array([-0.6, 0.6]) * width
    heights = height * (_BREAK + np.array([-0.025, 0.025]))
    axis.plot(along, heights, color="white", linewidth=2.4, solid_capstyle="butt", zorder=4)
