"""The map space: every mapping of a layer that a hardware and its dataflow allow."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.kernels.search import tilings
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.tilings import LIMIT, SHIFT, STRIDE, Lattice, MapSpace
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import DIMENSIONS, ConvLayer

MOST_TILES = 1_000_000
"""Different tiles of a layer, of which all can be searched."""
_PAIRS = 100_000
"""Pairs of tiles that a kernel looks at between two looks at the clock."""
_WORD_BITS = 62

_BLIND = {"weights": "NPQ", "inputs": "M", "outputs": "CRS"}
"""Dimensions that a tensor does not see: a loop over them leaves its tile where it is."""


def _orders() -> tuple[str, ...]:
    """Loop orders, outermost first, one for each effect that an order can have.

    What matters of an order is which loops stand innermost: as long as they are blind to a
    tensor, its tile stays, and as long as they move the window of inputs along one axis,
    neighboring tiles share words. So the innermost loops are all that are blind to
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


def allowed_orders(constraint: LevelConstraint) -> tuple[str, ...]:
    """The `ORDERS` that a dataflow allows at a level."""
    if constraint.stationary is None:
        return _FREE
    blind = _BLIND[constraint.stationary]
    return tuple(order for order in ORDERS if _put_innermost(order, blind) == order)


class TooLarge(MappingError):  # noqa: N818 (it is no error of the user)
    """A layer has too many different tiles to be searched in full."""


def build_space(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    deadline: Deadline | None = None,
    coarse: int | None = None,
) -> MapSpace:
    """All mappings of a layer on a hardware, as arrays, whether their tiles fit or not.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    deadline : Deadline, optional
    coarse : int, optional
        A number of tiles: where there are more, factors are left together until there are not.
        What is left out is no mapping of the space then.

    Raises
    ------
    MappingError
        If the dataflow leaves no place for a dimension.
    TooLarge
        If the layer has too many different tiles to be searched.
    OutOfTime
        If the deadline passes.
    """
    _check_places(layer, hardware)
    deadline = deadline or Deadline()
    lattice = _lattice(layer, coarse)
    orders = np.array([[DIMENSIONS.index(d) for d in order] for order in ORDERS], np.int64)
    fixed, allowed, starts, splits = [], [], [0], []
    for level in hardware.levels:
        constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
        choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
        may = np.array([[c is None or d in c for d in DIMENSIONS] for c in choices])
        fixed.append(sum(_word(row) for row in lattice.digits if not may[0, row[0]]))
        wanted = allowed_orders(constraint)
        allowed.append([order in wanted for order in ORDERS])
        along_x = _splits(lattice, may[1:], (level.fanout.x, level.fanout.y), deadline)
        found = np.flatnonzero(along_x >= 0)
        splits.append(np.column_stack([found, along_x[found]]))
        starts.append(starts[-1] + len(found))
    return MapSpace(
        lattice,
        np.array(fixed, np.int64),
        orders,
        np.array(allowed, np.bool_),
        np.concatenate(splits),
        np.array(starts, np.int64),
        np.ones((len(hardware.levels), len(lattice.exponents)), np.bool_),
    )


def fit_tiles(space: MapSpace, machine: Machine) -> MapSpace:
    """The space with the tiles that fit each level."""
    fits = np.empty_like(space.fits)
    for level in range(len(fits)):
        tilings.fitting_tiles(level, space.lattice, machine, fits[level])
    return space._replace(fits=fits)


