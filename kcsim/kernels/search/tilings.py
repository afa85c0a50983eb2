"""Tiles of a layer as points of a lattice, and the ways to spread one over an array.

A tile is a divisor of the layer in each of its 8 dimensions. It is numbered by the exponents of
its prime factors, as the digits of a number, so that the number of a product of two tiles is the
sum of their numbers, and that of a quotient the difference. `Lattice.exponents` has the digits
side by side in one word with a spare bit above each: a tile divides another if a subtraction with
all spare bits set leaves them set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import C, M, R, S
from kcsim.kernels.nest import helper, tile_size
from kcsim.kernels.search.machine import CAPACITY, DECODER, FILTERS, GROUP, VALUE_BITS

DIMENSION, PRIME, LIMIT, STRIDE, SHIFT = range(5)
"""Columns of `Lattice.digits`."""


class Lattice(NamedTuple):
    """All tiles of a layer.

    Attributes
    ----------
    digits : int64[primes, 5]
        ``DIMENSION`` and ``PRIME`` of each factor, its largest exponent (``LIMIT``), what one more
        adds to the number of a tile (``STRIDE``), and its place in the exponents (``SHIFT``).
    extents : int64[tiles, 8]
        Indices of each dimension that a tile spans; the last one is the whole layer.
    exponents : int64[tiles]
        Exponents of all prime factors.
    spare : int
        The spare bits of `exponents`.
    """

    digits: np.ndarray
    extents: np.ndarray
    exponents: np.ndarray
    spare: int


class MapSpace(NamedTuple):
    """All mappings of a layer that a hardware allows.

    Attributes
    ----------
    lattice : Lattice
    fixed : int64[levels]
        Exponents of the factors over which a level may not iterate.
    orders : int64[orders, 8]
        Permutations of the dimensions, outermost first.
    order_allowed : bool[levels, orders]
    splits : int64[splits, 2]
        Tiles of the factors that are spread over the children of a level, and
        what of it lies along X.
    split_start : int64[levels + 1]
        Rows of `splits` that belong to each level.
    fits : bool[levels, tiles]
        Whether a tile fits a level.
    """

    lattice: Lattice
    fixed: np.ndarray
    orders: np.ndarray
    order_allowed: np.ndarray
    splits: np.ndarray
    split_start: np.ndarray
    fits: np.ndarray


@kernel
def number_tiles(digits, extents, exponents):
    """Fill the extents and exponents of all tiles; see `Lattice`."""
    for tile in range(extents.shape[0]):
        rest, word = tile, 0
        for d in range(8):
            extents[tile, d] = 1
        for i in range(digits.shape[0]):
            exponent = rest % (digits[i, LIMIT] + 1)
            rest //= digits[i, LIMIT] + 1
            word |= exponent << digits[i, SHIFT]
            for _ in range(exponent):
                extents[tile, digits[i, DIMENSION]] *= digits[i, PRIME]
        exponents[tile] = word


@helper
def divides(lattice, divisor, tile):
    """Whether one tile divides another in every dimension."""
    rest = (lattice.exponents[tile] | lattice.spare) - lattice.exponents[divisor]
    return rest & lattice.spare == lattice.spare


@helper
def cut_share(unit, filters, channels, rows, columns):
    """Indexes that a tile of clustered weights needs, for each that it would if it cut no unit.

    Parameters
    ----------
    unit : int64[9]
        See `kcsim.kernels.search.machine`.
    filters, channels, rows, columns : int
        Extents of the tile.
    """
    share = 1.0
    for size, extent in (
        (unit[0], channels),
        (unit[1], rows),
        (unit[2], columns),
        (unit[FILTERS], filters),
    ):
        if size > 1:
            share *= -(-extent // size) * size / extent
    return share


@kernel
def fitting_tiles(level, lattice, machine, fits):
    """Fill `fits` (bool[tiles]): whether a tile fits the capacity of a level."""
    bits = np.zeros(3)
    for tile in range(fits.shape[0]):
        extent = lattice.extents[tile]
        for group in range(3):
            bits[group] = 0.0
        for tensor in range(3):
            if machine.rules[level].keeps[tensor]:
                words = float(tile_size(tensor, extent, machine.window))
                if tensor == 0 and level <= machine.unit[DECODER]:
                    words *= cut_share(machine.unit, extent[M], extent[C], extent[R], extent[S])
                bits[int(machine.rooms[level, GROUP + tensor])] += (
                    words * machine.costs[level, tensor, VALUE_BITS]
                )
        fits[tile] = True
        for group in range(3):
            # The slack is for rounding: bits may be fractions where indexes are coded.
            if bits[group] > machine.rooms[level, CAPACITY + group] * (1 + 1e-12):
                fits[tile] = False


@kernel
def tiles_on_axis(lattice, allowed, room, found):
    """Fill `found` (int64[tiles]) with the tiles that fit along one axis; returns their number.

    Parameters
    ----------
    allowed : bool[8]
        Dimensions that may be spread along the axis.
    room : int
        Children along the axis.
    """
    count = 0
    for tile in range(lattice.extents.shape[0]):
        product = 1
        for d in range(8):
            product *= lattice.extents[tile, d]
            if lattice.extents[tile, d] > 1 and not allowed[d]:
                product = room + 1
            if product > room:
                break
        if product <= room:
            found[count] = tile
            count += 1
    return count


@kernel
def find_splits(lattice, tiles_x, tiles_y, along_x):
    """Ways to spread factors over the children of a level, along X and Y together.

    Ways that differ only in which factors lie along which axis are one: the first is kept.

    Parameters
    ----------
    tiles_x, tiles_y : int64[:]
        Tiles that fit along an axis; see `tiles_on_axis`.
    along_x : int64[tiles]
        -1 at first. For a tile that can be spread, filled with what of it lies along X.
    """
    whole = lattice.extents.shape[0] - 1
    for tile_y in tiles_y:
        rest = whole - tile_y
        for tile_x in tiles_x:
            if tile_x <= rest and divides(lattice, tile_x, rest):
                both = tile_x + tile_y
                if along_x[both] < 0:
                    along_x[both] = tile_x


@kernel
def count_ways(lattice, splits, tiles, ways, found):
    """Add to `found` (float64[tiles]) in how many ways splits make tiles larger.

    Parameters
    ----------
    splits : int64[:]
        Tiles, each of which may be spread over the children of a level.
    tiles : int64[:]
        Tiles that levels around may have spread together.
    ways : float64[tiles]
        In how many ways, for every tile of the lattice.
    """
    whole = lattice.extents.shape[0] - 1
    for tile in tiles:
        rest = whole - tile
        for split in splits:
            if split <= rest and divides(lattice, split, rest):
                found[tile + split] += ways[tile]


@helper
def spread_over(lattice, split, span):
    """Fill ``spatial`` and ``children`` of a `SPAN` for a split."""
    children = 1
    for d in range(8):
        span.spatial[d] = lattice.extents[split, d]
        children *= lattice.extents[split, d]
    span.children = children
