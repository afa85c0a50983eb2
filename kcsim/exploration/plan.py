"""What is to be run: all points of a space, checked, and what they have in common."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import kcsim
from kcsim.errors import InputError, Problem
from kcsim.estimation.estimate import check_fixes
from kcsim.estimation.executions import EXECUTIONS
from kcsim.exploration.accuracy import ACCURACY, Accuracies, read_accuracies
from kcsim.exploration.columns import ACCURACIES, KNOWN_BEFORE, RESULTS
from kcsim.exploration.designs import (
    Request,
    absolute,
    clustering_figures,
    design_figures,
    hardware_hash,
    hash_of,
    known_clustering,
    known_data,
    known_fixes,
    known_network,
    known_variant,
    mapping_tasks,
    measured_accuracy,
    places_of,
    planned,
    point_name,
)
from kcsim.exploration.expressions import Expression
from kcsim.exploration.larger import Design, larger_designs
from kcsim.exploration.placing import (
    Place,
    blamed,
    check_keys,
    index_in,
    place_of_clustering,
    placed,
)
from kcsim.exploration.retraining import retrained_accuracies
from kcsim.exploration.space import Inputs, Space
from kcsim.hardware.variants import Setting
from kcsim.mapping.as_mapped import Sizes, as_mapped, sizes_of, without_sizes

Row = dict[str, Any]
MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Point:
    """A point of a space, and what is known of it before it is evaluated.

    Attributes
    ----------
    name : str
        A hash of all that its results depend on.
    inputs : dict
        By column, figures that are `KNOWN_BEFORE` included.
    request : Request
    group : str
        What the mapper sees of its hardware: points of a group have mapping problems in common.
    kind : str
        What else of its hardware matters to clustered weights.
    sizes : tuple of float
        Of the memories of its hardware; see `kcsim.mapping.as_mapped.sizes_of`.
    """

    name: str
    inputs: Row
    request: Request
    group: str
    kind: str
    sizes: Sizes


@dataclass(frozen=True, eq=False)
class Plan:
    """All points of a space.

    Attributes
    ----------
    space : Space
    points : tuple of Point
        Each once, in the order of the space; those that constraints rule out are not there.
    combinations : int
        Of inputs that were looked at.
    ruled_out : int
        Combinations that break a constraint that can be checked before anything runs.
    in_percent : bool
        Whether accuracies are; else they are shares of 1.
    """

    space: Space
    points: tuple[Point, ...]
    combinations: int
    ruled_out: int
    in_percent: bool = False

    @property
    def units(self) -> dict[str, str]:
        """Units of columns that have one of their own."""
        return self.space.units | ({ACCURACY: "%"} if self.in_percent else {})

    @property
    def late_constraints(self) -> tuple[Expression, ...]:
        """Constraints that need results."""
        known = {*self.space.columns, *KNOWN_BEFORE}
        return tuple(each for each in self.space.constraints if not set(each.names) <= known)

    def mapping_problems(self, points: Sequence[Point]) -> int:
        """Number of distinct mapping problems of some points.

        How many a group has depends on what is asked of it, not on its prices: it is counted for
        one group of each kind.
        """
        groups: dict[str, dict[Hashable, Point]] = {}
        for point in points:
            request = point.request
            asked = (request.workload, request.clustering, request.weights, request.execution,
                     request.decode_level, request.objective, point.kind)  # fmt: skip
            groups.setdefault(point.group, {}).setdefault(asked, point)
        counted: dict[Hashable, int] = {}
        total = 0
        for members in groups.values():
            key = frozenset(members)
            if key not in counted:
                found = (task for point in members.values() for task in _problems_of(point))
                counted[key] = len(set(found))
            total += counted[key]
        return total


def _problems_of(point: Point) -> Iterator[Hashable]:
    """The mapping problems of a point, of those of its group."""
    request = point.request
    hardware = known_variant(request.hardware, request.settings)
    plan = planned(request, hardware)
    places = places_of(request, plan.hardware) if plan.clustering is not None else (hardware,)
    for place in places:
        for task in mapping_tasks(plan, place):
            yield task.shape, request.objective


class Planner:
    """Makes points of inputs; what points share is made once.

    Parameters
    ----------
    space : Space
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.problems: dict[str, Problem] = {}
        self._designs: dict[str, Design] = {}
        self._checked: set[Hashable] = set()
        self._broken: dict[int, list[Row]] = {}
        known = (*space.columns, *KNOWN_BEFORE)
        self._accuracies = self._read_accuracies()
        self._note(*check_keys(space, known_data))
        # What retraining will tell is not known yet where nothing was retrained.
        early = set(known)
        if space.file.retrain and not space.retrained:
            early -= set(ACCURACIES)
        constraints = tuple(enumerate(space.constraints))
        self._early = [each for each in constraints if set(each[1].names) <= early]
        for i, each in constraints:
            for problem in each.check_names((*known, *RESULTS, "proved")):
                self._note(replace(problem, path=("constraints", i)))
        self._raise_problems()

    @property
    def in_percent(self) -> bool:
        """Whether accuracies are in percent, as the user's table has them."""
        return self._accuracies is not None and self._accuracies.in_percent

    def check_ends(self) -> list[Point]:
        """See that every choice makes a point, where the points are too many to make all.

        Returns
        -------
        list of Point
            Those that were made; constraints may rule others out.

        Raises
        ------
        InputError
            With all that is wrong.
        """
        points = [self.point(inputs) for inputs in self.space.ends()]
        self._raise_problems()
        return [point for point in points if point is not None]

    def _read_accuracies(self) -> Accuracies | None:
        file = self.space.file.accuracy
        if file is None:
            return None
        beside = os.path.join(self.space.origin.folder, file)
        known = (*self.space.columns, "scheme", "clusters")
        try:
            with placed("accuracy"):
                return read_accuracies(file if os.path.exists(file) else beside, known)
        except InputError as error:
            self._note(*error.problems)
            return None

    def plan(self) -> Plan:
        """All points of the space.

        Raises
        ------
        InputError
            With all that is wrong with any of them.
        """
        points: dict[str, Point] = {}
        combinations = ruled_out = 0
        for inputs in self.space.inputs():
            combinations += 1
            point = self.point(inputs)
            if point is None:
                ruled_out += 1
            else:
                points.setdefault(point.name, point)
            if len(self.problems) >= MOST_PROBLEMS:
                break
        self._raise_problems()
        if not points:
            raise self.space.origin.marked(list(self._unmet(combinations)))
        found = self._with_larger(list(points.values()))
        return Plan(self.space, tuple(found), combinations, ruled_out, self.in_percent)

    def _with_larger(self, points: Sequence[Point]) -> list[Point]:
        """The points, each with the designs from which it takes optima over."""
        known = {design.group: design for design in self._designs.values()}
        groups: dict[str, tuple[Design, tuple[Setting, ...]]] = {}
        for p in points:
            groups.setdefault(p.group, (known[p.group], p.request.settings))
        chains = larger_designs(groups)
        requests = (replace(p.request, larger=chains.get(p.group, ())) for p in points)
        return [replace(p, request=r) for p, r in zip(points, requests, strict=True)]

    def point(self, inputs: Inputs) -> Point | None:
        """A point; ``None`` if constraints rule it out, or if it is wrong, which is noted."""
        try:
            return self._point(inputs)
        except InputError as error:
            self._note(*error.problems)
            return None

    def _point(self, inputs: Inputs) -> Point | None:
        space, settings = self.space, tuple(self.space.settings(inputs))
        key = repr((inputs["hardware"], settings))
        if key not in self._designs:
            self._designs[key] = self._designed(inputs, settings)
        figures, group, kind, *_ = design = self._designs[key]
        clustering = inputs["clustering"]
        with placed(*place_of_clustering(space, inputs), anew=True):
            clustering = str(known_clustering(clustering)) if clustering else None
        weights = inputs["weights"] and absolute(inputs["weights"])
        is_clustered = bool(clustering or weights)
        weights = weights or self.space.retrained.get(clustering or "")
        inputs = {**inputs, "clustering": clustering, "weights": weights}
        if not is_clustered:
            inputs |= {"execution": "dense", "decode_level": None}
        with placed("weights", *index_in(space.weights, inputs["weights"])):
            known = clustering_figures(clustering, weights)
        row = {**inputs, **known, **figures, "kcsim_version": kcsim.__version__}
        row |= retrained_accuracies(space, weights)
        with placed("networks", *index_in(space.networks, inputs["network"])):
            row["batch"] = known_network(inputs["network"], inputs["batch"]).layers[0].batch
        zeros, precision = (each and absolute(each) for each in (row["zeros"], row["precision"]))
        workload = absolute(inputs["network"]), inputs["batch"]
        with placed("zeros", *index_in(space.file.zeros, inputs["zeros"]), anew=True):
            known_network(*workload, zeros)
        with placed("precisions", *index_in(space.file.precisions, inputs["precision"]), anew=True):
            known_network(*workload, zeros, precision)
        if self._accuracies or space.weights:
            with placed("weights"):
                row[ACCURACY] = self._accuracy(row)
        for i, each in self._early:
            if not self._holds(i, each, row):
                self._broken.setdefault(i, []).append({n: row[n] for n in each.names})
                return None
        request = Request(
            "", known_data(inputs["hardware"]), settings, (), *workload,
            None if weights else clustering, weights,
            inputs["execution"] if is_clustered else "decode",
            inputs["decode_level"], inputs["objective"], space.file.time_limit, zeros, precision,
            space.file.even, space.file.imperfect, space.fix,
        )  # fmt: skip
        self._check(request, design)
        name = point_name(request, figures["hardware_hash"])
        return Point(name, row, replace(request, point=name), group, kind, design.sizes)

    def _accuracy(self, row: Row) -> float | None:
        """What the user's table says of a point, else what the files of weights do."""
        known = self._accuracies.of(row) if self._accuracies else None
        if known is not None or row["clustering"]:
            return known
        measured = measured_accuracy(row, self.space.weights)
        return measured if measured is None or not self.in_percent else 100 * measured

    def _designed(self, inputs: Inputs, settings: tuple[Setting, ...]) -> Design:
        file, data = inputs["hardware"], known_data(inputs["hardware"])
        try:
            hardware = known_variant(data, settings)
        except InputError as error:
            place, where = blamed(self.space, data, inputs, settings)
            raise InputError(
                [replace(p, message=p.message + where, path=place) for p in error.problems]
            ) from None
        figures = {"hardware_hash": hardware_hash(hardware), **design_figures(hardware)}
        kind = hash_of(hardware.level_names, hardware.precision_bits, hardware.codebook)
        return Design(
            figures, hash_of(as_mapped(hardware)), kind, sizes_of(hardware),
            hash_of(file, without_sizes(hardware)),
        )  # fmt: skip

    def _holds(self, number: int, constraint: Expression, row: Row) -> bool:
        with placed("constraints", number):
            value = constraint.value(row)
            if value is None:
                unknown = next(name for name in constraint.names if row.get(name) is None)
                problem = f"'{constraint.text}' cannot be checked: {unknown} is not known"
                raise InputError(Problem(problem, "what says it, or another constraint"))
            return bool(value)

    def _unmet(self, combinations: int) -> Iterator[Problem]:
        """Why there are no points: what the constraints found that rule them out."""
        for number, rows in sorted(self._broken.items()):
            constraint, found = self.space.constraints[number], []
            for name in constraint.names:
                values = [row[name] for row in rows]
                if all(isinstance(value, int | float) for value in values):
                    found.append(f"{name} is {min(values):.4g} to {max(values):.4g}")
            text = f"'{constraint.text}' rules out {len(rows):,} of {combinations:,} points"
            text += f", where {', '.join(found)}" if found else ""
            yield Problem(f"{text}; none is left", path=("constraints", number))

    def _check(self, request: Request, design: Design) -> None:
        """See that a point can be estimated; of each combination that matters once."""
        asked: Hashable = (request.workload, request.clustering, request.weights)
        if request.clustering or request.weights:
            asked = (asked, design.kind, request.execution, request.decode_level)
        if asked in self._checked:
            return
        self._checked.add(asked)
        hardware, file = known_variant(request.hardware, request.settings), self.space.file
        given: Place = ("clusterings",)
        if request.weights:
            given = "weights", *index_in([*map(absolute, self.space.weights)], request.weights)
        with placed("fix"):
            fixes = known_fixes(request.fix, *request.workload)
            if fixes is not None:
                check_fixes(fixes, known_network(*request.workload), request.execution)
        with placed(*given):
            plan = planned(request, hardware)
        if plan.clustering is None:
            return
        asked_in: Place = "executions", *index_in(file.executions, request.execution)
        if request.decode_level and request.execution in EXECUTIONS:
            asked_in = "decode_levels", *index_in(file.decode_levels, request.decode_level)
        with placed(*asked_in):
            places = places_of(request, plan.hardware)
        for place in places:
            with placed(*given, together=True):
                mapping_tasks(plan, place)

    def _raise_problems(self) -> None:
        if self.problems:
            raise self.space.origin.marked(list(self.problems.values()))

    def _note(self, *problems: Problem) -> None:
        """Keep problems, each the first time that it comes up."""
        for problem in problems:
            text = str(replace(problem, mark=None))
            if not problem.path and not problem.mark:
                problem = replace(problem, path=("axes" if self.space.file.axes else "hardware",))
            self.problems.setdefault(text, problem)
