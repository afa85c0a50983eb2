"""What is to be run: all points of a space, checked, and what they have in common."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

import kcsim
from kcsim.errors import InputError, Problem
from kcsim.estimation.executions import EXECUTIONS
from kcsim.estimation.result import RUN_FIGURES
from kcsim.exploration.accuracy import ACCURACY, Accuracies, read_accuracies
from kcsim.exploration.designs import (
    Request,
    absolute,
    clustering_figures,
    design_figures,
    hardware_hash,
    hash_of,
    known_clustering,
    known_data,
    known_network,
    known_variant,
    mapping_tasks,
    measured_accuracy,
    places_of,
    planned,
    point_name,
)
from kcsim.exploration.expressions import Expression
from kcsim.exploration.placing import (
    Place,
    blamed,
    check_keys,
    index_in,
    place_of_clustering,
    placed,
)
from kcsim.exploration.retraining import ACCURACIES, retrained_accuracies
from kcsim.exploration.space import Inputs, Space
from kcsim.hardware.variants import Setting
from kcsim.mapping.as_mapped import Sizes, as_mapped, sizes_of, without_sizes

Row = dict[str, Any]
KNOWN_BEFORE = (*ACCURACIES, "area_mm2", "mac_units", "memory_bits", "clusters", "scheme")
"""Figures that are known before anything is mapped."""
RESULTS = (
    *(name for name in RUN_FIGURES if name not in ("clustering", "run", "energy_unit")),
    "outermost_traffic_bits",
)
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
    """

    space: Space
    points: tuple[Point, ...]
    combinations: int
    ruled_out: int

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
            asked = (request.network, request.batch, request.clustering, request.weights,
                     request.execution, request.decode_level, request.objective,
                     point.kind)  # fmt: skip
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


class _Design(NamedTuple):
    """What is known of the hardware of points."""

    figures: Row
    group: str
    kind: str
    sizes: Sizes
    siblings: str


class Planner:
    """Makes points of inputs; what points share is made once.

    Parameters
    ----------
    space : Space
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.problems: dict[str, Problem] = {}
        self._designs: dict[str, _Design] = {}
        self._checked: set[Hashable] = set()
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

    def check_ends(self) -> None:
        """See that every choice makes a point, where the points are too many to make all.

        Raises
        ------
        InputError
            With all that is wrong.
        """
        for inputs in self.space.ends():
            self.point(inputs)
        self._raise_problems()

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
            text = f"the constraints rule out all {combinations} points"
            raise self.space.origin.marked([Problem(text, path=("constraints",))])
        designs = {design.group: design for design in self._designs.values()}
        found = with_larger(list(points.values()), designs)
        return Plan(self.space, tuple(found), combinations, ruled_out)

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
        if self._accuracies or space.weights:
            row[ACCURACY] = self._accuracy(row)
        if not all(self._holds(i, each, row) for i, each in self._early):
            return None
        request = Request(
            "", known_data(inputs["hardware"]), settings, (), absolute(inputs["network"]),
            inputs["batch"], None if weights else clustering, weights,
            inputs["execution"] if is_clustered else "decode",
            inputs["decode_level"], inputs["objective"], space.file.time_limit,
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
        in_percent = self._accuracies is not None and self._accuracies.in_percent
        return measured if measured is None or not in_percent else 100 * measured

    def _designed(self, inputs: Inputs, settings: tuple[Setting, ...]) -> _Design:
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
        return _Design(
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

    def _check(self, request: Request, design: _Design) -> None:
        """See that a point can be estimated; of each combination that matters once."""
        asked: Hashable = (request.network, request.batch, request.clustering, request.weights)
        if request.clustering or request.weights:
            asked = (asked, design.kind, request.execution, request.decode_level)
        if asked in self._checked:
            return
        self._checked.add(asked)
        hardware, file = known_variant(request.hardware, request.settings), self.space.file
        given: Place = ("clusterings",)
        if request.weights:
            given = "weights", *index_in([*map(absolute, self.space.weights)], request.weights)
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


def with_larger(points: Sequence[Point], designs: Mapping[str, _Design]) -> list[Point]:
    """The points, each with the designs from which it takes optima over.

    Such a design differs in the sizes of memories alone and has at least as much of each: of
    several the one with the least room in all. What follows from the sizes must be equal, too.

    Parameters
    ----------
    points : sequence of Point
    designs : mapping of str to _Design
        By group.
    """
    alike: dict[str, list[tuple[Sizes, str]]] = {}
    settings: dict[str, tuple[Setting, ...]] = {}
    for point in points:
        if point.group not in settings:
            settings[point.group] = point.request.settings
            design = designs[point.group]
            alike.setdefault(design.siblings, []).append((design.sizes, point.group))
    chains: dict[str, tuple[tuple[Setting, ...], ...]] = {}
    for same in alike.values():
        # The largest first, so that those below find the chain of what is above them.
        same.sort(reverse=True)
        sizes = np.array([each[0] for each in same])
        room = np.where(np.isinf(sizes), 0.0, sizes).sum(axis=1)
        for i, (_, group) in enumerate(same):
            above = np.flatnonzero((sizes[:i] >= sizes[i]).all(axis=1))
            if len(above):
                nearest = same[int(above[np.argmin(room[above])])][1]
                chains[group] = (settings[nearest], *chains.get(nearest, ()))
    return [
        replace(point, request=replace(point.request, larger=chains.get(point.group, ())))
        for point in points
    ]


def batches_of(points: Sequence[Point], largest: int = 16) -> list[list[Point]]:
    """Points that are evaluated together: those of one group, the larger designs before others.

    Then groups with the same outer memories follow each other, as they have tables in common.
    """
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    order = sorted(groups.values(), key=lambda each: (len(each[0].request.larger), each[0].sizes))
    return [
        group[start : start + largest] for group in order for start in range(0, len(group), largest)
    ]
