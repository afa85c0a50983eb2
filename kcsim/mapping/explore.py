"""Exploring the mappings of a layer, for every choice that the hardware leaves open.

Where time runs out, or a layer has more tilings than fit in memory, what has not been explored
is bounded from below, and a coarser map space stands in if nothing has been found.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts, build_machine
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.kernels.search import optimum
from kcsim.kernels.search.bounds import MOST_UNITS, WITH_CYCLES
from kcsim.kernels.search.machine import READ_PJ, Machine
from kcsim.kernels.search.optimum import (
    BOUNDS,
    COMPLETE,
    COUNT,
    NEXT_BLOCK,
    NODES,
    Found,
    Position,
    Tables,
)
from kcsim.kernels.search.reuse import MOVED
from kcsim.kernels.search.tilings import MapSpace
from kcsim.mapping.deadline import Deadline, OutOfTime
from kcsim.mapping.nest import Mapping
from kcsim.mapping.space import (
    TooLarge,
    build_space,
    count_mappings_in,
    count_tiles,
    fit_tiles,
    mapping_from,
)
from kcsim.mapping.tables import Floor, bound_mappings, least_of_any
from kcsim.workload.layer import TENSORS, ConvLayer

CHUNK_SECONDS = 0.1
FIRST_CHUNK = 20_000
"""Choices that are looked at before the first look at the clock."""
MANY_TILES = 10_000
"""Tiles, times choices of what levels keep, that may take long to search. Then some mapping is
looked for first, in a coarser map space of so many tiles, for so much of the time:"""
EARLY_TILES, EARLY_SHARE = 1024, 0.3
LATE_TILES = 20_000
"""Tiles of the one that stands in where there are too many to search all."""
FEW_TILES, GRACE_SECONDS = 512, 0.5
"""Tiles of the one in which some mapping is found after the time, and time for that."""


@dataclass(frozen=True)
class Task:
    """A layer to be mapped; see `kcsim.mapping.search.search_mapping`."""

    layer: ConvLayer
    hardware: Hardware
    weights: Sequence[WeightCosts] = (DENSE,)
    prices: Prices | None = None

    def choices(self) -> Iterator[tuple[tuple[tuple[str, ...], ...], WeightCosts, Machine]]:
        """Every choice of what the levels leave out, for every form of the weights."""
        choices = [
            tuple(
                left_out
                for size in range(len(level.may_bypass) + 1)
                for left_out in itertools.combinations(level.may_bypass, size)
            )
            for level in self.hardware.levels
        ]
        for bypass in itertools.product(*choices):
            keeps = np.array(
                [
                    [t in level.kept_tensors and t not in left_out for t in TENSORS]
                    for level, left_out in zip(self.hardware.levels, bypass, strict=True)
                ]
            )
            for form in self.weights:
                machine = build_machine(self.layer, self.hardware, keeps, form, self.prices)
                yield bypass, form, machine


class Point(NamedTuple):
    """A mapping with its energy and cycles.

    Attributes
    ----------
    mapping : Mapping
    energy, cycles : float
    codebook_level : int, optional
        Position of the level that holds a codebook too large for its store.
    """

    mapping: Mapping
    energy: float
    cycles: float
    codebook_level: int | None


@dataclass
class Explored:
    """What is known of the mappings of a layer.

    Attributes
    ----------
    points : list of Point
        The best one, or those that may be on the front.
    left_out : list of (float, float)
        Energy and cycles that mappings which were not looked at cannot undercut.
    mappings : int
        In the map space; those that were counted before the deadline.
    evaluated, nodes : int
        Mappings, and parts of mappings, that were costed.
    is_too_large : bool
        Whether there are more tilings than can be searched.
    """

    points: list[Point] = field(default_factory=list)
    left_out: list[tuple[float, float]] = field(default_factory=list)
    mappings: int = 0
    evaluated: int = 0
    nodes: int = 0
    is_too_large: bool = False


def explore(task: Task, objective: int, places: int, deadline: Deadline) -> Explored:
    """Look for the best mapping, or for the front, until the deadline.

    Parameters
    ----------
    task : Task
    objective : int
        See `kcsim.kernels.search.optimum`.
    places : int
        Points to keep at most for each choice of what levels keep.
    deadline : Deadline
        Half a second later, something has been found where it can be found fast.

    Raises
    ------
    MappingError
        If the dataflow leaves no place for a dimension.
    """
    compile_kernels()
    spare = Explored()
    if count_tiles(task.layer) * _number_of_choices(task) > MANY_TILES:
        early = Deadline(EARLY_SHARE * deadline.left, deadline)
        spare = _explored(task, objective, places, early, EARLY_TILES)
    known = _explored(task, objective, places, deadline, None)
    if known.is_too_large and not deadline.has_passed:
        _add(spare, _explored(task, objective, places, deadline, LATE_TILES), objective)
    if known.left_out and not (known.points or spare.points):
        until = deadline.extended(GRACE_SECONDS)
        _add(spare, _explored(task, objective, places, until, FEW_TILES), objective)
    if known.left_out:
        _add(known, spare, objective)
    return known


def _add(known: Explored, spare: Explored, objective: int) -> None:
    """Add what a coarser map space has, if it is better."""
    known.points += spare.points
    if objective != optimum.FRONT and known.points:
        known.points = [min(known.points, key=lambda point: _value(objective, point))]
    known.mappings = max(known.mappings, spare.mappings)
    known.evaluated += spare.evaluated
    known.nodes += spare.nodes


def _value(objective: int, point: Point) -> tuple[float, float]:
    """What an objective minimizes, and what it does among equals."""
    energy, cycles = point.energy, point.cycles
    if objective == optimum.ENERGY_DELAY:
        return energy * cycles, energy
    return (cycles, energy) if objective == optimum.CYCLES else (energy, cycles)


@functools.cache
def compile_kernels() -> None:
    """Let all that a search needs be compiled before the clock of the first one runs."""
    level = Level(name="any", read_pj=1, write_pj=1)
    hardware = Hardware(name="any", levels=(level,), compute=Compute(mac_pj=1))
    task = Task(ConvLayer("any", 2, 2, 2, 2, 1, 1), hardware)
    _explored(task, optimum.ENERGY_DELAY, 1, Deadline(), None)


def _explored(
    task: Task, objective: int, places: int, deadline: Deadline, coarse: int | None
) -> Explored:
    known, space = Explored(), None
    costs = np.full(2, np.inf)
    try:
        space = build_space(task.layer, task.hardware, deadline=deadline, coarse=coarse)
        known.mappings = count_mappings_in(space, deadline)
    except TooLarge:
        known.is_too_large = True
    except OutOfTime:
        space = None
    for bypass, form, machine in task.choices():
        if space is None or deadline.has_passed:
            known.left_out += _least_of_all(task)
            break
        fitting = fit_tiles(space, machine)
        try:
            bounded = bound_mappings(task.layer, machine, fitting, deadline)
        except (OutOfTime, TooLarge) as error:
            known.is_too_large |= isinstance(error, TooLarge)
            known.left_out += _least_of_all(task)
            continue
        if bounded is None:
            continue
        found = _no_mapping(len(task.hardware.levels), places)
        if objective != optimum.FRONT:
            found.costs[0] = costs
        if not _search(machine, fitting, *bounded, objective, found, deadline):
            known.left_out.append(_least(machine, *bounded, found))
        known.evaluated += int(found.tally[COMPLETE])
        known.nodes += int(found.tally[NODES])
        points = [
            Point(
                _mapping(task.hardware, fitting, bypass, choices), float(energy), float(cycles),
                form.store_level,
            )
            for choices, (energy, cycles) in zip(
                found.choices, found.costs[: found.tally[COUNT]], strict=False
            )
        ]  # fmt: skip
        if objective == optimum.FRONT:
            known.points += points
        elif points:
            known.points, costs = points, found.costs[0]
    known.mappings *= _number_of_choices(task)
    return known


def _least_of_all(task: Task) -> list[tuple[float, float]]:
    """Energy and cycles that no mapping undercuts, for each form of the weights.

    What levels keep makes no difference to them.
    """
    machines = itertools.islice(task.choices(), len(task.weights))
    units = task.hardware.mac_units
    return [least_of_any(task.layer, machine, units) for _, _, machine in machines]


def _number_of_choices(task: Task) -> int:
    open_ = sum(len(level.may_bypass) for level in task.hardware.levels)
    return int(2**open_ * len(task.weights))


def _no_mapping(levels: int, places: int) -> Found:
    choices = np.zeros((places, levels, 10), np.int64)
    return Found(np.full((places, 2), np.inf), choices, np.zeros(6, np.int64))


def _search(
    machine: Machine,
    space: MapSpace,
    tables: Tables,
    floor: Floor,
    objective: int,
    found: Found,
    deadline: Deadline,
) -> bool:
    """Search what one choice leaves; returns whether the search is complete."""
    levels, orders = space.order_allowed.shape
    position = Position(
        np.ones((levels + 1, MOVED + 2 * (levels + 1))),
        np.zeros((levels + 1, 8 * levels, 2)),
        np.zeros((levels, orders, 4 + 16 * levels)),
        np.zeros((levels + 1, BOUNDS + 8), np.int64),
    )
    steps = FIRST_CHUNK
    while True:
        started = time.monotonic()
        done = optimum.explore(
            machine, space, tables, floor.outputs, floor.cycles, objective, steps, position, found
        )
        if done or deadline.has_passed:
            return bool(done)
        # Signals, too, are only seen in between.
        passed = time.monotonic() - started
        steps = max(1, int(steps * min(4.0, CHUNK_SECONDS / max(passed, 1e-9))))


def _least(machine: Machine, tables: Tables, floor: Floor, found: Found) -> tuple[float, float]:
    """Energy and cycles that mappings not searched yet cannot undercut."""
    bound = tables.bounds[found.tally[NEXT_BLOCK]]
    cycles = machine.macs * machine.cycles_per_mac / tables.inside[0, -1, MOST_UNITS]
    first_sums = floor.outputs * machine.costs[0, 2, READ_PJ]
    energy = machine.mac_pj + floor.cycles[:2].sum() - first_sums + bound[WITH_CYCLES]
    return float(energy), float(max(cycles, floor.cycles[2]))


def _mapping(
    hardware: Hardware,
    space: MapSpace,
    bypass: tuple[tuple[str, ...], ...],
    choices: np.ndarray,
) -> Mapping:
    plain = mapping_from(hardware, space, choices)
    levels = zip(plain.levels, bypass, strict=True)
    return Mapping(tuple(dataclasses.replace(level, bypass=left) for level, left in levels))
