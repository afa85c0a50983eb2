"""The best mapping of a layer, proved to be the best.

`search_mapping` explores the whole map space of a layer on a hardware by branch and bound
(`kcsim.kernels.optimum`), for every choice of what levels keep that the hardware leaves open.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kcsim.errors import InputError, MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.kernels import optimum
from kcsim.kernels.bounds import MOST_UNITS, WITH_CYCLES
from kcsim.kernels.machine import READ_PJ, Machine
from kcsim.kernels.optimum import (
    BOUNDS,
    COMPLETE,
    COUNT,
    NEXT_BLOCK,
    NODES,
    Found,
    Position,
    Tables,
)
from kcsim.kernels.reuse import MOVED
from kcsim.kernels.tilings import MapSpace
from kcsim.mapping.costs import DENSE, Prices, WeightCosts, build_machine
from kcsim.mapping.nest import Mapping
from kcsim.mapping.space import build_space, count_mappings_in, mapping_from
from kcsim.mapping.tables import Floor, bound_mappings
from kcsim.workload import ConvLayer
from kcsim.workload.layer import TENSORS

__all__ = [
    "OBJECTIVES",
    "FrontPoint",
    "SearchResult",
    "check_search",
    "find_front",
    "find_mapping",
    "objective_value",
    "search_mapping",
]

OBJECTIVES = ("energy", "cycles", "edp")
FRONT_PLACES = 4096
CHUNK = 5_000_000
"""Choices that are looked at between two looks at the clock."""


@dataclass(frozen=True)
class SearchResult:
    """The mapping that a search has found, and what is known of all others.

    Attributes
    ----------
    mapping : Mapping
    energy_pj : float
        In the hardware's energy unit, as the search sees it: accesses are not rounded up to
        whole ones.
    cycles : float
        Likewise.
    is_optimal : bool
        Whether it is proved that no mapping in the space is better by more than a
        part in 10^9.
    gap : float
        How much lower the objective of another mapping may be at most, as a share;
        0 for a proved optimum. NaN if nothing is known.
    mappings : int
        Mappings in the space.
    evaluated : int
        Mappings that were costed in full; bounds ruled out all others.
    nodes : int
        Parts of mappings that were costed.
    seconds : float
    note : str
        Why the mapping is not proved to be optimal, if it is not.
    """

    mapping: Mapping
    energy_pj: float
    cycles: float
    is_optimal: bool
    gap: float
    mappings: int
    evaluated: int
    nodes: int
    seconds: float
    note: str = ""

    @property
    def pruned(self) -> int:
        """Mappings that bounds ruled out, or that a time limit left out."""
        return self.mappings - self.evaluated


@dataclass(frozen=True)
class FrontPoint:
    """A mapping that no other beats in both energy and cycles."""

    mapping: Mapping
    energy_pj: float
    cycles: float


@dataclass
class _Variant:
    """One choice of what levels keep and where the codebook lies, ready to be searched.

    Without tables, nothing fits.
    """

    bypass: tuple[tuple[str, ...], ...]
    machine: Machine
    space: MapSpace
    bounded: tuple[Tables, Floor] | None


def search_mapping(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    objective: str = "edp",
    weights: Sequence[WeightCosts] = (DENSE,),
    time_limit: float | None = None,
    prices: Prices | None = None,
) -> SearchResult:
    """Find the best mapping of a layer, within the dataflow of the hardware.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    objective : str
        What to minimise: ``energy``, ``cycles`` or ``edp``, their product. Of two equal
        mappings the one with fewer cycles is chosen for ``energy``, the one with less
        energy for ``cycles``.
    weights : sequence of WeightCosts
        How the weights are stored; where the codebook may lie in several places, one for
        each.
    time_limit : float, optional
        Seconds after which the best mapping so far is returned with the gap that remains.
    prices : Prices, optional
        What accesses cost, if not what the hardware says.

    Returns
    -------
    SearchResult
        All factors divide their dimension.

    Raises
    ------
    InputError
        If the objective is unknown, or the time limit not positive.
    MappingError
        If not even single values fit, or the dataflow leaves no place for a
        dimension.
    """
    check_search(objective, time_limit)
    started = time.monotonic()
    until = None if time_limit is None else started + time_limit
    number, best, spaces, tally, lower = OBJECTIVES.index(objective), None, 0, np.zeros(2, int), []
    costs = np.full(2, np.inf)
    for variant in _variants(layer, hardware, weights, prices):
        spaces += count_mappings_in(variant.space)
        if variant.bounded is None:
            continue
        found = _found(hardware, 1)
        found.costs[0] = costs
        if not _explore(variant, *variant.bounded, number, found, until):
            lower.append(_least(variant.machine, *variant.bounded, found, objective))
        tally += found.tally[[COMPLETE, NODES]]
        if found.tally[COUNT]:
            best, costs = _mapping(hardware, variant, found.choices[0]), found.costs[0]
    if best is None:
        raise MappingError(
            _nothing_fits(layer, hardware)
            if not lower
            else f"no mapping of {layer.name} on {hardware.name} was found within {time_limit} s"
        )
    note = _not_searched(hardware)
    value = objective_value(objective, *costs)
    gap = 1 - min([value, *lower]) / value if value else 0.0
    if lower:
        note = f"the time limit of {time_limit:g} s ended the search"
    return SearchResult(
        best, float(costs[0]), float(costs[1]), not note,
        float("nan") if note and not lower else float(gap), spaces, int(tally[0]), int(tally[1]),
        time.monotonic() - started, note,
    )  # fmt: skip


def find_mapping(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    objective: str = "edp",
    weights: Sequence[WeightCosts] = (DENSE,),
) -> Mapping:
    """The best mapping of a layer; see `search_mapping`."""
    return search_mapping(layer, hardware, objective=objective, weights=weights).mapping


def find_front(
    layer: ConvLayer, hardware: Hardware, *, weights: Sequence[WeightCosts] = (DENSE,)
) -> tuple[FrontPoint, ...]:
    """All mappings of a layer of which no other is better in both energy and cycles.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weights : sequence of WeightCosts
        See `search_mapping`.

    Returns
    -------
    tuple of FrontPoint
        From the fastest to the one with the least energy. Of mappings that are equal
        in both but for a part in 10^9, one.

    Raises
    ------
    MappingError
        As `search_mapping`, or if the front has more than 4,096 points.
    """
    points: list[FrontPoint] = []
    for variant in _variants(layer, hardware, weights):
        if variant.bounded is None:
            continue
        found = _found(hardware, FRONT_PLACES)
        _explore(variant, *variant.bounded, optimum.FRONT, found, None)
        if found.tally[COUNT] == FRONT_PLACES:
            raise MappingError(f"the front of {layer.name} has more than {FRONT_PLACES - 1} points")
        for i in range(int(found.tally[COUNT])):
            mapping = _mapping(hardware, variant, found.choices[i])
            points.append(FrontPoint(mapping, *map(float, found.costs[i])))
    if not points:
        raise MappingError(_nothing_fits(layer, hardware))
    front: list[FrontPoint] = []
    for point in sorted(points, key=lambda p: (p.cycles, p.energy_pj)):
        if not front or point.energy_pj < front[-1].energy_pj * (1 - optimum.TOLERANCE):
            front.append(point)
    return tuple(front)


def _nothing_fits(layer: ConvLayer, hardware: Hardware) -> str:
    reason = "no mapping that its dataflow allows fits"
    if not hardware.dataflow.levels:
        reason = "not even tiles of one value fit"
    return f"{layer.name} has no mapping on {hardware.name}: {reason}"


def check_search(objective: str, time_limit: float | None) -> None:
    """Raise an InputError if there is no such objective, or no time."""
    if objective not in OBJECTIVES:
        raise InputError(
            Problem(
                f"unknown objective '{objective}'",
                "one of " + ", ".join(OBJECTIVES),
                nearest(objective, OBJECTIVES),
            )
        )
    if time_limit is not None and not time_limit > 0:
        raise InputError(Problem(f"the time limit is {time_limit}", "a number of seconds above 0"))


def _not_searched(hardware: Hardware) -> str:
    """What costs energy on a hardware that the search does not see."""
    if any(level.fanout.forwarding for level in hardware.levels):
        return "what children take from their neighbours is not part of the search"
    if any(level.fanout.hop_pj for level in hardware.levels):
        return "hops depend on places in the array, which are not part of the search"
    if hardware.slides == "repeated":
        return "that windows slide by repeated moves alone is not part of the search"
    return ""


def _variants(
    layer: ConvLayer,
    hardware: Hardware,
    weights: Sequence[WeightCosts],
    prices: Prices | None = None,
) -> Iterator[_Variant]:
    """Every choice of what the levels keep, for every form of the weights."""
    choices = [
        tuple(
            left_out
            for size in range(len(level.may_bypass) + 1)
            for left_out in itertools.combinations(level.may_bypass, size)
        )
        for level in hardware.levels
    ]
    for bypass in itertools.product(*choices):
        keeps = np.array(
            [
                [t in level.kept_tensors and t not in left_out for t in TENSORS]
                for level, left_out in zip(hardware.levels, bypass, strict=True)
            ]
        )
        for form in weights:
            machine = build_machine(layer, hardware, keeps, form, prices)
            space = build_space(layer, hardware, machine)
            yield _Variant(bypass, machine, space, bound_mappings(layer, machine, space))


def _found(hardware: Hardware, places: int) -> Found:
    levels = len(hardware.levels)
    choices = np.zeros((places, levels, 10), np.int64)
    return Found(np.full((places, 2), np.inf), choices, np.zeros(6, np.int64))


def _explore(
    variant: _Variant,
    tables: Tables,
    floor: Floor,
    objective: int,
    found: Found,
    until: float | None,
) -> bool:
    """Search a variant; returns whether the search is complete."""
    levels, orders = variant.space.order_allowed.shape
    position = Position(
        np.ones((levels + 1, MOVED + 2 * levels)),
        np.zeros((levels + 1, 8 * levels, 2)),
        np.zeros((levels, orders, 4 + 16 * levels)),
        np.zeros((levels + 1, BOUNDS + 8), np.int64),
    )
    steps = CHUNK if until is not None else 2**60
    while True:
        done = optimum.explore(
            variant.machine, variant.space, tables, floor.outputs, floor.cycles, objective, steps,
            position, found,
        )  # fmt: skip
        if done or (until is not None and time.monotonic() >= until):
            return bool(done)


def _least(machine: Machine, tables: Tables, floor: Floor, found: Found, objective: str) -> float:
    """The least that mappings not searched yet may come to."""
    bound = tables.bounds[found.tally[NEXT_BLOCK]]
    cycles = machine.macs * machine.cycles_per_mac / tables.inside[0, -1, MOST_UNITS]
    first_sums = floor.outputs * machine.costs[0, 2, READ_PJ]
    energy = machine.mac_pj + floor.cycles[:2].sum() - first_sums + bound[WITH_CYCLES]
    return objective_value(objective, energy, max(cycles, floor.cycles[2]))


def objective_value(objective: str, energy_pj: float, cycles: float) -> float:
    """What an objective minimises."""
    return {"energy": energy_pj, "cycles": cycles, "edp": energy_pj * cycles}[objective]


def _mapping(hardware: Hardware, variant: _Variant, choices: np.ndarray) -> Mapping:
    plain = mapping_from(hardware, variant.space, choices)
    levels = zip(plain.levels, variant.bypass, strict=True)
    return Mapping(tuple(dataclasses.replace(level, bypass=left) for level, left in levels))
