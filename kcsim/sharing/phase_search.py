"""The best loops of the phases of a tile, with proof, and of those above its home.

Many tiles and places of the decoder have phases in common: each is searched once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts
from kcsim.errors import MappingError
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Compute, Hardware, LevelConstraint
from kcsim.kernels.spreads import most_spread
from kcsim.mapping import explore
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import OUT_OF_TIME
from kcsim.mapping.memory import Memory
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import SearchResult, objective_value, solve_below
from kcsim.mapping.task import Task
from kcsim.model.counts import count_layer
from kcsim.sharing.account import (
    PhaseCost,
    SharedEstimate,
    entries_cost,
    evaluate_shared,
    gather_cost,
    phase_costs,
)  # fmt: skip
from kcsim.sharing.cost import Cost
from kcsim.sharing.least_entries import cut_short
from kcsim.sharing.outer import find_outer
from kcsim.sharing.phase_prices import entry_prices, gather_prices
from kcsim.sharing.phases import phase_hardware, units_of
from kcsim.sharing.places import Place
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.shapes import smooth
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import DIMENSIONS, ConvLayer

MORE = 1.05
"""How much more than asked for is searched: with the decoder elsewhere, a bit more may be asked."""
_Known = dict[object, tuple[Any, str]]
"""What was found, or why nothing was; and why it is not proved, if it is not."""
_Remembered = TypeVar("_Remembered")


@dataclass(frozen=True)
class Phases:
    """What is known of phases, by what they differ in: of one hardware, with the decoder anywhere.

    Attributes
    ----------
    costs : dict
        What they cost all tiles of a layer.
    loops : dict
        Their loops: of all layers and ways to share.
    least : dict
        What gathering comes to at least in tiles that others are parts of.
    gathering : dict
        Bounds of the phase that gathers; see `kcsim.sharing.bounds.Bounds.of`.
    memory : Memory
        Of all searches, one after the other.
    """

    costs: _Known = field(default_factory=dict)
    loops: _Known = field(default_factory=dict)
    least: dict[object, dict[Tile, float]] = field(default_factory=dict)
    gathering: dict[object, Any] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)

    def of_layer(self) -> Phases:
        """The same loops, for another layer or way to share."""
        return replace(self, costs={}, least={}, gathering={})


@functools.cache
def compile_kernels() -> None:
    """Let all that a search needs be compiled before the clock of the first one runs."""
    # Phases move it; see `with_padding_moved`.
    explore.compile_kernels("moved")
    levels = (Level(name="any", read_pj=1, write_pj=1),)
    hardware = Hardware(name="any", levels=levels, compute=Compute(mac_pj=1))
    # Tables that are narrower than the widest one cut loops short.
    for size in (4, 3):
        loops = Loop("M", 2), Loop("M", 2)
        layer = ConvLayer("any", 1, size, 1, 1, 1, 1)
        count_layer(layer, hardware, Mapping((LevelLoops("any", loops),)))
    most_spread(np.ones(1, np.int64), 1, 1, np.empty(1))


class Found(NamedTuple):
    """The loops of a phase, and what all its runs cost."""

    loops: SearchResult
    counted: PhaseCost

    @property
    def cost(self) -> Cost:
        """Of all runs."""
        return self.counted.cost


class PhaseSearch:
    """Searches for one layer, way to share and objective, until a deadline.

    Parameters
    ----------
    objective : {"edp", "energy", "cycles"}
    deadline : Deadline
    even : bool
        Only search even mappings.
    phases : Phases, optional
        What is known, and becomes so.

    Attributes
    ----------
    gathering : dict
        See `Phases`.
    cut : str
        Why not all that was found is proved.
    """

    def __init__(
        self,
        objective: str,
        deadline: Deadline | None = None,
        even: bool = False,
        phases: Phases | None = None,
    ) -> None:
        self._objective, self.deadline, self._even = objective, deadline or Deadline(), even
        self._known = phases or Phases()
        self.gathering = self._known.gathering
        self.cut = ""

    def gather(self, shared: SharedLayer, place: Place, tile: Tile) -> Found:
        """The phase that gathers: the same wherever entries are decoded."""

        def find() -> Found:
            loops = self.gather_loops(shared, place, tile)
            assert loops is not None
            plan = replace(_without_loops(shared, place, tile), gather=loops.mapping)
            return Found(loops, gather_cost(shared, plan))

        return _remembered(self._known.costs, (shared.listed, place, tile), find)

    def gather_loops(
        self, shared: SharedLayer, place: Place, tile: Tile, most: float = math.inf
    ) -> SearchResult | None:
        """Its loops; ``None`` if the objective of one run is above `most`."""
        home, last, ordered = place
        units, parts = units_of(shared, "gather", tile, ordered), repeatable(shared, home)
        # In order, no table lies anywhere but at home.
        width = 1 if ordered else max(shared.widths(tile)) * shared.depth
        costs = shared.gather_costs(tile, ordered)
        cut = (n for d, n in zip(Tile._fields, tile, strict=True) if d not in parts)
        least = self._known.least.setdefault((place, costs, width, units, *cut), {})
        if self._least_of_larger(least, tile) > most:
            return None
        layer = shared.shapes(tile, ordered).gather

        def find(most: float) -> SearchResult | None:
            return self._search(
                layer, phase_hardware(shared, "gather", home, last, tile, ordered), (costs,),
                gather_prices(shared, home, last, width), home + 1, most,
            )  # fmt: skip

        key = home, last, shared.role, costs, width, units, layer.shape_key
        found = self._found(key, find, most)
        value = self._known.loops[key][0] if found is None else self._value(found)
        least[tile] = max(value, least.get(tile, 0.0))
        return found

    def entries(self, shared: SharedLayer, place: Place, tile: Tile) -> Found:
        """The phase that multiplies, all tables of a tile after the other.

        It is the same wherever tables are gathered at, and in all tiles that have the same
        positions and the same tables.
        """

        def find() -> Found:
            loops = self._entry_loops(shared, place, tile)
            assert loops is not None
            plan = replace(
                _without_loops(shared, place, tile), entries=loops.mapping,
                codebook_level=loops.codebook_level,
            )  # fmt: skip
            return Found(loops, entries_cost(shared, plan))

        return _remembered(self._known.costs, _entries_key(shared, place, tile), find)

    def least_of_entries(
        self, shared: SharedLayer, place: Place, tile: Tile, most: float = math.inf
    ) -> Cost | None:
        """What multiplying comes to at least with its loops, which narrower tables cut short.

        ``None`` if the objective of one run for the widest table is above `most`.
        """
        if shared.sharing.merged == "C":
            # A narrower run may take less than its share of the widest one.
            most = math.inf
        loops = self._entry_loops(shared, place, tile, most)
        if loops is None:
            return None
        key = "least", *_entries_key(shared, place, tile)
        return _remembered(self._known.costs, key, lambda: cut_short(shared, place, tile, loops))

    def mapped(
        self, shared: SharedLayer, place: Place, tile: Tile, below: float = math.inf
    ) -> SharedEstimate | None:
        """The estimate with the best loops for a tile and its place.

        ``None`` if its objective is not below a value.
        """
        gathered, multiplied = self.gather(shared, place, tile), self.entries(shared, place, tile)
        plan = replace(
            _without_loops(shared, place, tile), gather=gathered.loops.mapping,
            entries=multiplied.loops.mapping, codebook_level=multiplied.loops.codebook_level,
        )  # fmt: skip
        phases = phase_costs(shared, plan, gathered.counted, multiplied.counted)
        best: SharedEstimate | None = None

        def search(
            least: tuple[float, float], layer: ConvLayer, hardware: Hardware,
            weights: WeightCosts, prices: Prices,
        ) -> SearchResult | None:  # fmt: skip
            if objective_value(self._objective, *least) >= below:
                return None
            # Sums are rounded. Loops over what a tile spans are at its home, where they cost
            # nothing.
            most = below * (1 + 1e-9)
            return self._search(layer, hardware, (weights,), prices, most=most, uncut="RS")

        for outer in find_outer(shared, plan, phases, search):
            found = evaluate_shared(shared, replace(plan, outer=outer), phases)
            value = objective_value(self._objective, found.energy, found.cycles.total)
            if value < below:
                best, below = found, value
        return best

    def _value(self, found: SearchResult) -> float:
        return objective_value(self._objective, found.energy, found.cycles)

    def _least_of_larger(self, known: dict[Tile, float], tile: Tile) -> float:
        """The least that a tile may come to, knowing larger ones: these may repeat its loops."""
        least, power = 0.0, 2 if self._objective == "edp" else 1
        for larger, value in known.items():
            if all(n % part == 0 for n, part in zip(larger, tile, strict=True)):
                times = math.prod(larger) // math.prod(tile)
                least = max(least, value / times**power * (1 - 1e-9))
        return least

    def _entry_loops(
        self, shared: SharedLayer, place: Place, tile: Tile, most: float = math.inf
    ) -> SearchResult | None:
        """The loops of the phase that multiplies, for tables as wide as any, or wider.

        ``None`` if the objective of one run is above `most`.
        """
        home, ordered = place.home, place.ordered
        shapes, widths = shared.shapes(tile), shared.widths(tile, ordered)
        layer = shared.entries_layer(tile, smooth(max(widths)))
        rounds = tile.rounds(shared.layer)
        loads = 1
        if shared.form.loads_codebook:
            loads = sum(widths.values()) * rounds.N * rounds.P * rounds.Q

        hardware = phase_hardware(shared, "entries", home, home, tile, ordered)
        costs = tuple(
            _of_one_run(each, loads, home) for each in shared.entry_form(shapes).costs(hardware)
        )

        def find(most: float) -> SearchResult | None:
            prices = entry_prices(shared, home)
            return self._search(layer, hardware, costs, prices, home + 1, most)

        own = shared.decode_level, home, shared.role, units_of(shared, "entries", tile, ordered)
        return self._found((*own, costs, layer.shape_key), find, most)

    def _search(
        self,
        layer: ConvLayer,
        hardware: Hardware,
        weights: Sequence[WeightCosts] = (DENSE,),
        prices: Prices | None = None,
        filled: int = 1,
        most: float = math.inf,
        uncut: str = "",
    ) -> SearchResult | None:
        task = Task(
            layer, hardware, tuple(weights), prices, self._even, is_counted=False, filled=filled,
            uncut=uncut,
        )  # fmt: skip
        try:
            limit = max(self.deadline.left, 1e-3)
            memory = self._known.memory
            found = solve_below(task, self._objective, most, limit, self.deadline, memory)
        except MappingError:
            self.cut = self.cut or (OUT_OF_TIME if self.deadline.has_passed else "")
            raise
        self.cut = self.cut or (found.note if found else "")
        return found

    def _found(
        self, key: object, find: Callable[[float], SearchResult | None], most: float
    ) -> SearchResult | None:
        """The loops for a key, or that there are none, or none that are not above `most`."""
        known = self._known.loops
        value, cut = known.get(key, (-math.inf, ""))
        # A number is what the objective is above.
        if isinstance(value, float) and value < most:
            most *= MORE
            try:
                value, cut = find(most), self.cut
                value = most if value is None else value
            except MappingError as error:
                if self.cut:
                    raise
                value = error
            known[key] = value, cut
        self.cut = self.cut or cut
        if isinstance(value, MappingError):
            raise value
        return None if isinstance(value, float) else value


def _of_one_run(weights: WeightCosts, loads: int, home: int) -> WeightCosts:
    """What a run pays of a codebook that is loaded once for so many.

    It does not wait for lookups above its home.
    """
    is_above = weights.store_level is not None and weights.store_level < home
    return replace(
        weights, load_pj=weights.load_pj / loads, copy_pj=weights.copy_pj / loads,
        load_cycles=weights.load_cycles / loads, copy_cycles=weights.copy_cycles / loads,
        lookup_cycles=0.0 if is_above else weights.lookup_cycles,
    )  # fmt: skip


def _entries_key(shared: SharedLayer, place: Place, tile: Tile) -> tuple[object, ...]:
    """Equal for tiles whose phase that multiplies is the same."""
    merged = getattr(tile, shared.sharing.merged)
    units = units_of(shared, "entries", tile, place.ordered)
    own = shared.decode_level, place.home, place.ordered, units
    return *own, shared.listed, tile.N, tile.P, tile.Q, merged


def _remembered(known: _Known, key: object, find: Callable[[], _Remembered]) -> _Remembered:
    """What was found for a key, or could not be."""
    if key not in known:
        try:
            known[key] = find(), ""
        except MappingError as error:
            known[key] = error, ""
    found, _ = known[key]
    if isinstance(found, MappingError):
        raise found
    return cast(_Remembered, found)


def _without_loops(shared: SharedLayer, place: Place, tile: Tile) -> SharedMapping:
    names, none = shared.hardware.level_names, Mapping(())
    home, last = names[place.home], names[place.last]
    return SharedMapping(
        shared.sharing, home, last, place.ordered > 0, tile, none, none, none,
        group=max(place.ordered, 1), listed=shared.listed,
    )  # fmt: skip


def repeatable(shared: SharedLayer, home: int) -> str:
    """Dimensions along which a larger tile may do what several tiles do, one after the other.

    Its tables are as wide, its outputs are others, and the home may iterate over them.
    """
    level = shared.hardware.levels[home]
    constraint = shared.hardware.dataflow.levels.get(level.name, LevelConstraint())
    if constraint.stationary is not None:
        return ""
    allowed = DIMENSIONS if constraint.temporal is None else constraint.temporal
    return "".join(d for d in "NGMPQ" if d in allowed and d != shared.sharing.merged)
