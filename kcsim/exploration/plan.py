"""What is to be run: all points of a space, checked, and what they have in common."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

import kcsim
from kcsim.errors import InputError, Problem
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
    mapping_tasks,
    places_of,
    planned,
    point_name,
)
from kcsim.exploration.expressions import Expression
from kcsim.exploration.retraining import ACCURACIES, accuracies_of
from kcsim.exploration.space import Inputs, Space
from kcsim.hardware.schema import Hardware
from kcsim.hardware.variants import Setting, variant
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
    hardware = variant(request.hardware, request.settings)
    plan = planned(request, hardware)
    places = places_of(request, hardware) if plan.clustering is not None else (hardware,)
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
        self._last: tuple[str, Hardware] | None = None
        self._checked: set[Hashable] = set()
        known = (*space.columns, *KNOWN_BEFORE)
        self._accuracies = self._read_accuracies()
        # What retraining will tell is not known yet where nothing was retrained.
        early = set(known)
        if space.file.retrain and not space.retrained:
            early -= set(ACCURACIES)
        self._early = tuple(e for e in space.constraints if set(e.names) <= early)
        for i, each in enumerate(space.constraints):
            wrong = each.check_names((*known, *RESULTS, "proved"))
            for problem in wrong:
                self._note(replace(problem, path=("constraints", i)))
        if self.problems:
            raise space.origin.marked(list(self.problems.values()))

    def _read_accuracies(self) -> Accuracies | None:
        """The table of accuracies, if the space has one."""
        file = self.space.file.accuracy
        if file is None:
            return None
        beside = os.path.join(self.space.origin.folder, file)
        known = (*self.space.columns, "scheme", "clusters")
        return read_accuracies(file if os.path.exists(file) else beside, known)

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
        if self.problems:
            raise self.space.origin.marked(list(self.problems.values()))
        if not points:
            raise self.space.origin.marked(
                [Problem(f"the constraints rule out all {combinations} points")]
            )
        designs = {design.group: design for design in self._designs.values()}
        found = with_larger(list(points.values()), designs)
        return Plan(self.space, tuple(found), combinations, ruled_out)

    def point(self, inputs: Inputs) -> Point | None:
        """A point; ``None`` if a constraint rules it out, or if it is wrong, which is noted."""
        try:
            return self._point(inputs)
        except InputError as error:
            for problem in error.problems:
                self._note(problem, inputs)
            return None

    def _point(self, inputs: Inputs) -> Point | None:
        settings = tuple(self.space.settings(inputs))
        key = repr((inputs["hardware"], settings))
        if key not in self._designs:
            self._designs[key] = self._designed(key, inputs["hardware"], settings)
        figures, group, kind, *_ = design = self._designs[key]
        clustering = inputs["clustering"]
        clustering = str(known_clustering(clustering)) if clustering else None
        weights = inputs["weights"] and absolute(inputs["weights"])
        is_clustered = bool(clustering or weights)
        weights = weights or self.space.retrained.get(clustering or "")
        inputs = {**inputs, "clustering": clustering, "weights": weights}
        if not is_clustered:
            inputs |= {"execution": "dense", "decode_level": None}
        row = {**inputs, **clustering_figures(clustering), **figures,
               "kcsim_version": kcsim.__version__}  # fmt: skip
        row |= self._retrained_accuracies(weights)
        if self._accuracies:
            row[ACCURACY] = self._accuracies.of(row)
        row["batch"] = known_network(inputs["network"], inputs["batch"]).layers[0].batch
        if not all(self._holds(each, row) for each in self._early):
            return None
        request = Request(
            "", known_data(inputs["hardware"]), settings, (), absolute(inputs["network"]),
            inputs["batch"], None if weights else clustering, weights,
            inputs["execution"] if is_clustered else "decode",
            inputs["decode_level"], inputs["objective"], self.space.file.time_limit,
        )  # fmt: skip
        self._check(request, design, key)
        name = point_name(request, figures["hardware_hash"])
        return Point(name, row, replace(request, point=name), group, kind, design.sizes)

    def _retrained_accuracies(self, weights: str | None) -> Row:
        """Accuracies of the file of a point, or of the dense network beside retrained ones."""
        if self.space.file.retrain is None:
            return {}
        if weights is None and self.space.retrained:
            any_file = next(iter(self.space.retrained.values()))
            return accuracies_of(any_file, is_dense=True)
        return accuracies_of(weights) if weights else dict.fromkeys(ACCURACIES)

    def _designed(self, key: str, file: str, settings: tuple[Setting, ...]) -> _Design:
        hardware = variant(known_data(file), settings)
        self._last = key, hardware
        figures = {"hardware_hash": hardware_hash(hardware), **design_figures(hardware)}
        kind = hash_of(hardware.level_names, hardware.precision_bits, hardware.codebook)
        return _Design(
            figures, hash_of(as_mapped(hardware)), kind, sizes_of(hardware),
            hash_of(file, without_sizes(hardware)),
        )  # fmt: skip

    def _holds(self, constraint: Expression, row: Row) -> bool:
        value = constraint.value(row)
        if value is None:
            unknown = next(name for name in constraint.names if row.get(name) is None)
            problem = f"'{constraint.text}' cannot be checked: {unknown} is not known"
            raise InputError(Problem(problem, "a hardware that says it, or another constraint"))
        return bool(value)

    def _check(self, request: Request, design: _Design, key: str) -> None:
        """See that a point can be estimated; of each combination that matters once."""
        asked: Hashable = (request.network, request.batch, request.clustering, request.weights)
        if request.clustering or request.weights:
            asked = (asked, design.kind, request.execution, request.decode_level)
        if asked in self._checked:
            return
        self._checked.add(asked)
        if self._last is None or self._last[0] != key:
            self._last = key, variant(request.hardware, request.settings)
        hardware = self._last[1]
        plan = planned(request, hardware)
        if plan.clustering is not None:
            for place in places_of(request, hardware):
                mapping_tasks(plan, place)

    def _note(self, problem: Problem, inputs: Inputs | None = None) -> None:
        """Keep a problem, the first time that it comes up."""
        text = str(replace(problem, mark=None))
        if text in self.problems:
            return
        if inputs is not None:
            varied = [
                f"{column} = {inputs[column]}"
                for axis in self.space.axes
                for column in axis.columns
                if len(axis.choices) != 1 and inputs.get(column) is not None
            ]
            where = f" (at {', '.join(varied)})" if varied else ""
            path = ("axes",) if self.space.file.axes else ("hardware",)
            message = problem.message + where
            problem = Problem(message, problem.expected, problem.suggestion, path=path)
        self.problems[text] = problem


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
