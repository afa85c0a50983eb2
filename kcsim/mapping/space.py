"""The map space: every mapping of a layer that a hardware and its dataflow allow."""

from __future__ import annotations

import math

import numpy as np

from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.kernels import tilings
from kcsim.kernels.machine import Machine
from kcsim.kernels.tilings import LIMIT, SHIFT, STRIDE, Lattice, MapSpace
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload import ConvLayer
from kcsim.workload.layer import DIMENSIONS

__all__ = ["ORDERS", "build_space", "count_mappings_in", "mapping_from"]

_BLIND = {"weights": "NPQ", "inputs": "M", "outputs": "CRS"}
"""Dimensions that a tensor does not see: a loop over them leaves its tile where it is."""


def _orders() -> tuple[str, ...]:
    """Loop orders, outermost first, one for each effect that an order can have.

    What matters of an order is which loops stand innermost: as long as they are blind to a
    tensor, its tile stays, and as long as they move the window of inputs along one axis,
    neighbouring tiles share words. So the innermost loops are all that are blind to
    one tensor, or the two of one axis, with the axis that moves first and, where
    both of its loops do, each of them first. What follows is put likewise, for
    layers in which the innermost of these have no iterations.
    """
    innermost = []
    for output, other, tap, other_tap in ("PQRS", "QPSR"):
        for first, second in ((output, tap), (tap, output)):
            innermost += [f"M{first}{second}", f"{first}{second}"]
        for following in (tap, other_tap):
            innermost.append(f"{output}{other}N{following}")
        for following in (output, other):
            innermost.append(f"{tap}{other_tap}C{following}")
    return tuple(
        "".join(d for d in "GNCMPQRS" if d not in inner) + inner[::-1] for inner in innermost
    )


def _put_innermost(order: str, dimensions: str) -> str:
    """An order with some dimensions moved inwards past all others."""
    inside = "".join(d for d in order if d in dimensions)
    return "".join(d for d in order if d not in dimensions) + inside


_FREE = _orders()
ORDERS = tuple(
    dict.fromkeys([*_FREE, *(_put_innermost(o, d) for d in _BLIND.values() for o in _FREE)])
)
"""Dimensions, outermost first: the orders of levels that may have any, then those that keep what
is blind to a tensor innermost, where a dataflow wants that."""


def build_space(layer: ConvLayer, hardware: Hardware, machine: Machine) -> MapSpace:
    """All mappings of a layer on a hardware, as arrays.

    Raises
    ------
    MappingError
        If the dataflow leaves no place for a dimension, or the layer has too
        many different tiles to be searched.
    """
    _check_places(layer, hardware)
    lattice = _lattice(layer)
    orders = np.array([[DIMENSIONS.index(d) for d in order] for order in ORDERS], np.int64)
    fixed, allowed_orders, starts, splits = [], [], [0], []
    fits = np.ones((len(hardware.levels), len(lattice.exponents)), np.bool_)
    for i, level in enumerate(hardware.levels):
        constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
        choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
        may = np.array([[c is None or d in c for d in DIMENSIONS] for c in choices])
        fixed.append(sum(_word(row) for row in lattice.digits if not may[0, row[0]]))
        if constraint.stationary:
            blind = _BLIND[constraint.stationary]
            allowed_orders.append([_put_innermost(order, blind) == order for order in ORDERS])
        else:
            allowed_orders.append([order in _FREE for order in ORDERS])
        along_x = np.empty(len(lattice.exponents), np.int64)
        room = np.array([level.fanout.x, level.fanout.y], np.int64)
        tilings.find_splits(lattice, may[1:], room, along_x)
        found = np.flatnonzero(along_x >= 0)
        splits.append(np.column_stack([found, along_x[found]]))
        starts.append(starts[-1] + len(found))
        tilings.fitting_tiles(i, lattice, machine, fits[i])
    return MapSpace(
        lattice,
        np.array(fixed, np.int64),
        orders,
        np.array(allowed_orders, np.bool_),
        np.concatenate(splits),
        np.array(starts, np.int64),
        fits,
    )


