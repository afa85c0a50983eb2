"""What points have in common: mapping problems, optima that hold elsewhere, and bounds.

A mapping problem is a layer, the forms of its weights, what the mapper sees of a hardware, and
the objective. Each is solved once: results are kept by problem, in memory and on disk. Between
different problems there are three ways to help:

* A design whose memories are only smaller, at the same energies, takes the optimum of the larger
  one where that mapping fits: it costs the same, and no mapping can be better, as the larger design
  admits all of the smaller one's. Nothing is searched, and the optimum is proved.
* Where it does not fit, its cost is a lower bound, as is that of any design that is `relaxed`.
* A mapping of a neighbor that fits costs at least as much as the optimum: `upper_bound`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.as_mapped import as_mapped
from kcsim.mapping.cache import MappingCache
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.layers import Mapper, MappingTask
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult, objective_value
from kcsim.mapping.verify import costs_in_space

Outcome = SearchResult | MappingError
MOST_KEPT = 4096
"""Results in memory, so that it stays as small for any number of points."""
_SAME = 1e-9
"""Costs that are equal to this share are the same, as for the search."""


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
        self._larger: dict[str, tuple[Hardware, ...]] = {}
        self._last: tuple[Hardware, Hardware, str] | None = None
        self.searched = self.taken_over = 0

    def expect(self, hardware: Hardware, larger: Sequence[Hardware]) -> None:
        """Say which designs a hardware takes optima from: the next larger first."""
        chain = [as_mapped(each) for each in (hardware, *larger)]
        self._larger = {
            repr(each): tuple(chain[i + 1 :]) for i, each in enumerate(chain)
        }  # fmt: skip

    def solve(
        self,
        task: MappingTask,
        hardware: Hardware,
        objective: str,
        time_limit: float | None = None,
        within: Deadline | None = None,
    ) -> Outcome:
        """The best mapping of a layer, or why it has none; see `Mapper.solve`."""
        if self._last is None or self._last[0] is not hardware:
            seen = as_mapped(hardware)
            self._last = hardware, seen, repr(seen)
        _, seen, key = self._last
        problem = (task.shape, key, objective, time_limit)
        if problem in self._known:
            self._known.move_to_end(problem)
            return self._known[problem]
        result: Outcome | None = None
        larger = self._larger.get(key, ())
        if larger:
            above = self.solve(task, larger[0], objective, time_limit, within)
            result = taken_over(above, task, seen, objective)
            self.taken_over += result is not None
        if result is None:
            # A search that takes a threshold is given `upper_bound(...)` here: see there.
            result = super().solve(task, hardware, objective, time_limit, within)
            self.searched += 1
        self._known[problem] = result
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return result


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
    """The objective that the optimum cannot exceed, from mappings of neighbors; else infinite.

    A search that takes a threshold may be given this times ``1 + 1e-6``. The margin matters: it
    is far above the tolerance of a part in 10^9 within which the search takes mappings for equal,
    so that of equal ones the same is found as without a threshold, whatever came first.
    """
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
