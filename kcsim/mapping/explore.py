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
from typing import Literal, NamedTuple

import numpy as np

from kcsim.cost.prices import WeightCosts
from kcsim.hardware.level import Level
from kcsim.hardware.network import Fanout
from kcsim.hardware.schema import Compute, Hardware
from kcsim.kernels.search.labels import Search
from kcsim.kernels.search.problem import Problem
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
from kcsim.mapping.engine import begin_search, first_labels, least_left, least_of_first, run_search
from kcsim.mapping.explored import Explored, Point, front_of, objective_of
from kcsim.mapping.floors import Floors, build_floors, no_floors
from kcsim.mapping.limits import in_order
from kcsim.mapping.memory import Memory
from kcsim.mapping.problem import Built, build_problem, fits_outermost, has_ways
from kcsim.mapping.space import (
    build_lattice,
    check_places,
    coarsened,
    count_tiles,
    fits_word,
    prime_factors,
)
from kcsim.mapping.tables import SharedTables
from kcsim.mapping.task import Task
from kcsim.workload.layer import ConvLayer

FRONT_WIDTH = 4
"""Partial mappings of a stage and tile that a narrow search for a front keeps; others keep one."""
FIRST_TRY, EARLY_TRY = 1.3, 1.1
"""What mappings may cost that a narrow search looks for first, times the least; in a coarser map
space. What they may cost more grows from one search to the next: by less if one took many steps,
and more of them than the one before."""
FASTER, SLOWER, MANY_STEPS, MORE_STEPS = 4.0, 2.0, 4000, 1.1
LAST_TRY = 8.0
"""From here on, anything is looked for."""
NEAR = 2.0
"""Where only mappings are of interest that cost less than so many times the least, no narrow search
comes first."""
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


def explore(explorer: Explorer) -> Explored:
    """Look for the best mapping, or for the front, until the deadline of what searches.

    A second later, something has been found where it can be found fast.

    Raises
    ------
    MappingError
        If the dataflow leaves no place for a dimension.
    """
    compile_kernels(explorer.task.hardware.padding)
    task, deadline, found = explorer.task, explorer.deadline, explorer.known
    check_places(task.layer, task.hardware)
    factors = primes = task.factors
    tiles, stages = count_tiles(factors), task.stages
    if tiles > task.most_tiles or not fits_word(factors):
        factors = coarsened(primes, task.most_tiles)
        tiles = count_tiles(factors)
        found.leave_out(TOO_LARGE, task.least(explorer.objective))
    if tiles * stages > MANY_STAGES:
        explorer.deadline = Deadline(EARLY_SHARE * deadline.left, deadline)
        explorer.glance(coarsened(primes, EARLY_TILES), EARLY_TRY)
        explorer.deadline = deadline
    explorer.explore(factors)
    if not found.points and found.reasons:
        explorer.deadline = deadline.extended(GRACE_SECONDS)
        explorer.glance(coarsened(primes, FEW_TILES), math.inf)
    found.mappings = max(found.mappings, found.evaluated)
    return found


def count_space(task: Task, deadline: Deadline) -> int:
    """Mappings of a layer, whatever is fixed; 0 if the time does not suffice for counting them."""
    lattice = build_lattice(prime_factors(task.layer))
    with contextlib.suppress(OutOfTime):
        problems = [
            build_problem(task.layer, task.hardware, lattice, form, even=task.even).problem
            for form in task.weights
        ]
        return sum(count_mappings(problem, deadline) for problem in problems)
    return 0


@functools.cache
def compile_kernels(padding: Literal["generated", "moved"]) -> None:
    """Let all that a search needs be compiled before the clock of the first one runs.

    Parameters
    ----------
    padding : {"generated", "moved"}
        What hardware does with it; see `Hardware`.
    """
    levels = [
        Level(name=name, read_pj=1, write_pj=1, capacity_words=64, fanout=Fanout(x=2))
        for name in "abc"
    ]
    hardware = Hardware(
        name="any", levels=tuple(levels), compute=Compute(mac_pj=1), padding=padding
    )
    task = Task(ConvLayer("any", 2, 2, 2, 2, 1, 1), hardware)
    Explorer(task, ENERGY_DELAY, Deadline()).explore(prime_factors(task.layer))


