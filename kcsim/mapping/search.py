"""Finding a mapping: the map space that a dataflow leaves, and a search in it.

The search is heuristic: it descends from one candidate, shakes it and descends
again. It is quick and repeatable, and makes no claim of being optimal.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from kcsim.errors import InputError, MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.hardware.zeros import left_of_macs
from kcsim.kernels import search as kernel
from kcsim.mapping.costs import build_machine
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload import ConvLayer
from kcsim.workload.layer import DIMENSIONS

__all__ = ["OBJECTIVES", "find_mapping"]

OBJECTIVES = ("energy", "cycles", "edp")
ROUNDS = 240

# Three groups of dimensions, each of which one tensor does not see: a loop over
# them leaves that tensor's tile where it is. All orders of the groups are tried,
# with rows or columns of the image innermost.
_BLIND = {"weights": ("N", "P", "Q"), "inputs": ("M",), "outputs": ("C", "R", "S")}


def find_mapping(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    objective: str = "edp",
    weight_bits: Sequence[float] | None = None,
    seed: int = 0,
) -> Mapping:
    """A good mapping of a layer, within the dataflow of the hardware.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    objective : str
        What to minimise: ``energy``, ``cycles`` or ``edp``, their product.
    weight_bits : sequence of float, optional
        Bits per weight at each level, outermost first; the hardware's
        precision when absent.
    seed : int
        Equal seeds give equal mappings.

    Returns
    -------
    Mapping
        All factors divide their dimension.

    Raises
    ------
    InputError
        If the objective is unknown, or the seed not from 0 to 2^31 - 1.
    MappingError
        If not even single values fit, or the dataflow leaves no place for a
        dimension.
    """
    if objective not in OBJECTIVES:
        raise InputError(
            Problem(
                f"unknown objective '{objective}'",
                "one of " + ", ".join(OBJECTIVES),
                nearest(objective, OBJECTIVES),
            )
        )
    if not 0 <= seed < 2**31:
        raise InputError(Problem(f"the seed is {seed}", "an integer from 0 to 2147483647"))
    machine = build_machine(layer, hardware, weight_bits)
    space, orders = _space(hardware)
    factors = _first_candidate(layer, hardware, space)
    order = np.array([int(np.argmax(allowed)) for allowed in space.order_allowed], np.int64)
    left = float(left_of_macs(hardware.compute, layer.zeros))
    mac_pj = layer.macs * hardware.compute.mac_pj * left
    cost = kernel.search(
        machine, space, factors, order, _proposals(layer, hardware, space), float(mac_pj),
        OBJECTIVES.index(objective), ROUNDS, seed,
    )  # fmt: skip
    if not np.isfinite(cost):
        raise MappingError(
            f"{layer.name} has no mapping on {hardware.name}: not even tiles of one value fit"
        )
    return _as_mapping(hardware, factors, order, orders)


def _space(hardware: Hardware) -> tuple[kernel.Space, list[tuple[str, ...]]]:
    levels = hardware.levels
    orders = _orders()
    places = 3 * len(levels)
    allowed = np.zeros((places, 8), np.bool_)
    room = np.full(places, 2**62, np.int64)
    order_allowed = np.zeros((len(levels), len(orders)), np.bool_)
    for i, level in enumerate(levels):
        constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
        choices = (constraint.temporal, constraint.spatial_x, constraint.spatial_y)
        for kind, choice in enumerate(choices):
            names = DIMENSIONS if choice is None else choice
            allowed[3 * i + kind] = [name in names for name in DIMENSIONS]
        room[3 * i + 1], room[3 * i + 2] = level.fanout.x, level.fanout.y
        allowed[3 * i + 1] &= level.fanout.x > 1
        allowed[3 * i + 2] &= level.fanout.y > 1
        order_allowed[i] = [
            constraint.stationary is None or set(order[-len(_BLIND[constraint.stationary]) :])
            == set(_BLIND[constraint.stationary])
            for order in orders
        ]  # fmt: skip
    table = np.array([[DIMENSIONS.index(name) for name in order] for order in orders], np.int64)
    return kernel.Space(allowed, room, table, order_allowed), orders


def _orders() -> list[tuple[str, ...]]:
    """Loop orders, outermost first; groups are indexed by every tensor but one."""
    orders = []
    for groups in itertools.permutations(_BLIND.values()):
        flat = ("G", *itertools.chain.from_iterable(groups))
        orders.append(flat)
        swap = {"P": "Q", "Q": "P", "R": "S", "S": "R"}
        orders.append(tuple(swap.get(name, name) for name in flat))
    return orders


def _first_candidate(layer: ConvLayer, hardware: Hardware, space: kernel.Space) -> np.ndarray:
    """Every dimension whole at the outermost place in time that may take it."""
    factors = np.ones(space.allowed.shape, np.int64)
    for index, (name, size) in enumerate(layer.dimensions.items()):
        temporal = [place for place in range(0, len(factors), 3) if space.allowed[place, index]]
        if size > 1 and not temporal:
            raise MappingError(
                f"the dataflow of {hardware.name} lets no level iterate over {name}, which "
                f"{layer.name} needs"
            )
        if temporal:
            factors[temporal[0], index] = size
    return factors


def _proposals(layer: ConvLayer, hardware: Hardware, space: kernel.Space) -> np.ndarray:
    """Every change to try: int64[proposals, 6], see `kernels.search.apply`."""
    movable = [
        (index, prime)
        for index, size in enumerate(layer.dimensions.values())
        for prime in _primes(size)
    ]
    rows = [
        (-1, level, int(order), 0, 0, 0)
        for level in range(len(hardware.levels))
        for order in np.flatnonzero(space.order_allowed[level])
    ]
    for source, target in itertools.permutations(range(len(space.allowed)), 2):
        here, there = space.allowed[source], space.allowed[target]
        both = [(index, prime) for index, prime in movable if here[index] and there[index]]
        rows += [(index, prime, source, target, -1, 1) for index, prime in both]
        if source < target:
            rows += [
                (*one, source, target, *other)
                for one, other in itertools.permutations(both, 2)
                if one[0] != other[0]
            ]
    return np.array(rows, np.int64)


def _primes(number: int) -> list[int]:
    """Distinct prime factors."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            found.append(divisor)
            while number % divisor == 0:
                number //= divisor
        divisor += 1
    return [*found, number] if number > 1 else found


def _as_mapping(
    hardware: Hardware, factors: np.ndarray, order: np.ndarray, orders: list[tuple[str, ...]]
) -> Mapping:
    entries = []
    for i, level in enumerate(hardware.levels):
        temporal, along_x, along_y = (
            _loops(factors[3 * i + kind], orders[order[i]] if kind == 0 else DIMENSIONS)
            for kind in range(3)
        )
        entries.append(LevelLoops(level.name, temporal, along_x, along_y))
    return Mapping(tuple(entries))


def _loops(factors: np.ndarray, names: Sequence[str]) -> tuple[Loop, ...]:
    """Loops in the order of `names`, those of bound 1 left out."""
    bounds: dict[str, int] = dict(zip(DIMENSIONS, map(int, factors), strict=True))
    return tuple(Loop(name, bounds[name]) for name in names if bounds[name] > 1)
