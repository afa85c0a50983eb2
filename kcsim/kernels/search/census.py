"""How many mappings there are."""

from __future__ import annotations

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import INDEXES
from kcsim.kernels.nest import helper
from kcsim.kernels.search.tilings import DIMENSION, LIMIT, PRIME, STRIDE, divides


@helper
def loop_follows(lattice, tile, moved, factor, allowed, stationary):
    """Whether a loop over a factor may stand around a tile: 1 if it moves what is stationary.

    0 if it does not, or nothing is; -1 if there can be no such loop.
    """
    row = lattice.digits[factor]
    if not allowed[row[DIMENSION]] or tile // row[STRIDE] % (row[LIMIT] + 1) == row[LIMIT]:
        return -1
    if stationary < 0:
        return 0
    if INDEXES[stationary, row[DIMENSION]]:
        return 1
    return -1 if moved else 0


@helper
def falling(lattice, ways, factor, step):
    """In how many ways the last factor is a larger one of the same dimension, on one side of it.

    The factors of a dimension lie side by side.
    """
    found, own = 0.0, lattice.digits[factor]
    at = factor + step
    while 0 <= at < lattice.digits.shape[0] and lattice.digits[at, DIMENSION] == own[DIMENSION]:
        if lattice.digits[at, PRIME] > own[PRIME]:
            found += ways[at]
        at += step
    return found


@kernel
def count_chains(lattice, allowed, stationary, loops, entering, ways, found):
    """Count in how many ways loops in time make tiles at one stage.

    Factors of a dimension with no place of a tensor in between are one loop.

    Parameters
    ----------
    lattice : Lattice
    allowed : bool[8]
        Dimensions that loops may iterate over.
    stationary : int
        The tensor whose blind loops must be innermost, or -1.
    loops : bool
        Whether there may be loops.
    entering : float64[2, tiles]
        In how many ways the stage begins with each tile: if a loop of the level has moved the
        stationary tensor (1), or none has.
    ways : float64[2, tiles, factors + 1]
        Room to work in: by the last factor, and behind it for none.
    found : float64[2, tiles]
        Filled: in how many ways it ends with each.
    """
    tiles, factors = lattice.extents.shape[0], lattice.digits.shape[0]
    ways[:] = 0.0
    for tile in range(tiles):
        found[1, tile] = 0.0
        for moved in range(1 if stationary < 0 else 2):
            ways[moved, tile, factors] = entering[moved, tile]
            total = 0.0
            for last in range(factors + 1):
                total += ways[moved, tile, last]
            found[moved, tile] = total
            if total == 0 or not loops:
                continue
            for factor in range(factors):
                row = lattice.digits[factor]
                after = loop_follows(lattice, tile, moved, factor, allowed, stationary)
                if after < 0:
                    continue
                more = total - falling(lattice, ways[moved, tile], factor, -1)
                more -= falling(lattice, ways[moved, tile], factor, 1)
                ways[after, tile + row[STRIDE], factor] += more


@kernel
def count_spreads(lattice, splits, tiles, ways, found):
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