def count_mappings_in(space: MapSpace) -> int:
    """Number of mappings in a space, whether their tiles fit or not.

    Every way to spread factors over the children of the levels, times every way to leave the
    others to the levels that may iterate over them, times the loop orders of each level
    that differ in effect.
    """
    lattice, whole = space.lattice, len(space.lattice.exponents) - 1
    tiles, ways = np.zeros(1, np.int64), np.ones(1, np.int64)
    for first, last in zip(space.split_start, space.split_start[1:], strict=False):
        splits = space.splits[first:last, 0]
        left = lattice.exponents[whole] | lattice.spare
        left = left - lattice.exponents[tiles][:, None] - lattice.exponents[splits]
        possible = left & lattice.spare == lattice.spare
        products = (tiles[:, None] + splits)[possible]
        tiles, place = np.unique(products, return_inverse=True)
        ways = np.bincount(place, np.repeat(ways, possible.sum(axis=1))).astype(np.int64)
    total = ways.astype(object)
    for row in lattice.digits:
        places = sum(not int(fixed) & _word(row) for fixed in space.fixed)
        left = row[LIMIT] - tiles // row[STRIDE] % (row[LIMIT] + 1)
        shared = [
            math.comb(exponent + places - 1, exponent) if places else int(exponent == 0)
            for exponent in range(int(row[LIMIT]) + 1)
        ]
        total *= np.array(shared, object)[left]
    orders = math.prod(int(allowed) for allowed in space.order_allowed.sum(axis=1))
    return int(total.sum()) * orders


def mapping_from(hardware: Hardware, space: MapSpace, choices: np.ndarray) -> Mapping:
    """The mapping that a search has chosen.

    Parameters
    ----------
    choices : int64[levels, 10]
        See `kcsim.kernels.optimum.Found`.
    """
    extents, entries = space.lattice.extents, []
    for i, level in enumerate(hardware.levels):
        order = ORDERS[choices[i, 0]]
        if not space.order_allowed[i, choices[i, 0]]:
            order = ORDERS[int(np.argmax(space.order_allowed[i]))]
        both, along_x = space.splits[choices[i, 1]]
        bounds = dict(zip(DIMENSIONS, map(int, choices[i, 2:]), strict=True))
        entries.append(
            LevelLoops(
                level.name,
                tuple(Loop(d, bounds[d]) for d in order if bounds[d] > 1),
                _loops(extents[along_x]),
                _loops(extents[both - along_x]),
            )
        )
    return Mapping(tuple(entries))


def _loops(extents: np.ndarray) -> tuple[Loop, ...]:
    pairs = zip(DIMENSIONS, map(int, extents), strict=True)
    return tuple(Loop(dimension, bound) for dimension, bound in pairs if bound > 1)


def _check_places(layer: ConvLayer, hardware: Hardware) -> None:
    """Every prime factor needs a level that may iterate over it, or may spread it."""
    for name, size in layer.dimensions.items():
        most = 1
        for level in hardware.levels:
            constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
            choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
            for choice, room in zip(choices, (size, level.fanout.x, level.fanout.y), strict=True):
                if choice is None or name in choice:
                    most = max(most, room)
        if any(prime > most for prime, _ in _prime_factors(size)):
            raise MappingError(
                f"the dataflow of {hardware.name} lets no level iterate over {name}, which "
                f"{layer.name} needs"
            )


def _word(row: np.ndarray) -> int:
    """All bits of the exponent of a factor, a row of `Lattice.digits`."""
    return int((1 << int(row[LIMIT]).bit_length()) - 1) << int(row[SHIFT])


def _lattice(layer: ConvLayer) -> Lattice:
    rows, stride, shift, spare = [], 1, 0, 0
    for index, size in enumerate(layer.dimensions.values()):
        for prime, exponent in _prime_factors(size):
            rows.append((index, prime, exponent, stride, shift))
            stride *= exponent + 1
            shift += exponent.bit_length() + 1
            spare |= 1 << (shift - 1)
    if stride > _MOST_TILES or shift > 62:
        raise MappingError(
            f"{layer.name} has {stride:,} different tiles, more than can be searched "
            f"({_MOST_TILES:,}): map it with a smaller batch, or give a mapping"
        )
    digits = np.array(rows, np.int64).reshape(-1, STRIDE + 2)
    extents, exponents = np.empty((stride, 8), np.int64), np.empty(stride, np.int64)
    tilings.number_tiles(digits, extents, exponents)
    return Lattice(digits, extents, exponents, spare)


_MOST_TILES = 2_000_000


def _prime_factors(number: int) -> list[tuple[int, int]]:
    """Prime factors and their exponents."""
    found, divisor = [], 2
    while number > 1:
        if divisor * divisor > number:
            divisor = number
        exponent = 0
        while number % divisor == 0:
            number //= divisor
            exponent += 1
        if exponent:
            found.append((divisor, exponent))
        divisor += 1
    return found
