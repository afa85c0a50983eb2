"""The tiles of a shared convolution, each with what it costs at least."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kcsim.cost.static import busy_pj, idle_pj, statics_of
from kcsim.hardware.schema import Hardware
from kcsim.mapping.search import SearchResult, objective_value
from kcsim.sharing.cost import Cost, in_use_pj
from kcsim.sharing.least_costs import LeastCosts
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.tiles import Tile
from kcsim.sums import exact_sum

_Gathering = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Energy and cycles of the phase that gathers, and of the energy what its loops do not change."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """The tiles that fit a home, and lower bounds of what they cost.

    Attributes
    ----------
    tiles : int64[tiles, 6]
        As `Tile`.
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
        With what idle instances cost, and those above the home that are in use.
    busy_pj_per_cycle : float
        With all that instances leak at most.
    has_offsets : bool
        Whether the phase that gathers runs a second time, for sums of whole blocks.
    homes : float64[tiles]
        Homes that may work side by side.
    are_all : bool
        Whether these are all tiles that fit: of very many, only some are looked at.
    home : int
    hardware : Hardware
    """

    tiles: np.ndarray
    gather_energy: np.ndarray
    gather_cycles: np.ndarray
    gathered_energy: np.ndarray
    entries_energy: np.ndarray
    entries_cycles: np.ndarray
    outer_energy: np.ndarray
    outside_cycles: np.ndarray
    static_pj_per_cycle: float
    busy_pj_per_cycle: float
    has_offsets: bool
    homes: np.ndarray
    are_all: bool
    home: int
    hardware: Hardware

    @classmethod
    def of(
        cls,
        shared: SharedLayer,
        home: int,
        last: int,
        ordered: int = 0,
        gathering: dict[object, _Gathering] | None = None,
    ) -> Bounds:
        """All tiles for one place of the intermediate tensor.

        Parameters
        ----------
        shared : SharedLayer
        home, last, ordered : int
            See `Place`.
        gathering : dict, optional
            What is known of that phase, and becomes so: the same wherever entries are decoded.
        """
        table, are_all = _least_costs(shared, home == 0, ordered)
        fits, hardware = table.fits(home, last), shared.hardware
        known, place = {} if gathering is None else gathering, (shared.listed, home, last, ordered)
        if place not in known:
            known[place] = (
                table.gather_energy(home, last), table.gather_cycles(home, last),
                table.gathered_energy(last),
            )  # fmt: skip
        at_home = "at home", home, ordered
        if at_home not in shared.known:
            shared.known[at_home] = (
                table.entries_energy(home), table.entries_cycles(home), table.outer_energy(home),
                table.outside_cycles(home),
            )  # fmt: skip
        gather_energy, gather_cycles, gathered = (each[fits] for each in known[place])
        energy, cycles, outer, outside = (each[fits] for each in shared.known[at_home])
        return cls(
            table.tiles[fits], gather_energy, gather_cycles, gathered, energy, cycles, outer,
            outside, _least_static(hardware, home), busy_pj(hardware), shared.has_offsets,
            table.homes(home)[fits], are_all, home, hardware,
        )  # fmt: skip

    def tile(self, index: int) -> Tile:
        """One of them."""
        return Tile(*self.tiles[index].tolist())

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
        # As many homes as work side by side share the cycles of one, but for what is rounded up.
        alone = max(gather.cycles + entries.cycles - homes, cycles)
        energy += max(gather.in_use_pj, entries.in_use_pj) * alone
        return objective_value(objective, energy + cycles * self.static_pj_per_cycle, cycles)

    def _gather(self, index: int) -> Cost:
        """What the phase that gathers comes to at least."""
        cycles = float(self.gather_cycles[index]) * float(self.homes[index])
        return Cost(float(self.gather_energy[index]), cycles, cycles)

    def _entries(self, index: int) -> Cost:
        """What the phase that multiplies comes to at least."""
        cycles = float(self.entries_cycles[index]) * float(self.homes[index])
        return Cost(float(self.entries_energy[index]), cycles, cycles)

    def gather_with(self, index: int, loops: SearchResult, runs: int) -> Cost:
        """What the phase that gathers comes to at least with some loops, in so many runs.

        Accesses are rounded up to whole ones, which the search does not see. It does not wait for
        what is gathered either, but all that every cycle costs is in its energy.
        """
        least = self._gather(index)
        own = loops.energy - self.busy_pj_per_cycle * loops.cycles
        energy = runs * own * (1 - 1e-12) + float(self.gathered_energy[index])
        cycles = runs * loops.cycles * (1 + self.has_offsets) * (1 - 1e-12)
        cycles = max(cycles, least.cycles)
        in_use = in_use_pj(self.hardware, loops.mapping, self.home)
        return Cost(max(energy, least.energy), cycles, cycles, in_use)

    def gathering_takes_more(self, index: int) -> bool:
        """Whether a tile spends more on it than on multiplying, by the bounds."""
        return bool(self.gather_energy[index] >= self.entries_energy[index])

    def most_of_gather(
        self, index: int, objective: str, entries: Cost | None, below: float, runs: int
    ) -> float:
        """What one run of the phase that gathers may come to, for a tile to come to less.

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
        fixed, own = float(self.gathered_energy[index]), self._gather(index)
        entries = entries or self._entries(index)
        rest = entries._replace(energy=entries.energy + fixed)
        return self._most_of_phase(
            index, objective, rest, own._replace(energy=own.energy - fixed), below, runs
        )

    def most_of_entries(
        self, index: int, objective: str, gather: Cost | None, below: float, tables: float
    ) -> float:
        """Likewise, of multiplying for the widest table, of so many that take as much as all."""
        rest, own = gather or self._gather(index), self._entries(index)
        return self._most_of_phase(index, objective, rest, own, below, tables)

    def _most_of_phase(
        self, index: int, objective: str, rest: Cost, own: Cost, below: float, runs: float
    ) -> float:
        """What one of so many runs of a phase may come to, of which bounds are known.

        With what is known of the rest, e and c, the phase's x and y have to fulfill
        (e + x) (c + y) < `below`, for energy and cycles: x y is the largest where e c = (e + x)^2
        c^2 / `below`, or at the bounds of x and y.
        """
        static, homes = self.static_pj_per_cycle, float(self.homes[index])
        if below == math.inf or (self.busy_pj_per_cycle and homes > 1):
            # Each home would be charged for cycles that they have in common.
            return math.inf
        cycles = min(rest.cycles, rest.waiting / homes)
        energy = rest.energy + float(self.outer_energy[index]) + static * cycles
        per_run = runs / (1 + 1e-9)
        if objective == "energy":
            return max(0.0, below - energy) / per_run
        if objective == "cycles":
            return max(0.0, below - cycles) * homes / per_run
        every = max(cycles + own.cycles / homes, float(self.outside_cycles[index]))
        most = max(0.0, below / every - energy) if every else math.inf
        if most == math.inf or most < own.energy:
            return most if most == math.inf else 0.0
        best = math.sqrt(below * energy / cycles) - energy if cycles else most
        best = min(max(best, own.energy), most)
        if energy + best == 0:
            return math.inf
        return best * (below / (energy + best) - cycles) * homes / per_run**2


