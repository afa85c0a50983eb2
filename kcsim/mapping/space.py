"""The tiles of a layer as a lattice, and the ways that a hardware may spread them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from kcsim.errors import MappingError
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.kernels.search import tilings
from kcsim.kernels.search.tilings import Lattice
from kcsim.mapping.deadline import Deadline
from kcsim.workload.layer import DIMENSIONS, ConvLayer

_PAIRS = 100_000
"""Pairs of tiles that a kernel looks at between two looks at the clock."""
_WORD_BITS = 62


def prime_factors(layer: ConvLayer) -> list[list[int]]:
    """Prime factors of every dimension."""
    return [_primes(size) for size in layer.dimensions.values()]


def _primes(number: int) -> list[int]:
    found, divisor = [], 2
    while number > 1:
        if divisor * divisor > number:
            divisor = number
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return found


def count_tiles(factors: Sequence[Sequence[int]]) -> int:
    """Different tiles that factors of each dimension make."""
    return math.prod(n + 1 for each in factors for n in Counter(each).values())


def fits_word(factors: Sequence[Sequence[int]]) -> bool:
    """Whether the exponents of factors of each dimension fit one word."""
    exponents = [n for each in factors for n in Counter(each).values()]
    return sum(n.bit_length() + 1 for n in exponents) <= _WORD_BITS


def coarsened(factors: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """Factors that make at most so many tiles: those of the dimension with most left together."""
    primes, found = factors, [list(each) for each in factors]
    while count_tiles(found) > most or not fits_word(found):
        if max(map(len, found)) <= 1:
            break
        worst = max(range(len(found)), key=lambda i: (count_tiles([found[i]]), len(found[i])))
        groups, own = len(found[worst]) - 1, primes[worst]
        ends = [len(own) * i // groups for i in range(groups + 1)]
        found[worst] = [math.prod(own[a:b]) for a, b in itertools.pairwise(ends)]
    return found


def build_lattice(factors: Sequence[Sequence[int]]) -> Lattice:
    """All tiles that factors of each dimension make."""
    rows, stride, shift, spare = [], 1, 0, 0
    for index, each in enumerate(factors):
        for factor, exponent in Counter(each).items():
            rows.append((index, factor, exponent, stride, shift))
            stride *= exponent + 1
            shift += exponent.bit_length() + 1
            spare |= 1 << (shift - 1)
    digits = np.array(rows, np.int64).reshape(-1, 5)
    extents, exponents = np.empty((stride, 8), np.int64), np.empty(stride, np.int64)
    tilings.number_tiles(digits, extents, exponents)
    return Lattice(digits, extents, exponents, spare)


def constraint_of(hardware: Hardware, level: Level) -> LevelConstraint:
    """What the dataflow of a hardware allows at a level."""
    return hardware.dataflow.levels.get(level.name, LevelConstraint())


def allowed_dimensions(constraint: LevelConstraint) -> np.ndarray:
    """Dimensions that may be iterated over in time, along X and along Y: bool[3, 8]."""
    choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
    return np.array([[choice is None or d in choice for d in DIMENSIONS] for choice in choices])


def tiles_on_axes(hardware: Hardware, level: Level, lattice: Lattice) -> list[np.ndarray]:
    """Tiles that may be spread along X, and along Y, below a level."""
    may, axes = allowed_dimensions(constraint_of(hardware, level)), []
    for allowed, room in zip(may[1:], (level.fanout.x, level.fanout.y), strict=True):
        found = np.empty(len(lattice.exponents), np.int64)
        axes.append(found[: tilings.tiles_on_axis(lattice, allowed, room, found)].copy())
    return axes


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


def find_splits(lattice: Lattice, axes: Sequence[np.ndarray], deadline: Deadline) -> np.ndarray:
    """For each tile that can be spread over children, what of it lies along X; else -1."""
    along_x = np.full(len(lattice.exponents), -1, np.int64)
    for first, last, cut in in_cuts(len(axes[1]), axes[0], deadline):
        tilings.find_splits(lattice, cut, axes[1][first:last], along_x)
    return along_x


def check_places(layer: ConvLayer, hardware: Hardware) -> None:
    """Every prime factor needs a level that may iterate over it, or may spread it.

    Raises
    ------
    MappingError
        If one has none.
    """
    own = [(level.fanout, constraint_of(hardware, level)) for level in hardware.levels]
    for name, size in layer.dimensions.items():
        most = 1
        for fanout, constraint in own:
            choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
            for choice, room in zip(choices, (size, fanout.x, fanout.y), strict=True):
                if choice is None or name in choice:
                    most = max(most, room)
        if size > most and any(prime > most for prime in _primes(size)):
            raise MappingError(
                f"the dataflow of {hardware.name} lets no level iterate over {name}, which "
                f"{layer.name} needs"
            )
