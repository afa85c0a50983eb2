"""The best mappings of a layer that differ, in the order of the objective, each proved.

Two mappings differ if some level keeps other tensors, or spreads other factors over its children;
or, if that is asked for, if it holds a tile of another shape. Of those that do not, the best one
counts.

After the best mapping comes the best of all that differ from it. They are split by the first
choice that is another one: what levels keep, then what they spread, then the tiles that they hold,
each from the outermost level on; every part is searched on its own, with the choices before made
(Murty, Operations Research 16, 1968; Lawler, Management Science 18, 1972).
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kcsim.cost.prices import DENSE, WeightCosts, window_array
from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.mapping.chains import chains_of
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import (
    WITH_TIES,
    Explorer,
    compile_kernels,
    count_space,
)  # fmt: skip
from kcsim.mapping.explored import Explored, Point, objective_of
from kcsim.mapping.fixed import FixedMapping
from kcsim.mapping.forwarding_search import explore_all
from kcsim.mapping.limits import Extents, LevelLimit, Limits, tile_shapes
from kcsim.mapping.nest import Loop, Mapping
from kcsim.mapping.search import (
    OBJECTIVES,
    TIME_LIMIT,
    SearchResult,
    check_search,
    nothing_found,
    result_of,
    task_of,
)
from kcsim.mapping.task import Task
from kcsim.reading.arguments import checked
from kcsim.workload.layer import DIMENSIONS, ConvLayer

MOST_MAPPINGS = 100
DIFFERENCES = ("spreads", "tiles")


@checked
def rank_mappings(
    layer: ConvLayer,
    hardware: Hardware,
    count: int = 2,
    *,
    differ: str = "spreads",
    objective: str = "edp",
    weights: Sequence[WeightCosts] = (DENSE,),
    time_limit: float | None = None,
    even: bool = False,
    fix: FixedMapping | None = None,
) -> tuple[SearchResult, ...]:
    """Find the best mappings of a layer that differ.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    count : int
        How many, from 1 to 100.
    differ : {"spreads", "tiles"}
        What two mappings differ in: in the tensors that levels keep or the factors that they
        spread over their children; or in the shape of a tile that a level holds, too.
    objective, weights, even, fix
        See `kcsim.mapping.search.search_mapping`.
    time_limit : float, optional
        Seconds for all of them together.

    Returns
    -------
    tuple of SearchResult
        The best first; fewer where there are no more. Proved is that no mapping is missing: one
        that is better than the last, and differs from all.

    Raises
    ------
    InputError, MappingError
        See `kcsim.mapping.search.search_mapping`; also if the count is out of range.
    """
    check_search(objective, time_limit)
    if not 1 <= count <= MOST_MAPPINGS:
        problem = Problem(f"{count} best mappings are asked for", f"from 1 to {MOST_MAPPINGS}")
        raise InputError(problem)
    if differ not in DIFFERENCES:
        expected, near = "one of " + ", ".join(DIFFERENCES), nearest(differ, DIFFERENCES)
        raise InputError(Problem(f"mappings cannot differ in '{differ}'", expected, near))
    task = task_of(layer, hardware, weights, even=even, fix=fix)
    compile_kernels(task.hardware.padding)
    limit = TIME_LIMIT if time_limit is None else time_limit
    ranking = _Ranking(task, objective, differ, Deadline(limit))
    if not ranking.parts:
        raise nothing_found(task, ranking.known, limit, fix)
    return tuple(itertools.islice(ranking.results(count), count))


class _Choice(NamedTuple):
    """Something that tells mappings apart: what a level keeps, spreads, or holds of a tensor."""

    level: int
    kind: str
    tensor: int
    value: int | Extents

    def made(self, limit: LevelLimit) -> LevelLimit:
        """What is left of the level with this choice."""
        return _changed(limit, {self.kind: self._beside(getattr(limit, self.kind), self.value)})

    def unmade(self, limit: LevelLimit) -> LevelLimit:
        """What is left of the level without it."""
        name = f"other_{self.kind}"
        known = getattr(limit, name)
        own = known if self.tensor < 0 else known[self.tensor]
        return _changed(limit, {name: self._beside(known, own | {self.value})})

    def is_open(self, limit: LevelLimit) -> bool:
        """Whether it has not been made."""
        known = getattr(limit, self.kind)
        return (known if self.tensor < 0 else known[self.tensor]) is None

    def _beside(self, known: Any, value: Any) -> Any:
        """A value by itself, or among those of all tensors."""
        if self.tensor < 0:
            return value
        return (*known[: self.tensor], value, *known[self.tensor + 1 :])


def _changed(limit: LevelLimit, values: dict[str, Any]) -> LevelLimit:
    return replace(limit, **values)


def choices_of(
    mapping: Mapping, layer: ConvLayer, hardware: Hardware, differ: str
) -> list[_Choice]:
    """What tells a mapping from others: all that levels keep, all that they spread, all tiles."""
    kept: list[_Choice] = []
    spread: list[_Choice] = []
    held: list[_Choice] = []
    chains = chains_of(mapping, hardware)
    window = window_array(layer, hardware).tolist()
    box = [1] * len(DIMENSIONS)
    for level in range(len(chains) - 1, -1, -1):
        chain, fanout = chains[level], hardware.levels[level].fanout
        extents = tuple(_extent(chain.spread, d) for d in DIMENSIONS)
        if fanout.x * fanout.y > 1:
            spread.insert(0, _Choice(level, "spread", -1, extents))
        if level and hardware.levels[level].may_bypass:
            kept.insert(0, _Choice(level, "kept", -1, chain.kept))
        box = [a * b for a, b in zip(box, extents, strict=True)]
        for item in chain.items:
            if isinstance(item, Loop):
                box[DIMENSIONS.index(item.dimension)] *= item.bound
                continue
            shape = tile_shapes(np.array([box]), window)[item][0].tolist()
            held.insert(0, _Choice(level, "shapes", item, tuple(shape)))
    return [*kept, *spread, *(held if differ == "tiles" else [])]


def _extent(loops: Sequence[Loop], dimension: str) -> int:
    return math.prod(loop.bound for loop in loops if loop.dimension == dimension)


class _Part(NamedTuple):
    """Some of all mappings, with the best of them."""

    value: float
    other: float
    number: int
    point: Point
    limits: Limits


class _Ranking:
    """The best mappings that differ, one after the other."""

    def __init__(self, task: Task, objective: str, differ: str, deadline: Deadline) -> None:
        self.task, self.objective, self.differ = task, objective, differ
        self.deadline = deadline
        self.known = Explored()
        self.started = time.monotonic()
        self.parts: list[_Part] = []
        self._numbers = itertools.count()
        self._explore(task.limits, 1)
        self.known.mappings = count_space(task, deadline)

    def results(self, count: int) -> Iterator[SearchResult]:
        """So many at most, the best first."""
        for left in range(count - 1, -1, -1):
            if not self.parts:
                return
            part = heapq.heappop(self.parts)
            for limits in self._others(part) if left else ():
                self._explore(limits, left)
            seconds = time.monotonic() - self.started
            yield result_of(self.task, self.objective, self._left_out(part), part.point, seconds)

    def _explore(self, limits: Limits, wanted: int) -> None:
        """Find the best of some mappings, unless so many better ones are known."""
        known = heapq.nsmallest(wanted, self.parts)
        last = known[-1].point if len(known) == wanted else None
        number = OBJECTIVES.index(self.objective)
        task = replace(self.task, limits=limits)
        found = explore_all(Explorer(task, number, self.deadline, known=last))
        self.known.evaluated += found.evaluated
        self.known.nodes += found.nodes
        self.known.left_out += found.left_out
        self.known.reasons += [each for each in found.reasons if each not in self.known.reasons]
        if found.points and found.points[-1] is not last:
            point = found.points[-1]
            value = objective_of(number, point.energy, point.cycles)
            other = point.energy if self.objective == "cycles" else point.cycles
            part = _Part(value, other, next(self._numbers), point, limits)
            heapq.heappush(self.parts, part)

    def _others(self, part: _Part) -> Iterator[Limits]:
        """The other mappings of a part, split by the first choice that is another one."""
        task = self.task
        made = list(part.limits or (LevelLimit(),) * len(task.hardware.levels))
        for choice in choices_of(part.point.mapping, task.layer, task.hardware, self.differ):
            limit = made[choice.level]
            if choice.is_open(limit):
                made[choice.level] = choice.unmade(limit)
                yield tuple(made)
                made[choice.level] = choice.made(limit)

    def _left_out(self, part: _Part) -> Explored:
        """What is known, with what was left out that may be better than one mapping."""
        better = [costs for costs in self.known.left_out if costs[0] * WITH_TIES < part.value]
        return replace(self.known, left_out=better, reasons=self.known.reasons if better else [])
