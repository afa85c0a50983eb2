"""Searching a space for the front of several goals, with evolution and with proved bounds.

The evolution is NSGA-II (Deb and others, IEEE Transactions on Evolutionary Computation 6, 2002), as
Optuna has it: well kept, asked and told from outside, so that any engine evaluates, and with goals
and spaces of any kind. A generation is asked for as a whole and told in its order, so that what
follows depends on the seed alone. As results are kept by point, a search that was killed is
repeated from its start, where all that was found is there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.answers import on_front
from kcsim.exploration.bounds import Box, beaten, boxes_of, least_goals
from kcsim.exploration.columns import ACCURACIES, KNOWN_BEFORE, RESULTS
from kcsim.exploration.exploration import Exploration, write_exploration, write_plan
from kcsim.exploration.plan import Plan, Planner, Point
from kcsim.exploration.running import Progress, State, run_points
from kcsim.exploration.space import Axis, Space
from kcsim.exploration.store import Store, read_points

MOST_GENERATIONS = 10_000
IDLE_GENERATIONS = 30
"""Generations without a new point after which a search ends."""
CHUNK = 8
"""Points that are evaluated for each worker before bounds are looked at again."""


@dataclass
class _Known:
    """What has been found: rows by point, and the goals of points that are feasible."""

    goals: tuple[str, ...]
    signs: np.ndarray
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    costs: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def add(self, point: Point, row: dict[str, Any], constraints: Sequence[Any]) -> None:
        """Take in the results of a point."""
        self.rows[point.name] = row
        values = {**point.inputs, **row}
        goals = [values.get(goal) for goal in self.goals]
        holds = all(bool(each.value(values)) for each in constraints)
        if row.get("error") is None and holds and None not in goals:
            self.costs[point.name] = tuple((np.array(goals, np.float64) * self.signs).tolist())

    def front(self) -> np.ndarray:
        """Goals of the points that no other betters: float64[points, goals]."""
        costs = np.array(list(self.costs.values())).reshape(-1, len(self.goals))
        return costs[on_front(costs)] if len(costs) else costs


class Searcher:
    """Looks for the front of a space.

    Parameters
    ----------
    space : Space
        With a search.
    folder : path
    engine : LocalEngine or DaskEngine

    Raises
    ------
    InputError
        If Optuna is not installed, or a goal is unknown.
    """

    def __init__(self, space: Space, folder: Path, engine: Any) -> None:
        assert space.file.search is not None
        self.settings = space.file.search
        self.space, self.folder, self.engine = space, folder, engine
        self.progress: Progress = None
        goals = (*self.settings.minimize, *self.settings.maximize)
        known = (*space.columns, *KNOWN_BEFORE, *RESULTS)
        for goal in goals:
            if goal not in known:
                near = nearest(goal, known)
                expected = "" if near else "one of " + ", ".join(known)
                problem = Problem(f"there is no figure '{goal}'", expected, near, path=("search",))
                raise space.origin.marked([problem])
        signs = [1.0] * len(self.settings.minimize) + [-1.0] * len(self.settings.maximize)
        self.known = _Known(goals, np.array(signs))
        self.planner = Planner(space)
        self._check_goals(self.planner.check_ends())
        self.points: dict[str, Point] = {}
        self.pruned: set[str] = set()
        self._boxes: list[Box] = []
        self._box_of: dict[str, Box] = {}
        self._everything: tuple[Point, ...] = ()
        self._places: dict[str, dict[str, Any]] = {}
        self.bounds_evaluated = 0

    def _check_goals(self, ends: Sequence[Point]) -> None:
        """See that goals that are known before a point is evaluated are numbers."""
        later = set(ACCURACIES) if self.space.file.retrain and not self.space.retrained else set()
        for goal in self.known.goals:
            if goal in later or (goal in RESULTS and goal not in KNOWN_BEFORE):
                continue
            values = [value for point in ends if (value := point.inputs.get(goal)) is not None]
            message = f"'{goal}' is not known of any point"
            if values and not all(isinstance(value, int | float) for value in values):
                message = f"'{goal}' has texts"
            elif values or not ends:
                continue
            problem = Problem(message, "a figure that has numbers", path=("search",))
            raise self.space.origin.marked([problem])

    def run(self, progress: Progress = None) -> Exploration:
        """Search, and write the tables of the points that were evaluated."""
        self.progress = progress
        store = Store(self.folder)
        self.state = State(self.settings.evaluations, 0)
        try:
            if self.settings.prune or self.settings.exact:
                self._make_boxes()
            self._evolve(store)
            if self.settings.exact:
                self._finish(store)
            points = tuple(self.points.values())
            plan = Plan(self.space, points, len(points), 0, self.planner.in_percent)
            write_plan(plan, self.folder)
        except BaseException:
            store.let_go()
            raise
        store.close()
        return write_exploration(plan, self.folder, self.state.failed)

    def _make_boxes(self) -> None:
        """The whole space in boxes."""
        if not self.space.grid_size:
            problem = Problem("bounds need a space of finitely many points", "count or step",
                              path=("search",))  # fmt: skip
            raise self.space.origin.marked([problem])
        everything = self.planner.plan().points
        self._boxes = boxes_of(everything, self.settings.minimize)
        self._box_of = {point.name: box for box in self._boxes for point in box.points}
        self._everything = everything

    def _evolve(self, store: Store) -> None:
        study, optuna = self._study()
        distributions = {axis.name: _distribution(optuna, axis) for axis in self.space.axes
                         if len(axis.choices) != 1}  # fmt: skip
        idle = 0
        for _ in range(MOST_GENERATIONS):
            before = len(self.points)
            trials = [study.ask(distributions) for _ in range(self.settings.population)]
            asked = [self._point_at(trial.params) for trial in trials]
            new = self._new([point for point in asked if point])
            # Places of points that are known are for neighbors of the front.
            new += self._neighbors(self.settings.population - len(new), {p.name for p in new})
            new = new[: self.settings.evaluations - len(self.points)]
            self._evaluate(new, store)
            for trial, point in zip(trials, asked, strict=True):
                costs = self.known.costs.get(point.name) if point else None
                if costs is None:
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                else:
                    study.tell(trial, list(costs))
            idle = idle + 1 if len(self.points) == before else 0
            if len(self.points) >= self.settings.evaluations or idle > IDLE_GENERATIONS:
                return

    def _study(self) -> tuple[Any, Any]:
        try:
            import optuna
        except ImportError:
            problem = "a search needs the package optuna, which is not installed"
            raise InputError(Problem(problem, "pip install 'kcsim[search]'")) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.NSGAIISampler(
            population_size=self.settings.population, seed=self.settings.seed
        )
        directions = ["minimize"] * len(self.known.goals)
        return optuna.create_study(directions=directions, sampler=sampler), optuna

    def _point_at(self, places: dict[str, Any]) -> Point | None:
        """The point at some places along the axes; ``None`` if constraints rule it out."""
        choice = [
            (axis.span.at(places[axis.name]),) if axis.span
            else axis.choices[places.get(axis.name, 0)]
            for axis in self.space.axes
        ]  # fmt: skip
        point = self.planner.point(self.space.completed(choice))
        if self.planner.problems:
            raise self.space.origin.marked(list(self.planner.problems.values()))
        if point is not None:
            self._places.setdefault(point.name, dict(places))
        return point

    def _new(self, points: Sequence[Point]) -> list[Point]:
        """Points that were not evaluated and not left out, each once."""
        return [
            point
            for point in {point.name: point for point in points}.values()
            if point.name not in self.points and point.name not in self.pruned
        ]

    def _neighbors(self, count: int, taken: set[str]) -> list[Point]:
        """Points one step from the front that are new, from its points in turn."""
        found: dict[str, Point] = {}
        names = list(self.known.costs)
        costs = np.array([self.known.costs[name] for name in names])
        best = [names[i] for i in np.flatnonzero(on_front(costs))] if len(names) else []
        for name in sorted(best, key=lambda each: self.known.costs[each]):
            for axis in self.space.axes:
                for step in (1, -1) if len(axis.choices) > 1 else ():
                    if len(found) >= count:
                        return list(found.values())
                    places = dict(self._places[name])
                    places[axis.name] = places[axis.name] + step
                    if 0 <= places[axis.name] < len(axis.choices):
                        point = self._point_at(places)
                        for new in self._new([point] if point else []):
                            if new.name not in taken:
                                found[new.name] = new
        return list(found.values())

    def _evaluate(self, points: Sequence[Point], store: Store) -> None:
        """Evaluate points, but for those that bounds show not to be on the front."""
        if self._boxes:
            points = self._left(points, store)
        self.points |= {point.name: point for point in points}
        self._run(points, store)
        for point in points:
            row = self.known.rows.get(point.name)
            if row is not None:
                self.known.add(point, row, self.space.constraints)

    def _left(self, points: Sequence[Point], store: Store) -> list[Point]:
        """Those of some points that may be on the front."""
        front = self.known.front()
        boxes = {id(box): box for p in points if (box := self._box_of.get(p.name)) is not None}
        if len(front):
            asked = [q for box in boxes.values() for q in box.questions.values()]
            self.bounds_evaluated += len([q for q in asked if q.name not in self.known.rows])
            self._run(asked, store)
            for box in boxes.values():
                least = least_goals(box, self.known.rows, self.settings.minimize)
                least = np.column_stack([least, self._most(box)])
                for point, is_beaten in zip(box.points, beaten(least, front), strict=True):
                    if is_beaten and point.name not in self.points:
                        self.pruned.add(point.name)
        return [point for point in points if point.name not in self.pruned]

    def _most(self, box: Box) -> np.ndarray:
        """What is to be most, negative, where it is known before; else without bound."""
        return np.array(
            [
                [
                    -np.inf if goal not in KNOWN_BEFORE or point.inputs.get(goal) is None
                    else -point.inputs[goal]
                    for goal in self.settings.maximize
                ]
                for point in box.points
            ]
        ).reshape(len(box.points), len(self.settings.maximize))  # fmt: skip

    def _run(self, points: Sequence[Point], store: Store) -> None:
        """Have points evaluated, and know their rows."""
        unknown = [point for point in points if point.name not in self.known.rows]
        if not unknown:
            return
        before = self.state.known + self.state.found
        run_points(tuple(unknown), store, self.engine, self.state, self.progress)
        self.state.known += len(unknown) - (self.state.known + self.state.found - before)
        wanted = {point.name for point in unknown}
        table = read_points(self.folder)
        for row in table.to_pylist():
            if row["point"] in wanted:
                self.known.rows[row["point"]] = row

    def _finish(self, store: Store) -> None:
        """Evaluate all that bounds do not show to be off the front: then it is proved."""
        workers = getattr(self.engine, "workers", 1)
        left = self._new(self._everything)
        self.state.points = len(self.points) + len(left)
        while left:
            left = self._left(left, store)
            ranks = self._promise(left)
            left = [left[i] for i in np.argsort(ranks, kind="stable")]
            chunk, left = left[: CHUNK * workers], left[CHUNK * workers :]
            self._evaluate(chunk, store)
            left = self._new(left)

    def _promise(self, points: Sequence[Point]) -> np.ndarray:
        """What points may have at least, all goals together, by which they are in order."""
        rows = []
        for point in points:
            box = self._box_of.get(point.name)
            if box is None:
                rows.append(np.zeros(len(self.settings.minimize)))
                continue
            least = least_goals(box, self.known.rows, self.settings.minimize)
            rows.append(least[[p.name for p in box.points].index(point.name)])
        costs = np.log(np.maximum(np.array(rows), 1e-30))
        total: np.ndarray = costs.sum(axis=1)
        return total


def search_space(space: Space, folder: Path, engine: Any, progress: Progress = None) -> Exploration:
    """Search a space for its front; see `Searcher`."""
    return Searcher(space, folder, engine).run(progress)


def _distribution(optuna: Any, axis: Axis) -> Any:
    if axis.span:
        return optuna.distributions.FloatDistribution(0.0, 1.0)
    return optuna.distributions.IntDistribution(0, len(axis.choices) - 1)
