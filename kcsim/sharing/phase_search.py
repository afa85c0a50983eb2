"""The best loops of the phases of a tile, with proof, and of those above its home.

Many tiles and places of the decoder have phases in common: each is searched once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts
from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search import machine as columns
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import OUT_OF_TIME, Task
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult, solve
from kcsim.sharing.account import SharedEstimate, evaluate_shared, gather_cost
from kcsim.sharing.outer import find_outer
from kcsim.sharing.phases import phase_hardware
from kcsim.sharing.places import Place, index_level
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import TENSORS, ConvLayer

Phases = dict[object, Any]
"""What was found for phases, or why nothing was, by what they differ in."""

_Found = TypeVar("_Found")
_NO_LOOPS = Mapping(())


class Gathering(NamedTuple):
    """Loops of the phase that gathers, and energy and cycles of all its runs.

    See `kcsim.sharing.account.gather_cost`.
    """

    loops: SearchResult
    energy: float
    cycles: float


class PhaseSearch:
    """Searches for one layer, way to share and objective, until a deadline.

    Parameters
    ----------
    objective : {"edp", "energy", "cycles"}
    deadline : Deadline
    even : bool
        Only search even mappings.
    phases : dict, optional
        What is known, and becomes so; also with the decoder elsewhere.

    Attributes
    ----------
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
        self._found: Phases = {} if phases is None else phases
        self.cut = ""

    def gather(self, shared: SharedLayer, place: Place, tile: Tile) -> Gathering:
        """The phase that gathers; the same wherever entries are decoded."""
        width, names = max(shared.widths(tile)), shared.hardware.level_names
        home, last, ordered = place

        def find() -> Gathering:
            found = self._search(
                shared.shapes(tile).gather, phase_hardware(shared, "gather", home, last),
                weights=(shared.gather_costs(tile, ordered),),
                prices=_gather_prices(shared, home, last, width * shared.depth),
            )  # fmt: skip
            mapping = SharedMapping(
                shared.sharing, names[home], names[last], ordered, tile, _NO_LOOPS, found.mapping,
                _NO_LOOPS,
            )  # fmt: skip
            return Gathering(found, *gather_cost(shared, mapping))

        found = self._remembered((place, tile), find)
        self.cut = self.cut or found.loops.note
        return found

    def mapped(self, shared: SharedLayer, place: Place, tile: Tile) -> SharedEstimate:
        """The estimate with the best loops for a tile and its place."""
        home, names = place.home, shared.hardware.level_names
        gather = self.gather(shared, place, tile).loops
        multiply = self._entries(shared, home, tile)
        tables = tile.G * shared.shapes(tile).tables
        within = (
            gather.energy + tables * multiply.energy,
            gather.cycles + tables * multiply.cycles,
        )
        outer = find_outer(shared, home, tile, place.ordered, within, self._search)
        mapping = SharedMapping(
            shared.sharing, names[home], names[place.last], place.ordered, tile, outer,
            gather.mapping, multiply.mapping, multiply.codebook_level,
        )  # fmt: skip
        return evaluate_shared(shared, mapping)

    def _entries(self, shared: SharedLayer, home: int, tile: Tile) -> SearchResult:
        """The loops of the phase that multiplies."""
        shapes, widths = shared.shapes(tile), shared.widths(tile)
        layer, rounds = shapes.entries(smooth(max(widths))), tile.rounds(shared.layer)
        loads = 1
        if shared.form.loads_codebook:
            loads = sum(widths.values()) * rounds.N * rounds.P * rounds.Q

        def find() -> SearchResult:
            hardware = phase_hardware(shared, "entries", home, home)
            # The codebook is loaded once for all runs.
            costs = tuple(
                replace(
                    each, load_pj=each.load_pj / loads, copy_pj=each.copy_pj / loads,
                    load_cycles=each.load_cycles / loads, copy_cycles=each.copy_cycles / loads,
                )
                for each in shared.entry_form(shapes).costs(hardware)
            )  # fmt: skip
            return self._search(layer, hardware, costs, _entry_prices(hardware, home))

        key = shared.decode_level, home, loads, layer.shape_key
        found = self._remembered(key, find)
        self.cut = self.cut or found.note
        return found

    def _search(
        self,
        layer: ConvLayer,
        hardware: Hardware,
        weights: Sequence[WeightCosts] = (DENSE,),
        prices: Prices | None = None,
    ) -> SearchResult:
        task = Task(layer, hardware, tuple(weights), prices, self._even, is_counted=False)
        try:
            return solve(task, self._objective, max(self.deadline.left, 1e-3), self.deadline)
        except MappingError:
            self.cut = self.cut or (OUT_OF_TIME if self.deadline.has_passed else "")
            raise

    def _remembered(self, key: object, find: Callable[[], _Found]) -> _Found:
        """What was found for a key, or could not be."""
        if key not in self._found:
            try:
                self._found[key] = find()
            except MappingError as error:
                if self.cut:
                    raise
                self._found[key] = error
        if isinstance(found := self._found[key], MappingError):
            raise found
        return cast(_Found, found)


def _entry_prices(hardware: Hardware, home: int) -> Prices:
    """The phase that multiplies: what its inputs and outputs do above the home is not its own."""
    factors = np.ones((len(hardware.levels), 3, 8))
    factors[:home, 1:] = 0
    factors[home, 1:, columns.FILL_PJ] = 0
    factors[: home + 1, :, columns.VALUE_BITS] = 0
    return Prices(factors)


def _gather_prices(shared: SharedLayer, home: int, last: int, width: int) -> Prices:
    """The phase that gathers: tables move as a whole, and are gathered from at a fixed price."""
    factors = np.ones((len(shared.hardware.levels), 3, 8))
    for j, first in enumerate((index_level(shared.hardware, home), home, home)):
        factors[:first, j] = 0
        factors[first, j, columns.FILL_PJ] = 0
    role = TENSORS.index(shared.role)
    factors[: last + 1, role] *= width
    factors[last, role, [columns.READ_PJ, columns.UPDATE_PJ, columns.TRANSFER_PJ]] = 0
    factors[last, role, [columns.READ_CYCLES, columns.SPILL_CYCLES]] = 0
    factors[last + 1 :, role] = 0
    if role == TENSORS.index("outputs"):
        factors[last, role, columns.WRITE_CYCLES] = 0
    factors[: home + 1, :, columns.VALUE_BITS] = 0
    return Prices(factors)


def smooth(number: int) -> int:
    """The next number without prime factors above 7: loops over it can be cut in many ways."""
    while True:
        left = number
        for prime in (2, 3, 5, 7):
            while left % prime == 0:
                left //= prime
        if left == 1:
            return number
        number += 1