class Form(NamedTuple):
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


def promising(forms: Iterable[Form]) -> list[Form]:
    """Those that have mappings, the least first."""
    return sorted((form for form in forms if form.least < math.inf), key=lambda f: f.least)


class Explorer:
    """Searches with a common best mapping, or front: one for every form of the weights.

    Parameters
    ----------
    task : Task
    objective : int
        See `kcsim.kernels.search.progress`.
    deadline : Deadline
    tables : SharedTables, optional
        Of problems that are alike.
    known : Point, optional
        What is found has to be better; it is what comes back if nothing is.
    any_mapping : bool
        Whether the first mapping will do.
    most : float
        What the objective has to be below to be of interest.
    memory : Memory, optional
        Of searches of which none runs at the same time.
    """

    def __init__(
        self,
        task: Task,
        objective: int,
        deadline: Deadline,
        tables: SharedTables | None = None,
        *,
        known: Point | None = None,
        any_mapping: bool = False,
        most: float = math.inf,
        memory: Memory | None = None,
    ) -> None:
        self.task, self.objective, self.deadline, self.most = task, objective, deadline, most
        self.known, self.tables, self.any_mapping = Explored(), tables, any_mapping
        self.memory = memory or (tables.memory if tables else Memory())
        places = FRONT_PLACES if objective == FRONT else 1
        self.best = np.full((places, 2), np.inf)
        if known is not None:
            self.known.points, self.best[0] = [known], (known.energy, known.cycles)

    def know(self, points: Sequence[Point]) -> None:
        """Begin with some mappings: the best one, or a front."""
        self.known.points, self.best[:] = list(points), np.inf
        for row, point in zip(self.best, points, strict=False):
            row[:] = point.energy, point.cycles

    def explore(self, factors: Sequence[Sequence[int]]) -> None:
        """Search all mappings whose loops are products of some factors of each dimension."""
        try:
            forms = [self._form(self.task, factors, weights) for weights in self.task.weights]
            if self.task.is_counted and not self.task.limits:
                # Forms of the weights have the same mappings.
                self.known.mappings = len(forms) * self._count(forms[0].built.problem)
        except OutOfTime:
            self.known.leave_out(OUT_OF_TIME, self.task.least(self.objective))
            return
        self._search_all(forms)

    def _search_all(self, forms: Sequence[Form]) -> None:
        """Find the best mapping of any form, or the front, and prove it."""
        for form in self._search_narrowly(forms):
            if not (self.any_mapping and self.known.points):
                self._prove(form)

    def _count(self, problem: Problem) -> int:
        return count_mappings(problem, self.deadline)

    def glance(self, factors: Sequence[Sequence[int]], first: float) -> None:
        """Look for something good among these mappings, if there is time; see `FIRST_TRY`."""
        for task in _with_less_to_choose(self.task):
            with contextlib.suppress(OutOfTime):
                for weights in task.weights:
                    form = self._form(task, factors, weights)
                    self._search_narrowly([form], first, proves_ends=False)

    def _form(self, task: Task, factors: Sequence[Sequence[int]], weights: WeightCosts) -> Form:
        built = build_problem(
            task.layer, task.hardware, build_lattice(factors), weights, task.prices,
            even=task.even, limits=task.limits, filled=task.filled, deadline=self.deadline,
        )  # fmt: skip
        if not has_ways(built.problem):
            return Form(weights, built, no_floors(built), math.inf)
        if not built.every_place:
            self.known.leave_out(PLACES_LEFT_OUT, self.task.least(self.objective))
        floors = build_floors(built, self.deadline, self.tables)
        return self._bounded(Form(weights, built, floors, math.inf))

    def _bounded(self, form: Form) -> Form:
        if not (has_ways(form.built.problem) and fits_outermost(form.built.problem)):
            return form
        return form._replace(least=self._least(form, self.objective))

    def _least(self, form: Form, objective: int) -> float:
        """The least that any mapping may come to."""
        nothing = np.full((1, 2), np.inf)
        search = begin_search(form.built, form.floors, objective, nothing, memory=self.memory)
        return least_of_first(first_labels(search))

    def _run(self, form: Form, most: float, width: int = 1) -> int:
        """Search for what is better than the best, and take it; how many steps that took."""
        return int(self._search(form, most, width)[0].labels.tally[STEPS])

    def _search(self, form: Form, most: float, width: int) -> tuple[Search, int]:
        search = begin_search(
            form.built, form.floors, self.objective, self.best, most, width, memory=self.memory
        )
        outcome = run_search(first_labels(search), self.deadline)
        tally, known, points = search.labels.tally, self.known.points, []
        for label, (energy, cycles) in zip(
            search.found[: tally[FOUND]].tolist(), search.best.tolist(), strict=False
        ):
            if label < 0:
                points.append(known[-1 - label])
                continue
            mapping = mapping_of(self.task.hardware, form.built.problem, search.labels, label)
            if self.task.limits:
                mapping = in_order(mapping, self.task.limits)
            points.append(Point(mapping, energy, cycles, form.weights.store_level))
        self.known.points, self.best = points, search.best
        self.best[tally[FOUND] :] = np.inf
        self.known.evaluated += int(tally[FINISHED])
        self.known.nodes += int(tally[STEPS])
        return search, outcome

    def _search_narrowly(
        self, forms: Sequence[Form], first: float = FIRST_TRY, *, proves_ends: bool = True
    ) -> list[Form]:
        """Find something good, the sooner the better it may be.

        Parameters
        ----------
        forms : sequence of Form
        first : float
            See `FIRST_TRY`.
        proves_ends : bool
            Whether to prove the ends of a front.

        Returns
        -------
        list of Form
            In which something better may be found, the most promising first.
        """
        parts = [form for form in promising(forms) if form.least <= self.most * WITH_TIES]
        if self.objective == FRONT:
            self._search_ends(parts, first, proves_ends)
            for form in parts:
                self._run(form, math.inf, FRONT_WIDTH)
            return parts
        before, least = self._best_value, min((form.least for form in parts), default=0.0)
        factor, took, limit = first, 0, min(before, self.most)
        if self.most <= least * NEAR:
            return parts
        while self._best_value == before and not self.deadline.has_passed:
            most = min(least * factor if factor < LAST_TRY else math.inf, limit)
            may = [form for form in parts if form.least <= most * WITH_TIES]
            steps = sum(self._run(form, most) for form in may)
            if most == limit:
                break
            is_costly = steps > max(MANY_STEPS, MORE_STEPS * took)
            factor, took = 1 + (factor - 1) * (SLOWER if is_costly else FASTER), steps
        return [form for form in parts if self._may_improve(form)]

    def _search_ends(self, forms: Sequence[Form], first: float, proves: bool) -> None:
        """Find some points of a front: the best ones for each objective."""
        points = self.known.points
        for objective in (CYCLES, ENERGY, ENERGY_DELAY):
            other = Explorer(self.task, objective, self.deadline)
            parts = other._search_narrowly([other._bounded(form) for form in forms], first)
            for form in parts if proves else []:
                other._prove(form)
            points = points + other.known.points
            self.known.evaluated += other.known.evaluated
            self.known.nodes += other.known.nodes
        self.know(front_of(points))

    @property
    def _best_value(self) -> float:
        return objective_of(self.objective, *self.best[0].tolist())

    def _may_improve(self, form: Form) -> bool:
        """Whether a form may have something better than the best, or as good and faster, say."""
        return form.least <= min(self._best_value, self.most) * WITH_TIES

    def _prove(self, form: Form, most: float = math.inf) -> None:
        """Search all that may be better than the best, and not above some value."""
        if self.objective != FRONT and not self._may_improve(form):
            return
        search, outcome = self._search(form, min(most, self.most), 1 << 62)
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
