"""Mappings whose bounds do not divide their dimension, from layers that are a little larger.

The best mapping of a larger layer is also a mapping of the layer itself, with short last rounds.
Larger sizes of all dimensions are tried together: first those that fill the array, then others
beside the best ones so far. A search of a larger layer ends at once where even its bounds, scaled
to the layer, do not beat the best mapping; what it finds is counted as it is, short rounds and all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time

from kcsim.cost.padding import generates_padding
from kcsim.cost.weight_format import WeightFormat
from kcsim.cost.zero_savings import left_of_cycles
from kcsim.errors import InputError, KcsimError, MappingError
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.progress import TOLERANCE
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import FIRST_TRY, OUT_OF_TIME, Explorer
from kcsim.mapping.explored import Point
from kcsim.mapping.fixed import Fixes
from kcsim.mapping.larger import (
    Sizes,
    every_sizes,
    filling_sizes,
    resized,
    sizes_beside,
    spreads_of,
    without_idle_rounds,
)
from kcsim.mapping.layers import Mapper, MappingTask
from kcsim.mapping.listing import list_mappings
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import (
    OBJECTIVES,
    TIME_LIMIT,
    SearchResult,
    not_searched,
    objective_value,
)  # fmt: skip
from kcsim.mapping.space import count_tiles, fits_word, prime_factors
from kcsim.mapping.task import Task
from kcsim.model.counts import count_layer
from kcsim.model.cycles import count_cycles
from kcsim.model.energy import energy_items
from kcsim.sums import exact_sum
from kcsim.workload.layer import ConvLayer

FILLING = 12
"""Larger sizes that fill the array that are tried first."""
MOST_LISTED, LARGEST = 3000, 40
"""Mappings that are all counted, if there are no more, of layers with no larger dimension."""
LEAST_GAIN = 1e-3
"""Sizes beside the best ones are tried as long as the best mapping becomes better by such a share,
and at most so often:"""
SWEEPS = 6
_PERFECT_SHARE = 0.5
"""Share of the time for bounds that divide; what they leave is for all others."""
_PADDED = "how much of an image short tiles hold is not part of the search"
_NOTE = "of bounds that do not divide their dimension, only some were tried"


def check_imperfect(fix: Fixes | None, *, imperfect: bool) -> None:
    """Raise an InputError if bounds need not divide while something is fixed."""
    if imperfect and fix is not None:
        raise InputError("what is fixed holds for bounds that divide, not for imperfect ones")


class ImperfectMapper(Mapper):
    """Maps layers with bounds that do not divide, too, where a task says so.

    Parameters
    ----------
    perfect : Mapper, optional
        What finds mappings of bounds that divide.
    """

    def __init__(self, perfect: Mapper | None = None) -> None:
        self._perfect = perfect or Mapper()
        super().__init__(self._perfect.store, self._perfect.threads)

    def solve(
        self,
        task: MappingTask,
        hardware: Hardware,
        objective: str,
        time_limit: float | None = None,
        within: Deadline | None = None,
    ) -> SearchResult | MappingError:
        """The best mapping that is found, or why there is none; see `map_layers`."""
        limit = TIME_LIMIT if time_limit is None else time_limit
        share = _PERFECT_SHARE if task.imperfect else 1.0
        deadline = Deadline(limit, within)
        found = self._perfect.solve(task, hardware, objective, share * limit, within)
        if isinstance(found, MappingError) or task.imperfect is None:
            return found
        return improve_imperfectly(
            task.layer, hardware, task.imperfect, found, objective=objective,
            time_limit=deadline.left, even=task.even, within=within,
        )  # fmt: skip


def improve_imperfectly(
    layer: ConvLayer,
    hardware: Hardware,
    form: WeightFormat,
    perfect: SearchResult,
    *,
    objective: str,
    time_limit: float = math.inf,
    even: bool = False,
    within: Deadline | None = None,
) -> SearchResult:
    """Look for a mapping with short last rounds that beats the best one without.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    form : WeightFormat
        How the weights are stored.
    perfect : SearchResult
        The best mapping of bounds that divide.
    objective : {"edp", "energy", "cycles"}
    time_limit : float
        Seconds after which the best one so far is returned.
    even : bool
        Only try even mappings.
    within : Deadline, optional
        Of what this is a part of.

    Returns
    -------
    SearchResult
        `perfect`, or a better mapping. It is proved where no mapping can be better, whatever its
        bounds; else `gap` says how much lower the objective of another one may be at most.
    """
    started, deadline = time.monotonic(), Deadline(time_limit, within)
    known = _Improved(layer, hardware, form, objective, even, perfect, deadline)
    known.improve()
    value = known.value
    gap = max(0.0, 1 - known.least / value) if value else 0.0
    notes = [known.unseen, _NOTE, OUT_OF_TIME if deadline.has_passed else ""]
    note = "; ".join(filter(None, notes))
    proved = gap <= TOLERANCE and not known.unseen
    if known.unseen:
        # Bounds are of what the search sees.
        gap = math.nan
    return dataclasses.replace(
        known.best, proved=proved, gap=0.0 if proved else gap, evaluated=known.evaluated,
        nodes=known.nodes, seconds=perfect.seconds + time.monotonic() - started,
        note="" if proved else note,
    )  # fmt: skip


class _Improved:
    """The best mapping so far, and how it becomes better."""

    def __init__(
        self,
        layer: ConvLayer,
        hardware: Hardware,
        form: WeightFormat,
        objective: str,
        even: bool,
        perfect: SearchResult,
        deadline: Deadline,
    ) -> None:
        self.layer, self.hardware, self.form = layer, hardware, form
        self.objective, self.even, self.deadline = objective, even, deadline
        self.best, self.sizes = perfect, tuple(layer.dimensions.values())
        self.evaluated, self.nodes = perfect.evaluated, perfect.nodes
        self.tried: set[Sizes] = {self.sizes}
        self.spreads, steps, every = spreads_of(layer, hardware)
        self.unseen = not_searched(self._task(layer))
        if not self.unseen and generates_padding(layer, hardware):
            self.unseen = _PADDED
        self.least = 0.0 if self.unseen else self._least(float(steps[0]) if every else 0.0)

    @property
    def value(self) -> float:
        """What the best mapping comes to."""
        return objective_value(self.objective, self.best.energy, self.best.cycles)

    def improve(self) -> None:
        """Try larger sizes, until none is better or the time is over."""
        energy, cycles = self._costs(self.best.mapping, self.best.codebook_level)
        # Accesses are whole from here on.
        self.best = dataclasses.replace(self.best, energy=energy, cycles=float(cycles))
        if self._done or self._list_all():
            return
        if self.objective != "energy":
            for sizes in list(filling_sizes(self.layer, self.spreads[: 2 * FILLING]))[:FILLING]:
                self._try(sizes)
        for _ in range(SWEEPS):
            before = self.value
            for sizes in sizes_beside(self.layer, self.sizes, self._room):
                self._try(sizes)
            if self._done or self.value > before * (1 - LEAST_GAIN):
                break
        if self.sizes != tuple(self.layer.dimensions.values()):
            self._try(self.sizes, thoroughly=True)

    @property
    def _room(self) -> int:
        return max(max(level.fanout.x, level.fanout.y) for level in self.hardware.levels)

    @property
    def _done(self) -> bool:
        return self.deadline.has_passed or self.value <= self.least * (1 + TOLERANCE)

    def _least(self, steps: float) -> float:
        """What no mapping undercuts, whatever its bounds."""
        task = self._task(self.layer)
        costs = [task.least(OBJECTIVES.index(name))[0] for name in ("energy", "cycles")]
        compute = self.hardware.compute
        left = float(left_of_cycles(compute, self.layer.zeros))
        cycles = max(costs[1], steps * left * compute.cycles_per_mac)
        return objective_value(self.objective, costs[0], cycles)

    def _list_all(self) -> bool:
        """Count every mapping, if there are few; then the best one is known."""
        every = None
        if max(self.layer.dimensions.values()) <= LARGEST:
            every = every_sizes(self.layer, MOST_LISTED)
        tasks = [self._task(resized(self.layer, sizes)) for sizes in every or ()]
        left, seen = MOST_LISTED, set[Mapping]()

        def count(mapping: Mapping, codebook_level: int | None) -> None:
            mapping = without_idle_rounds(mapping, self.layer)
            if mapping not in seen:
                seen.add(mapping)
                with contextlib.suppress(KcsimError):
                    self._take(mapping, codebook_level)

        for task in tasks:
            few = left > 0 and count_tiles(prime_factors(task.layer)) <= MOST_LISTED
            listed = list_mappings(task, left, self.deadline, count) if few else None
            if listed is None:
                return False
            left -= listed
        self.evaluated += len(seen)
        if every is not None:
            self.least = self.value
        return every is not None

    def _take(self, mapping: Mapping, codebook_level: int | None) -> bool:
        """Count a mapping, and keep it if it is better; whether it is."""
        energy, cycles = self._costs(mapping, codebook_level)
        if objective_value(self.objective, energy, cycles) >= self.value * (1 - TOLERANCE):
            return False
        self.best = dataclasses.replace(
            self.best, mapping=mapping, energy=energy, cycles=float(cycles),
            codebook_level=codebook_level,
        )  # fmt: skip
        return True

    def _task(self, layer: ConvLayer) -> Task:
        return Task(
            layer, self.hardware, self.form.costs(self.hardware), even=self.even, is_counted=False
        )

    def _try(self, sizes: Sizes, *, thoroughly: bool = False) -> None:
        """Look for a better mapping among those of a layer with other sizes."""
        if self._done or (sizes in self.tried and not thoroughly):
            return
        self.tried.add(sizes)
        try:
            found = self._found(sizes, thoroughly)
            if found is None:
                return
            mapping = without_idle_rounds(found.mapping, self.layer)
            if self._take(mapping, found.codebook_level):
                self.sizes = sizes
        except KcsimError:
            # Too large to be searched or counted, or it cuts units of clustered weights.
            return

    def _found(self, sizes: Sizes, thoroughly: bool) -> Point | None:
        """The best mapping of the layer with other sizes, if it may be better than the best one."""
        task = self._task(resized(self.layer, sizes))
        factors = prime_factors(task.layer)
        if count_tiles(factors) > task.most_tiles or not fits_word(factors):
            return None
        # What is larger costs more by so much at least, as full rounds do.
        more = math.prod(a / b for a, b in zip(sizes, self.layer.dimensions.values(), strict=True))
        known = self.best.mapping, more * self.best.energy, more * self.best.cycles
        start = Point(*known, self.best.codebook_level)
        goal = OBJECTIVES.index(self.objective)
        explorer = Explorer(task, goal, self.deadline, known=start)
        if thoroughly:
            explorer.explore(factors)
        else:
            explorer.glance(factors, FIRST_TRY)
        self.evaluated += explorer.known.evaluated
        self.nodes += explorer.known.nodes
        (point,) = explorer.known.points
        return None if point.mapping is self.best.mapping else point

    def _costs(self, mapping: Mapping, codebook_level: int | None) -> tuple[float, int]:
        form = dataclasses.replace(self.form, codebook_level=codebook_level)
        counts = count_layer(self.layer, self.hardware, mapping, form)
        cycles = count_cycles(counts, form)
        items = energy_items(counts, form, cycles)
        return exact_sum(item.energy for item in items), cycles.total
