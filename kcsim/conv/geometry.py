"""Where words, taps and units of a layer lie in the planes of `kcsim.kernels.conv.planes`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.unit import Unit
from kcsim.kernels.conv.planes import Planes, Tiles
from kcsim.kernels.conv.vectors import SPAN
from kcsim.workload.layer import ConvLayer

TILE_WORDS = 128
STRIP_WORDS = 2048


@dataclass(frozen=True)
class Place:
    """Units of a filter's slice, or taps of a unit, that meet words of the same plane.

    Attributes
    ----------
    members : tuple of (int, int)
        Their rows and columns, in units or in taps.
    origin : int
        Distance of the topmost and leftmost word that they meet from the channel's first.
    shifts : tuple of int
        Distance of each member's word from there.
    reach : tuple of int
        Rows and columns that the furthest of them lies below and to the right.
    """

    members: tuple[tuple[int, int], ...]
    origin: int
    shifts: tuple[int, ...]
    reach: tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """A layer in planes.

    Attributes
    ----------
    layer : ConvLayer
    """

    layer: ConvLayer

    @property
    def planes(self) -> Planes:
        """Shape of the planes of a channel."""
        layer = self.layer
        top, bottom, left, right = layer.padding
        high, wide = layer.stride
        columns = -(-(layer.in_width + left + right) // wide)
        if wide == 1:
            # Zeros to the right of a line are also those to the left of the next.
            columns = max(layer.out_width, layer.in_width + max(left, right))
        return Planes(
            stride_rows=high,
            stride_columns=wide,
            top=top,
            left=left,
            rows=-(-(layer.in_height + top + bottom) // high),
            columns=columns,
            out_columns=layer.out_width,
        )

    @property
    def channel_words(self) -> int:
        """Words of a channel."""
        planes = self.planes
        return planes.stride_rows * planes.stride_columns * planes.rows * planes.columns

    @property
    def map_words(self) -> int:
        """Words of a map of outputs, from its first output to its last."""
        return (self.layer.out_height - 1) * self.planes.columns + self.layer.out_width

    def places(self, rows: int, columns: int, row_step: int, column_step: int) -> list[Place]:
        """A grid of units or of taps, by the planes that they meet.

        Parameters
        ----------
        rows, columns : int
            Of the grid.
        row_step, column_step : int
            From one to the next, in taps.
        """
        planes = self.planes
        (high, wide), (tall, broad) = self.layer.stride, self.layer.dilation
        met: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
        for i, j in product(range(rows), range(columns)):
            down, up = divmod(i * row_step * tall, high)
            right, across = divmod(j * column_step * broad, wide)
            met.setdefault((up, across), []).append((i, j, down, right))
        places = []
        for (up, across), members in met.items():
            _, _, downs, rights = zip(*members, strict=True)
            first = min(downs) * planes.columns + min(rights)
            places.append(
                Place(
                    tuple((i, j) for i, j, _, _ in members),
                    (up * wide + across) * planes.rows * planes.columns + first,
                    tuple(down * planes.columns + right - first for *_, down, right in members),
                    (max(downs) - min(downs), max(rights) - min(rights)),
                )
            )
        return places

    def unit_places(self, unit: Unit) -> list[Place]:
        """The units of a slice of a filter."""
        layer = self.layer
        rows, columns = layer.kernel_height // unit.height, layer.kernel_width // unit.width
        return self.places(rows, columns, unit.height, unit.width)

    def taps(self, channels: int, rows: int, columns: int) -> NDArray[np.int64]:
        """Distance of each tap of a block from its first, in the order (channels, rows, columns).

        It holds wherever the block starts if it has one row or all, one column or all.
        """
        distance = np.zeros((rows, columns), np.int64)
        for place in self.places(rows, columns, 1, 1):
            for (row, column), shift in zip(place.members, place.shifts, strict=True):
                distance[row, column] = place.origin + shift
        every: NDArray[np.int64] = np.add.outer(
            np.arange(channels) * self.channel_words, distance
        ).ravel()
        return every


def flat_tiles(geometry: Geometry) -> Tiles:
    """Tiles of `TILE_WORDS` words, wherever lines start, for products without reach."""
    words = geometry.map_words
    length = min(TILE_WORDS, _spans(words))
    return Tiles(_ends(words, length), length, length)


def line_strips(layer: ConvLayer) -> list[int]:
    """Output lines of the strips that a map is cut into where products reach beyond outputs."""
    lines = max(1, STRIP_WORDS // Geometry(layer).planes.columns)
    lines = -(-layer.out_height // -(-layer.out_height // lines))
    return [min(lines, layer.out_height - at) for at in range(0, layer.out_height, lines)]


def strip_tiles(geometry: Geometry, reach: int) -> Tiles:
    """Strips of whole lines, whose rows of products have `reach` words more."""
    step = line_strips(geometry.layer)[0] * geometry.planes.columns
    length = _spans(step)
    return Tiles(_ends(geometry.map_words, step), length, _spans(length + reach))


def whole_map(geometry: Geometry, reach: int) -> Tiles:
    """A single tile."""
    words = geometry.map_words
    return Tiles(np.array([0, words]), _spans(words), _spans(words + reach))


def _ends(words: int, step: int) -> NDArray[np.int64]:
    return np.array([*range(0, words, step), words])


def _spans(words: int) -> int:
    return -(-words // SPAN) * SPAN
