"""What points have in common: mapping problems, optima that hold elsewhere, and bounds.

A mapping problem is a layer, the forms of its weights, what the mapper sees of a hardware, and
the objective. Each is solved once: results are kept by problem, in memory and on disk. Between
different problems there are three ways to help:

* A design whose memories are only smaller, at the same energies, takes the optimum of the larger
  one where that mapping fits: it costs the same, and no mapping can be better, as the larger design
  admits all of the smaller one's. Nothing is searched, and the optimum is proved.
* Where it does not fit, its cost is a lower bound, as is that of any design that is `relaxed`.
* A mapping of a neighbor that fits costs at least as much as the optimum: `upper_bound`. Nothing
  above that is looked for. What is found does not depend on it; see `kcsim.mapping.neighbors`.
* Tables of searches are kept, for whichever problems have them in common.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.as_mapped import Sizes, as_mapped, sizes_of, structure_of
from kcsim.mapping.cache import MappingCache
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.layers import Mapper, MappingTask
from kcsim.mapping.neighbors import Neighbors
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult, objective_value, search_mapping
from kcsim.mapping.tables import SharedTables
from kcsim.mapping.verify import costs_in_space

Outcome = SearchResult | MappingError
MOST_KEPT = 4096
"""Results in memory, so that it stays as small for any number of points."""
MOST_SEEN = 256
"""Hardware designs of which it is kept what problems have of them."""
MOST_NEIGHBORS, NEAREST = 32, 2
"""Mappings of a layer on hardware of one structure that are kept, and those that are tried."""
_SAME = 1e-9
"""Costs that are equal to this share are the same, as for the search."""


class _Seen(NamedTuple):
    """A hardware as problems have it."""

    hardware: Hardware
    mapped: Hardware
    key: str
    structure: str
    sizes: Sizes


class SharingMapper(Mapper):
    """Solves each mapping problem once, from larger designs where that is possible.

    What a problem takes over, and from where, is decided before anything runs (`larger`), so that
    results do not depend on which problem was solved first.

    Parameters
    ----------
    cache : MappingCache, optional
        Where results of searches are kept; the user's own when absent.
    threads : int, optional
    """

    def __init__(self, cache: MappingCache | None = None, threads: int | None = 1) -> None:
        super().__init__(cache, threads)
        self._known: OrderedDict[Hashable, Outcome] = OrderedDict()
        self._neighbors: OrderedDict[Hashable, dict[Sizes, Mapping]] = OrderedDict()
        self._larger: dict[str, tuple[Sequence[Hardware], int]] = {}
        self._tables = SharedTables()
        self._seen: OrderedDict[int, _Seen] = OrderedDict()
        self.searched = self.taken_over = 0

    def expect(self, hardware: Hardware, larger: Sequence[Hardware]) -> None:
        """Say which designs a hardware takes optima from: the next larger first.

        They are looked at one by one, as far as optima are not known.
        """
        self._larger = {self._look_at(hardware).key: (larger, 0)}

    def _next_larger(self, seen: _Seen) -> Hardware | None:
        """The design from which another takes optima over."""
        larger, position = self._larger.get(seen.key, ((), 0))
        if position == len(larger):
            return None
        found = larger[position]
        self._larger[self._look_at(found).key] = larger, position + 1
        return found

    def solve(
        self,
        task: MappingTask,
        hardware: Hardware,
        objective: str,
        time_limit: float | None = None,
        within: Deadline | None = None,
    ) -> Outcome:
        """The best mapping of a layer, or why it has none; see `Mapper.solve`."""
        if task.fix is not None:
            return super().solve(task, hardware, objective, time_limit, within)
        seen = self._look_at(hardware)
        problem = (task.shape, seen.key, objective, time_limit)
        if problem in self._known:
            self._known.move_to_end(problem)
            return self._known[problem]
        result: Outcome | None = None
        larger = self._next_larger(seen)
        if larger is not None:
            above = self.solve(task, larger, objective, time_limit, within)
            result = taken_over(above, task, seen.mapped, objective)
            self.taken_over += result is not None
        if result is None:
            result = self._searched(task, seen, objective, time_limit, within)
        self._known[problem] = result
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return result

    def _look_at(self, hardware: Hardware) -> _Seen:
        found = self._seen.get(id(hardware))
        if found is None:
            mapped = as_mapped(hardware)
            structure, sizes = structure_of(mapped), sizes_of(mapped)
            found = _Seen(hardware, mapped, repr(mapped), structure, sizes)
            self._seen[id(hardware)] = found
            if len(self._seen) > MOST_SEEN:
                self._seen.popitem(last=False)
        return found

    def _searched(
        self,
        task: MappingTask,
        seen: _Seen,
        objective: str,
        time_limit: float | None,
        within: Deadline | None,
    ) -> Outcome:
        """The best mapping of a layer from what is kept, or from a search."""
        store, (layer, weights, even, *_), hardware = self.store, task, seen.hardware
        result, key = None, ""
        if store:
            key = store.key(layer, hardware, objective, weights, even=even, first_of_equals=True)
            result = store.load(key, layer, hardware, weights, even=even)
        family = task.layer.shape_key, even, seen.structure, objective
        near = self._neighbors.setdefault(family, {})
        self._neighbors.move_to_end(family)
        if result is None:
            nearest = sorted(near, key=lambda sizes: _distance(sizes, seen.sizes))[:NEAREST]
            most = upper_bound(task, hardware, objective, [near[sizes] for sizes in nearest])
            self.searched += 1
            try:
                result = search_mapping(
                    layer, hardware, objective=objective, weights=weights, time_limit=time_limit,
                    within=within, even=even, neighbors=Neighbors(self._tables, most),
                )  # fmt: skip
            except MappingError as error:
                return error
            if store:
                store.store(key, result)
                # An estimate takes any of those that are equal.
                plain = store.key(layer, hardware, objective, weights, even=even)
                store.store(plain, result)
        near[seen.sizes] = result.mapping
        if len(near) > MOST_NEIGHBORS:
            del near[next(iter(near))]
        if len(self._neighbors) > MOST_KEPT // MOST_NEIGHBORS:
            self._neighbors.popitem(last=False)
        return result


def _distance(sizes: Sizes, others: Sizes) -> float:
    """How far apart the sizes of two hardware designs are."""
    pairs = [pair for pair in zip(sizes, others, strict=True) if math.inf not in pair]
    return sum(abs(math.log(one / other)) for one, other in pairs)


def taken_over(
    above: Outcome, task: MappingTask, hardware: Hardware, objective: str
) -> SearchResult | None:
    """The optimum of a design that is at least as good everywhere, if it costs the same here.

    Parameters
    ----------
    above : SearchResult or MappingError
        Of the better design.
    task : MappingTask
    hardware : Hardware
    objective : str

    Returns
    -------
    SearchResult or None
        Proved, as no mapping costs less than on the better design. ``None`` if the mapping does
        not fit, costs more, or was not proved.
    """
    if not isinstance(above, SearchResult) or not above.proved:
        return None
    forms = [each for each in task.weights if each.store_level == above.codebook_level]
    limit = objective_value(objective, above.energy, above.cycles) * (1 + _SAME)
    for energy, cycles in costs_in_space(above.mapping, task.layer, hardware, forms):
        if objective_value(objective, energy, cycles) <= limit:
            return replace(above, energy=energy, cycles=cycles, evaluated=0, nodes=0, seconds=0.0)
    return None


def upper_bound(
    task: MappingTask, hardware: Hardware, objective: str, mappings: Iterable[Mapping]
) -> float:
    """The objective that the optimum cannot exceed, from mappings of neighbors; else infinite."""
    found = (
        objective_value(objective, *costs)
        for mapping in mappings
        for costs in costs_in_space(mapping, task.layer, hardware, task.weights)
    )
    return min(found, default=math.inf)


def lower_bound(
    mapper: Mapper,
    layers: Sequence[MappingTask],
    hardware: Hardware,
    objective: str,
    time_limit: float | None = None,
) -> float | None:
    """What a network needs at least on any design that a hardware is `relaxed` from.

    Parameters
    ----------
    mapper : Mapper
    layers : sequence of MappingTask
        The layers of the network, with weights that cost no more than on any of the designs.
    hardware : Hardware
        Of `kcsim.mapping.as_mapped.relaxed`.
    objective : {"energy", "cycles"}
        What the bound is of.
    time_limit : float, optional

    Returns
    -------
    float or None
        ``None`` where a search was not completed, or nothing fits.
    """
    solved: dict[Hashable, float] = {}
    total = []
    for task in layers:
        if task.shape not in solved:
            found = mapper.solve(task, hardware, objective, time_limit)
            if isinstance(found, MappingError) or not found.proved:
                return None
            solved[task.shape] = objective_value(objective, found.energy, found.cycles)
        total.append(solved[task.shape])
    return math.fsum(total) * (1 - _SAME)