def _least_static(hardware: Hardware, home: int) -> float:
    """What every cycle costs at least: with one instance of each level above the home in use."""
    more = [each.in_use_pj for each in statics_of(hardware)]
    return hardware.static_pj_per_cycle + idle_pj(hardware) + exact_sum(more[:home])


def _least_costs(shared: SharedLayer, whole: bool, ordered: int) -> tuple[LeastCosts, bool]:
    """What all tiles cost at least, or the whole layer as one; and whether these are all."""
    key = "least costs", whole, ordered
    if key not in shared.known:
        tiles, are_all = _tiles(shared, whole)
        may = tiles[:, Tile._fields.index("M")] % max(ordered, 1) == 0
        shared.known[key] = LeastCosts(shared, tiles[may], ordered), are_all
    found: tuple[LeastCosts, bool] = shared.known[key]
    return found


def _tiles(shared: SharedLayer, whole: bool) -> tuple[np.ndarray, bool]:
    """Tiles that divide the layer and cut no unit, and whether these are all."""
    layer, depth = shared.layer, shared.unit.channels
    all_of_it = Tile.whole(layer)
    if whole:
        return np.array([all_of_it]), True
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
    return np.stack(np.meshgrid(*choices, indexing="ij"), axis=-1).reshape(-1, 6), are_all


_MOST_TILES = 50_000


def _divisors(number: int) -> list[int]:
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return small + [number // n for n in reversed(small) if n * n != number]
