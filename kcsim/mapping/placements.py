"""Ways to place children below a level, and those where it does not matter at which places."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kcsim.kernels.layout import SPATIAL_X, SPATIAL_Y
from kcsim.kernels.search.tilings import Lattice

MeshLoops = tuple[tuple[int, int, int], ...]
"""Kind, dimension and bound of every loop, those along X first."""


class Placed(NamedTuple):
    """A way to place children.

    Attributes
    ----------
    tile : int
        All factors that are spread.
    loops : MeshLoops
    links : tuple of float
        Of a word of weights and of inputs on its way in, of outputs on its way out and back.
    tilted : tuple of float, optional
        Links of a word of inputs for every `Slant`, where there is more than one.
    """

    tile: int
    loops: MeshLoops
    links: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    tilted: tuple[float, ...] = ()


class Placements(NamedTuple):
    """Ways to place the children of one level, as arrays.

    Attributes
    ----------
    tiles : int64[ways]
        See `Placed`.
    counts : int64[ways]
        Loops of each.
    loops : int64[loops, 3]
        Those of all ways, one after the other; see `MeshLoops`.
    links : float64[ways, 4]
    tilted : tuple of (int, tuple of float)
        The ways that have it, by number.
    """

    tiles: np.ndarray
    counts: np.ndarray
    loops: np.ndarray
    links: np.ndarray
    tilted: tuple[tuple[int, tuple[float, ...]], ...] = ()

    @classmethod
    def of(cls, placed: Sequence[Placed]) -> Placements:
        """Of a list."""
        loops = list(itertools.chain.from_iterable(each.loops for each in placed))
        return cls(
            np.array([each.tile for each in placed], np.int64),
            np.array([len(each.loops) for each in placed], np.int64),
            np.array(loops, np.int64).reshape(-1, 3),
            np.array([each.links for each in placed], np.float64).reshape(-1, 4),
            tuple((number, each.tilted) for number, each in enumerate(placed) if each.tilted),
        )


def plain_placements(lattice: Lattice, along_x: np.ndarray) -> Placements:
    """Every tile that can be spread in one way, whatever its place.

    Parameters
    ----------
    lattice : Lattice
    along_x : int64[tiles]
        See `kcsim.mapping.space.find_splits`.
    """
    tiles = np.flatnonzero(along_x >= 0)
    links = np.zeros((len(tiles), 4))
    if not tiles.any():
        return Placements(tiles, np.zeros(len(tiles), np.int64), _NO_LOOPS, links)
    on_x = along_x[tiles]
    bounds = np.stack([lattice.extents[on_x], lattice.extents[tiles - on_x]], axis=1)
    number, axis, dimension = np.nonzero(bounds > 1)
    loops = np.stack([_AXES[axis], dimension, bounds[number, axis, dimension]], axis=1)
    return Placements(tiles, np.bincount(number, minlength=len(tiles)), loops, links)


_AXES = np.array([SPATIAL_X, SPATIAL_Y])
_NO_LOOPS = np.zeros((0, 3), np.int64)
