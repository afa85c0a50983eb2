"""The tiles of a shared convolution, each with what it costs at least."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from kcsim.mapping.search import objective_value
from kcsim.sharing.account import Cost
from kcsim.sharing.least_costs import LeastCosts
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.tiles import Tile


@dataclass(frozen=True, eq=False)
class Bounds:
    """The tiles that fit a home, and lower bounds of what they cost.

    Attributes
    ----------
    tiles : list of Tile
    gather_energy, gather_cycles : float64[tiles]
        Of the phase that gathers, without what every cycle costs.
    gathered_energy : float64[tiles]
        The part of it that its loops do not change.
    entries_energy, entries_cycles : float64[tiles]
        Of the phase that multiplies, likewise.
    outer_energy : float64[tiles]
        Of the loops above the home, likewise.
    outside_cycles : float64[tiles]
        Of the outermost level.
    static_pj_per_cycle : float
    homes : float64[tiles]
        Homes that may work side by side.
    are_all : bool
        Whether these are all tiles that fit: of very many, only some are looked at.
    """

    tiles: list[Tile]
    gather_energy: np.ndarray
    gather_cycles: np.ndarray
    gathered_energy: np.ndarray
    entries_energy: np.ndarray
    entries_cycles: np.ndarray
    outer_energy: np.ndarray
    outside_cycles: np.ndarray
    static_pj_per_cycle: float
    homes: np.ndarray
    are_all: bool

    @classmethod
    def of(cls, shared: SharedLayer, home: int, last: int, ordered: int = 0) -> Bounds:
        """All tiles for one place of the intermediate tensor."""
        tiles, are_all = _tiles(shared, whole=home == 0)
        tiles = [tile for tile in tiles if tile.M % max(ordered, 1) == 0]
        table = LeastCosts(shared, tiles, ordered)
        fits = table.fits(home, last)
        kept = [tiles[i] for i in np.flatnonzero(fits)]
        return cls(
            kept, table.gather_energy(home, last)[fits], table.gather_cycles(home, last)[fits],
            table.gathered_energy(last)[fits],
            table.entries_energy(home)[fits], table.entries_cycles(home)[fits],
            table.outer_energy(home)[fits],
            table.outside_cycles(home)[fits], shared.hardware.static_pj_per_cycle,
            table.homes(home)[fits], are_all,
        )  # fmt: skip

    @property
    def energy(self) -> np.ndarray:
        """Of each tile: float64[tiles]."""
        energy = self.gather_energy + self.entries_energy + self.outer_energy
        return np.asarray(energy + self.cycles * self.static_pj_per_cycle)

    @property
    def cycles(self) -> np.ndarray:
        """Of each tile, the phases one after the other, or the outermost level: float64[tiles]."""
        one_by_one = self.gather_cycles + self.entries_cycles
        return np.asarray(np.maximum(one_by_one, self.outside_cycles))

    def values(self, objective: str) -> np.ndarray:
        """Lower bounds of an objective."""
        found = objective_value(objective, self.energy, self.cycles)  # type: ignore[arg-type]
        return np.asarray(found)

    def value_with(
        self, index: int, objective: str, entries: Cost | None, gather: Cost | None
    ) -> float:
        """That of one tile, where energy and cycles of a phase, or of both, are known.

        Either one home does all, or several wait for the one with the most entries.
        """
        homes = float(self.homes[index])
        gather, entries = gather or self._gather(index), entries or self._entries(index)
        cycles = gather.cycles + entries.cycles
        cycles = min(cycles, (gather.waiting + entries.waiting) / homes)
        cycles = max(cycles, float(self.outside_cycles[index]))
        energy = gather.energy + entries.energy + float(self.outer_energy[index])
        return objective_value(objective, energy + cycles * self.static_pj_per_cycle, cycles)

    def _gather(self, index: int) -> Cost:
        """What the phase that gathers comes to at least."""
        cycles = float(self.gather_cycles[index]) * float(self.homes[index])
        return Cost(float(self.gather_energy[index]), cycles, cycles)

    def _entries(self, index: int) -> Cost:
        """What the phase that multiplies comes to at least."""
        cycles = float(self.entries_cycles[index]) * float(self.homes[index])
        return Cost(float(self.entries_energy[index]), cycles, cycles)

    def gathering_takes_more(self, index: int) -> bool:
        """Whether a tile spends more on it than on multiplying, by the bounds."""
        return bool(self.gather_energy[index] >= self.entries_energy[index])

    def most_of_gather(
        self, index: int, objective: str, entries: Cost | None, below: float, runs: int
    ) -> float:
        """What one run of the phase that gathers may come to, for a tile to come to less.

        With what is known of the rest, e and c, the phase's x and y have to fulfill
        (e + x) (c + y) < `below`, for energy and cycles: x y is the largest where e c = (e + x)^2
        c^2 / `below`, or at the bounds of x and y.

        Parameters
        ----------
        index : int
            The tile.
        objective : str
        entries : Cost, optional
            Of the phase that multiplies.
        below : float
            Of the whole tile.
        runs : int
        """
        static, homes = self.static_pj_per_cycle, float(self.homes[index])
        if below == math.inf or (static and homes > 1):
            # Each home would be charged for cycles that they have in common.
            return math.inf
        energy, cycles, waiting = entries or self._entries(index)
        cycles = min(cycles, waiting / homes)
        fixed = float(self.gathered_energy[index])
        energy += float(self.outer_energy[index]) + fixed + static * cycles
        own = float(self.gather_energy[index]) - fixed, float(self.gather_cycles[index])
        per_run = runs / (1 + 1e-9)
        if objective == "energy":
            return max(0.0, below - energy) / per_run
        if objective == "cycles":
            return max(0.0, below - cycles) * homes / per_run
        every = max(cycles + own[1], float(self.outside_cycles[index]))
        most = max(0.0, below / every - energy) if every else math.inf
        if most == math.inf or most < own[0]:
            return most if most == math.inf else 0.0
        best = math.sqrt(below * energy / cycles) - energy if cycles else most
        best = min(max(best, own[0]), most)
        if energy + best == 0:
            return math.inf
        return best * (below / (energy + best) - cycles) * homes / per_run**2


def _tiles(shared: SharedLayer, whole: bool) -> tuple[list[Tile], bool]:
    """Tiles that divide the layer and cut no unit, and whether these are all."""
    layer, depth = shared.layer, shared.unit.channels
    all_of_it = Tile.whole(layer)
    if whole:
        return [all_of_it], True
    choices = [_divisors(size) for size in all_of_it]
    channels = all_of_it.C
    choices[3] = [channels]
    if channels % depth == 0:
        choices[3] = [depth * blocks for blocks in _divisors(channels // depth)]
    are_all = True
    while math.prod(map(len, choices)) > _MOST_TILES:
        # The smallest tile may be the only one that fits.
        longest = max(range(len(choices)), key=lambda i: len(choices[i]))
        choices[longest], are_all = choices[longest][::2], False
    return [Tile(*sizes) for sizes in itertools.product(*choices)], are_all


_MOST_TILES = 50_000


def _divisors(number: int) -> list[int]:
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return small + [number // n for n in reversed(small) if n * n != number]