def in_cuts(
    count: int, tiles: np.ndarray, deadline: Deadline
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Pairs of some things with tiles, all of them, as many at a time as take a moment.

    Yields the first and the last one's successor, and tiles: for every thing in turn, all tiles.

    Raises
    ------
    OutOfTime
        If the deadline passes in between.
    """
    together = max(1, _PAIRS // max(1, len(tiles)))
    for first in range(0, count, together):
        for at in range(0, len(tiles), _PAIRS):
            deadline.check()
            yield first, min(count, first + together), tiles[at : at + _PAIRS]


def _splits(
    lattice: Lattice, may: np.ndarray, room: tuple[int, int], deadline: Deadline
) -> np.ndarray:
    """For each tile that can be spread over children, what of it lies along X; else -1."""
    axes = []
    for allowed, children in zip(may, room, strict=True):
        found = np.empty(len(lattice.exponents), np.int64)
        axes.append(found[: tilings.tiles_on_axis(lattice, allowed, children, found)])
    along_x = np.full(len(lattice.exponents), -1, np.int64)
    for first, last, cut in in_cuts(len(axes[1]), axes[0], deadline):
        tilings.find_splits(lattice, cut, axes[1][first:last], along_x)
    return along_x


def count_mappings_in(space: MapSpace, deadline: Deadline | None = None) -> int:
    """Number of mappings in a space, whether their tiles fit or not.

    Every way to spread factors over the children of the levels, times every way to leave the
    others to the levels that may iterate over them, times the loop orders of each level
    that differ in effect.
    """
    lattice, deadline = space.lattice, deadline or Deadline()
    every = np.zeros(len(lattice.exponents))
    every[0] = 1
    for first, last in zip(space.split_start, space.split_start[1:], strict=False):
        found = np.zeros_like(every)
        tiles = np.flatnonzero(every)
        for at, end, cut in in_cuts(int(last - first), tiles, deadline):
            splits = space.splits[first + at : first + end, 0]
            tilings.count_ways(lattice, splits, cut, every, found)
        every = found
    tiles = np.flatnonzero(every)
    total = every[tiles].astype(np.int64).astype(object)
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
        See `kcsim.kernels.search.optimum.Found`.
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


def count_tiles(layer: ConvLayer) -> int:
    """Different tiles of a layer: its divisors in every dimension."""
    return _size(_factors(layer))[0]


def _factors(layer: ConvLayer) -> list[list[int]]:
    """Prime factors of every dimension."""
    return [
        [prime for prime, exponent in _prime_factors(size) for _ in range(exponent)]
        for size in layer.dimensions.values()
    ]


def _lattice(layer: ConvLayer, coarse: int | None) -> Lattice:
    factors = _factors(layer)
    count, bits = _size(factors)
    if coarse is not None:
        factors = _coarsened(factors, coarse)
    elif count > MOST_TILES or bits > _WORD_BITS:
        raise TooLarge(f"{layer.name} has {count:,} different tiles")
    rows, stride, shift, spare = [], 1, 0, 0
    for index, each in enumerate(factors):
        for factor, exponent in Counter(each).items():
            rows.append((index, factor, exponent, stride, shift))
            stride *= exponent + 1
            shift += exponent.bit_length() + 1
            spare |= 1 << (shift - 1)
    digits = np.array(rows, np.int64).reshape(-1, STRIDE + 2)
    extents, exponents = np.empty((stride, 8), np.int64), np.empty(stride, np.int64)
    tilings.number_tiles(digits, extents, exponents)
    return Lattice(digits, extents, exponents, spare)


def _size(factors: list[list[int]]) -> tuple[int, int]:
    """Tiles that factors of each dimension make, and bits that their exponents take."""
    exponents = [exponent for each in factors for exponent in Counter(each).values()]
    bits = sum(exponent.bit_length() + 1 for exponent in exponents)
    return math.prod(exponent + 1 for exponent in exponents), bits


def _coarsened(factors: list[list[int]], most: int) -> list[list[int]]:
    """Factors that make at most so many tiles: those of the dimension with most left together."""
    primes, factors = factors, list(factors)
    while True:
        count, bits = _size(factors)
        if (count <= most and bits <= _WORD_BITS) or max(map(len, factors)) <= 1:
            return factors
        worst = max(range(len(factors)), key=lambda i: (_size([factors[i]])[0], len(factors[i])))
        groups, own = len(factors[worst]) - 1, primes[worst]
        ends = [len(own) * i // groups for i in range(groups + 1)]
        factors[worst] = [math.prod(own[a:b]) for a, b in itertools.pairwise(ends)]


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
