"""What a phase of a shared convolution costs, as its bounds and its account say alike."""

from __future__ import annotations

import math
from typing import NamedTuple

from kcsim.cost.static import statics_of
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Mapping


class Cost(NamedTuple):
    """Energy and cycles of one phase, over all tiles.

    Without what every cycle costs; of homes that work side by side, the cycles of all.

    Attributes
    ----------
    energy, cycles : float
    waiting : float
        Cycles where homes wait for the one whose run is the longest.
    in_use_pj : float
        What a cycle costs more as instances inside of one home, and this itself, are in use.
    """

    energy: float
    cycles: float
    waiting: float
    in_use_pj: float = 0.0


def in_use_pj(hardware: Hardware, mapping: Mapping, home: int) -> float:
    """``in_use_pj`` of the `Cost` of a phase with such loops.

    Parameters
    ----------
    hardware : Hardware
    mapping : Mapping
    home : int
        Position of the home.
    """
    used, found = 1, 0.0
    spread = {own.level: (*own.spatial_x, *own.spatial_y) for own in mapping.levels}
    for i, each in enumerate(statics_of(hardware)):
        if i >= home:
            found += used * each.in_use_pj
        used *= math.prod(loop.bound for loop in spread.get(each.component, ()))
    return found
