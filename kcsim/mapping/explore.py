"""Exploring the mappings of a layer: narrow searches for a good one, then one for the proof.

Where time or memory runs out, what has not been explored is bounded from below. A layer with more
tiles than can be searched is searched with some of its factors left together.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.kernels.search.labels import Search
from kcsim.kernels.search.progress import (
    CYCLES,
    DONE,
    ENERGY,
    ENERGY_DELAY,
    FINISHED,
    FORGOTTEN,
    FOUND,
    FRONT,
    FULL,
    STEPS,
    TOLERANCE,
)  # fmt: skip
from kcsim.mapping.census import count_mappings
from kcsim.mapping.chains import mapping_of
from kcsim.mapping.deadline import Deadline, OutOfTime
from kcsim.mapping.engine import (
    begin_search,
    first_labels,
    least_left,
    least_of_first,
    run_search,
)
from kcsim.mapping.floors import STAYING, Floors, build_floors, least_of_any
from kcsim.mapping.points import Point, front_of, objective_of
from kcsim.mapping.problem import (
    Built,
    build_problem,
    fits_outermost,
    kept_choices,
)
from kcsim.mapping.space import (
    build_lattice,
    check_places,
    coarsened,
    count_tiles,
    fits_word,
    prime_factors,
)
from kcsim.workload.layer import ConvLayer

WIDTH, FRONT_WIDTH = 2, 2
"""Partial mappings of a stage and tile that a narrow search keeps; of a front, times as many."""
FIRST_TRY, EARLY_TRY = 1.02, 1.1
"""What mappings may cost that a narrow search looks for first, times the least; in a coarser map
space. What they may cost more grows from one search to the next, by so much if that took a little
or a lot longer than the one before:"""
FASTER, SLOWER, LONGER = 4.0, 1.7, 1.5
LAST_TRY = 8.0
"""From here on, anything is looked for."""
TABLE_BYTES = 1_500_000_000
"""Memory of the bounds."""
_OPEN = 45
"""Tensors placed and open, of a level, that there are bounds for."""
MANY_STAGES = 30_000
"""Stages of tiles that may take long to search. Then some mapping is looked for first, in a coarser
map space of so many tiles, for so much of the time:"""
EARLY_TILES, EARLY_SHARE = 1024, 0.3
FEW_TILES, GRACE_SECONDS = 64, 1.0
"""Tiles of the one in which some mapping is found after the time, and time for that."""
FRONT_PLACES = 4096
"""Points that a front may have."""

TOO_LARGE = "there are more tilings than can be searched"
OUT_OF_TIME = "the time limit ended the search"
OUT_OF_MEMORY = "the search took too much memory"
PLACES_LEFT_OUT = "children may stand at more places than were tried"
TOO_MANY_MOVES = "windows slide in more ways than can be told apart"
WITH_TIES = 1 + TOLERANCE
"""What is so much worse at least may be as good: sums are rounded."""


@dataclass(frozen=True)
class Task:
    """A layer to be mapped; see `kcsim.mapping.search.search_mapping`."""

    layer: ConvLayer
    hardware: Hardware
    weights: Sequence[WeightCosts] = (DENSE,)
    prices: Prices | None = None
    even: bool = False

    @property
    def stages(self) -> int:
        """Stages of its search."""
        kept = [kept_choices(level) for level in self.hardware.levels[1:]]
        return 1 + sum(1 << each.bit_count() for choices in kept for each in choices)

    @property
    def most_tiles(self) -> int:
        """Tiles of a layer of which all can be searched."""
        # Pages of the tables that nothing is written to take no memory.
        numbers = 2 * _OPEN + 40 + 2 * self.stages + 3 * len(STAYING) * (self.stages - 9)
        return TABLE_BYTES // (8 * max(1, numbers))

    def least(self, objective: int) -> tuple[float, float]:
        """What no mapping undercuts, known at once; see `Explored.left_out`."""
        costs = [least_of_any(self.layer, self.hardware, *form) for form in self._forms()]
        energy, cycles = (min(column) for column in zip(*costs, strict=True))
        if objective == FRONT:
            return energy, cycles
        return (objective_of(objective, energy, cycles),) * 2

    def _forms(self) -> list[tuple[WeightCosts, Prices | None]]:
        return [(form, self.prices) for form in self.weights]


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


def explore(
    task: Task, objective: int, deadline: Deadline, start: Sequence[Point] = ()
) -> Explored:
    """Look for the best mapping, or for the front, until the deadline.

    Parameters
    ----------
    task : Task
    objective : int
        See `kcsim.kernels.search.progress`.
    deadline : Deadline
        A second later, something has been found where it can be found fast.
    start : sequence of Point
        Mappings that are known: the best one, or a front.

    Raises
    ------
    MappingError
        If the dataflow leaves no place for a dimension.
    """
    compile_kernels()
    check_places(task.layer, task.hardware)
    explorer, factors = Explorer(task, objective, deadline), prime_factors(task.layer)
    explorer.know(start)
    known, primes = explorer.known, factors
    if count_tiles(factors) > task.most_tiles or not fits_word(factors):
        factors = coarsened(primes, task.most_tiles)
        known.leave_out(TOO_LARGE, task.least(objective))
    if count_tiles(factors) * task.stages > MANY_STAGES:
        explorer.deadline = Deadline(EARLY_SHARE * deadline.left, deadline)
        explorer.glance(coarsened(primes, EARLY_TILES), EARLY_TRY)
        explorer.deadline = deadline
    explorer.explore(factors)
    if not known.points and known.reasons:
        explorer.deadline = deadline.extended(GRACE_SECONDS)
        explorer.glance(coarsened(primes, FEW_TILES), math.inf)
    known.mappings = max(known.mappings, known.evaluated)
    return known


@functools.cache
def compile_kernels() -> None:
    """Let all that a search needs be compiled before the clock of the first one runs."""
    levels = [Level(name=name, read_pj=1, write_pj=1, capacity_words=64) for name in "abc"]
    hardware = Hardware(name="any", levels=tuple(levels), compute=Compute(mac_pj=1))
    task = Task(ConvLayer("any", 2, 2, 2, 2, 1, 1), hardware)
    Explorer(task, ENERGY_DELAY, Deadline()).explore(prime_factors(task.layer))


class _Form(NamedTuple):
    """The problem of one form of the weights, with bounds and the least value of any mapping."""

    weights: WeightCosts
    built: Built
    floors: Floors
    least: float


def _with_less_to_choose(task: Task) -> list[Task]:
    """The task where levels keep all that they can, if it is another one, and itself."""
    hardware = task.hardware
    levels = tuple(dataclasses.replace(level, may_bypass=()) for level in hardware.levels)
    if levels == hardware.levels:
        return [task]
    plain = dataclasses.replace(hardware, levels=levels)
    return [dataclasses.replace(task, hardware=plain), task]


def _promising(forms: Iterable[_Form]) -> list[_Form]:
    """Those that have mappings, the least first."""
    return sorted((form for form in forms if form.least < math.inf), key=lambda f: f.least)


class Explorer:
    """Searches with a common best mapping, or front: one for every form of the weights."""

    def __init__(self, task: Task, objective: int, deadline: Deadline) -> None:
        self.task, self.objective, self.deadline = task, objective, deadline
        self.known = Explored()
        places = FRONT_PLACES if objective == FRONT else 1
        self.best = np.full((places, 2), np.inf)

    def know(self, points: Sequence[Point]) -> None:
        """Begin with some mappings: the best one, or a front."""
        self.known.points, self.best[:] = list(points), np.inf
        for row, point in zip(self.best, points, strict=False):
            row[:] = point.energy, point.cycles

    def explore(self, factors: Sequence[Sequence[int]]) -> None:
        """Search all mappings whose loops are products of some factors of each dimension."""
        try:
            forms = [self._form(self.task, factors, weights) for weights in self.task.weights]
            counted = [count_mappings(form.built.problem, self.deadline) for form in forms]
        except OutOfTime:
            self.known.leave_out(OUT_OF_TIME, self.task.least(self.objective))
            return
        self.known.mappings = sum(counted)
        for form in self._search_narrowly(forms):
            self._prove(form)

    def glance(self, factors: Sequence[Sequence[int]], first: float) -> None:
        """Look for something good among these mappings, if there is time; see `FIRST_TRY`."""
        for task in _with_less_to_choose(self.task):
            with contextlib.suppress(OutOfTime):
                for weights in task.weights:
                    form = self._form(task, factors, weights)
                    self._search_narrowly([form], first, 1)

    def _form(self, task: Task, factors: Sequence[Sequence[int]], weights: WeightCosts) -> _Form:
        built = build_problem(
            task.layer, task.hardware, build_lattice(factors), weights, task.prices,
            even=task.even, deadline=self.deadline,
        )  # fmt: skip
        if not built.every_place:
            self.known.leave_out(PLACES_LEFT_OUT, self.task.least(self.objective))
        return self._bounded(_Form(weights, built, build_floors(built, self.deadline), math.inf))

    def _bounded(self, form: _Form) -> _Form:
        if not fits_outermost(form.built.problem):
            return form
        return form._replace(least=self._least(form, self.objective))

    def _least(self, form: _Form, objective: int) -> float:
        """The least that any mapping may come to."""
        nothing = np.full((1, 2), np.inf)
        search = begin_search(form.built, form.floors, objective, nothing)
        return least_of_first(first_labels(search))

    def _run(self, form: _Form, most: float, width: int) -> int:
        """Search for what is better than the best, and take it; how many steps that took."""
        return int(self._search(form, most, width)[0].labels.tally[STEPS])

    def _search(self, form: _Form, most: float, width: int) -> tuple[Search, int]:
        search = begin_search(form.built, form.floors, self.objective, self.best, most, width)
        search, outcome = run_search(first_labels(search), self.deadline)
        tally, known, points = search.labels.tally, self.known.points, []
        for label, (energy, cycles) in zip(
            search.found[: tally[FOUND]].tolist(), search.best.tolist(), strict=False
        ):
            if label < 0:
                points.append(known[-1 - label])
                continue
            mapping = mapping_of(self.task.hardware, form.built.problem, search.labels, label)
            points.append(Point(mapping, energy, cycles, form.weights.store_level))
        self.known.points, self.best = points, search.best
        self.best[tally[FOUND] :] = np.inf
        self.known.evaluated += int(tally[FINISHED])
        self.known.nodes += int(tally[STEPS])
        return search, outcome

    def _search_narrowly(
        self, forms: Sequence[_Form], first: float = FIRST_TRY, width: int = WIDTH
    ) -> list[_Form]:
        """Find something good, the sooner the better it may be.

        Returns
        -------
        list of _Form
            In which something better may be found, the most promising first.
        """
        parts = _promising(forms)
        if self.objective == FRONT:
            self._search_ends(parts, first, width)
            for form in parts:
                self._run(form, math.inf, FRONT_WIDTH * width)
            return parts
        before, least = self._best_value, min((form.least for form in parts), default=0.0)
        factor, took = first, math.inf
        while self._best_value == before and not self.deadline.has_passed:
            most = min(least * factor if factor < LAST_TRY else math.inf, before)
            last = most == before
            own = 1 if last else width
            may = [form for form in parts if form.least <= most * WITH_TIES]
            steps = sum(self._run(form, most, own) for form in may)
            if last:
                break
            factor = 1 + (factor - 1) * (FASTER if steps < LONGER * took < math.inf else SLOWER)
            took = steps
        return [form for form in parts if self._may_improve(form)]

    def _search_ends(self, forms: Sequence[_Form], first: float, width: int) -> None:
        """Find some points of a front: the best ones for each objective."""
        points = self.known.points
        for objective in (CYCLES, ENERGY, ENERGY_DELAY):
            other = Explorer(self.task, objective, self.deadline)
            parts = other._search_narrowly([other._bounded(form) for form in forms], first, width)
            for form in parts if width == WIDTH else []:
                other._prove(form)
            points = points + other.known.points
            self.known.evaluated += other.known.evaluated
            self.known.nodes += other.known.nodes
        self.know(front_of(points))

    @property
    def _best_value(self) -> float:
        return objective_of(self.objective, *self.best[0].tolist())

    def _may_improve(self, form: _Form) -> bool:
        """Whether a form may have something better than the best, or as good and faster, say."""
        return form.least <= self._best_value * WITH_TIES

    def _prove(self, form: _Form) -> None:
        """Search all that may be better than the best."""
        if self.objective != FRONT and not self._may_improve(form):
            return
        search, outcome = self._search(form, math.inf, 1 << 62)
        if outcome == DONE and not search.labels.tally[FORGOTTEN]:
            return
        reason = OUT_OF_MEMORY if outcome == FULL else OUT_OF_TIME
        if outcome == DONE:
            reason = TOO_MANY_MOVES
        if self.objective == FRONT:
            parts = [self._least(form, each) for each in (ENERGY, CYCLES)]
            self.known.leave_out(reason, (parts[0], parts[1]))
        else:
            least = form.least if outcome == DONE else max(form.least, least_left(search))
            self.known.leave_out(reason, (least, least))
