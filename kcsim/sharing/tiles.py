"""Tiles of a layer, and the windows that slide over them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kcsim.workload.layer import ConvLayer


class Tile(NamedTuple):
    """The part of a layer that the home of the intermediate tensor holds at one time.

    Attributes
    ----------
    N, G, M, C, P, Q : int
        Images; groups; output and input channels of a group; output rows and columns. Taps are
        never cut.
    """

    N: int
    G: int
    M: int
    C: int
    P: int
    Q: int

    @classmethod
    def whole(cls, layer: ConvLayer) -> Tile:
        """All of a layer."""
        sizes = layer.dimensions
        return cls(*(sizes[name] for name in cls._fields))

    def rounds(self, layer: ConvLayer) -> Tile:
        """How many tiles there are along each dimension."""
        return Tile(*(n // t for n, t in zip(Tile.whole(layer), self, strict=True)))


class Window(NamedTuple):
    """Taps along rows (or columns), and how they step from one position to the next.

    Attributes
    ----------
    stride, distance : int
        Rows from one position to the next, and from one tap to the next.
    taps : int
    """

    stride: int
    distance: int
    taps: int

    def reach(self, positions: int) -> int:
        """Rows from the first tap at the first position to the last one at the last."""
        return self.stride * (positions - 1) + self.distance * (self.taps - 1) + 1

    def touched(self, positions: Any) -> Any:
        """The fewest of these rows that the taps may need."""
        if self.distance > 1:
            return np.maximum(positions, self.taps)
        return min(self.stride, self.taps) * (positions - 1) + self.taps
