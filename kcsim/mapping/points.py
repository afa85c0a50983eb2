"""Mappings with what they cost, and which of them are the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kcsim.kernels.search.progress import CYCLES, ENERGY_DELAY, TOLERANCE
from kcsim.mapping.nest import Mapping


class Point(NamedTuple):
    """A mapping with its energy and cycles.

    Attributes
    ----------
    mapping : Mapping
    energy, cycles : float
    codebook_level : int, optional
        Position of the level that holds a codebook too large for its store.
    """

    mapping: Mapping
    energy: float
    cycles: float
    codebook_level: int | None


def objective_of(objective: int, energy: float, cycles: float) -> float:
    """What an objective minimizes."""
    if objective == ENERGY_DELAY:
        return energy * cycles
    return cycles if objective == CYCLES else energy


def front_of(points: Sequence[Point]) -> list[Point]:
    """Those that no other betters in both energy and cycles, from the fastest on."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cycles, point.energy)):
        if not found or point.energy < found[-1].energy * (1 - TOLERANCE):
            found.append(point)
    return found
