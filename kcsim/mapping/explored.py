"""What is known of the mappings of a layer while they are explored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass
class Explored:
    """What is known of the mappings of a layer.

    Attributes
    ----------
    points : list of Point
        The best one, or the front.
    left_out : list of (float, float)
        What mappings that were not looked at cannot undercut: the objective twice, or of a front
        energy and cycles.
    reasons : list of str
        Why they were not.
    mappings : int
        In the map space; those that were counted before the deadline.
    evaluated, nodes : int
        Mappings, and parts of mappings, that were costed.
    """

    points: list[Point] = field(default_factory=list)
    left_out: list[tuple[float, float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    mappings: int = 0
    evaluated: int = 0
    nodes: int = 0

    def leave_out(self, reason: str, least: tuple[float, float]) -> None:
        """Note what was not looked at, and why."""
        self.left_out.append(least)
        if reason not in self.reasons:
            self.reasons.append(reason)


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
