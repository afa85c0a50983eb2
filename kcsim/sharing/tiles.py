"""The two phases of a shared convolution as layers, for a tile of it.

Sharing products, the first phase multiplies every block of inputs by every distinct entry that the
block meets, and the second one gathers products by index. Sharing sums, the first phase gathers
inputs by index, and the second one multiplies every sum by its entry. So one phase multiplies, by
**entries**, and one **gathers**; both are convolutions to the mapping and the counting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from kcsim.clustering.scheme import Unit
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares

Sharing = Literal["share_products", "share_sums"]
SHARINGS: tuple[Sharing, ...] = ("share_products", "share_sums")


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
        return cls(*(layer.dimensions[name] for name in cls._fields))

    def rounds(self, layer: ConvLayer) -> Tile:
        """How many tiles there are along each dimension."""
        return Tile(*(n // t for n, t in zip(Tile.whole(layer), self, strict=True)))


class _Axis(NamedTuple):
    """Rows (or columns) of a layer and of its units, in the two phases.

    Attributes
    ----------
    stride, dilation, taps, unit : int
        Of the layer; taps that a unit spans.
    """

    stride: int
    dilation: int
    taps: int
    unit: int

    @property
    def units(self) -> int:
        """Units along a kernel."""
        return self.taps // self.unit

    @property
    def spacing(self) -> int:
        """Rows of inputs from one unit to the next."""
        return self.dilation * self.unit

    def inputs(self, positions: int) -> int:
        """Rows of inputs for some rows of outputs."""
        return self.stride * (positions - 1) + self.dilation * (self.taps - 1) + 1

    def shared_rows(self, positions: int, sharing: Sharing) -> int:
        """Rows of the intermediate tensor for some rows of outputs.

        Products have a row wherever a unit of a kernel lies, sums wherever a tap of a unit
        does: as many as outputs where that is one place, else all between the first and the last.
        """
        places, distance = self.units, self.spacing
        if sharing == "share_sums":
            places, distance = self.unit, self.dilation
        if places == 1:
            return positions
        return self.stride * (positions - 1) + distance * (places - 1) + 1

    def least_touched(self, positions: Any, sharing: Sharing) -> Any:
        """The fewest of these rows that the second phase may move."""
        places, distance = self.units, self.spacing
        if sharing == "share_sums":
            places, distance = self.unit, self.dilation
        if places == 1:
            return positions
        if distance > 1:
            return np.maximum(positions, places)
        return min(self.stride, places) * (positions - 1) + places

    def strides(self, sharing: Sharing) -> tuple[int, int]:
        """Strides of the first and of the second phase: one of them steps as the layer does."""
        places = self.units if sharing == "share_products" else self.unit
        return (self.stride, 1) if places == 1 else (1, self.stride)


@dataclass(frozen=True)
class PhaseShapes:
    """The layers that the phases of a tile are.

    Attributes
    ----------
    layer : ConvLayer
    unit : Unit
        What an index stands for: the channels of one row and column, or taps of one channel.
    sharing : {"share_products", "share_sums"}
    tile : Tile
        It cuts no units.
    """

    layer: ConvLayer
    unit: Unit
    sharing: Sharing
    tile: Tile

    @property
    def blocks(self) -> int:
        """Blocks of input channels of a group in the tile, one unit deep."""
        return -(-self.tile.C // self.unit.channels)

    @property
    def input_words(self) -> int:
        """Words of inputs in the tile."""
        tile, (rows, columns) = self.tile, self.axes
        return tile.N * tile.G * tile.C * rows.inputs(tile.P) * columns.inputs(tile.Q)

    @property
    def output_words(self) -> int:
        """Words of outputs in the tile."""
        tile = self.tile
        return tile.N * tile.G * tile.M * tile.P * tile.Q

    @property
    def units(self) -> int:
        """Units of weights in the tile."""
        rows, columns = self.axes
        return self.tile.G * self.tile.M * self.blocks * rows.units * columns.units

    @property
    def shared_positions(self) -> tuple[int, int]:
        """Rows and columns of the intermediate tensor in the tile."""
        rows, columns = self.axes
        return (
            rows.shared_rows(self.tile.P, self.sharing),
            columns.shared_rows(self.tile.Q, self.sharing),
        )

    @property
    def shared_tables(self) -> int:
        """Places of the intermediate tensor in the tile that have a value for each entry."""
        tile, (rows, columns) = self.tile, self.shared_positions
        if self.sharing == "share_products":
            return tile.N * tile.G * self.blocks * rows * columns
        return tile.N * tile.G * tile.M * self.unit.channels * rows * columns

    @property
    def gather(self) -> ConvLayer:
        """The phase that gathers by index, for the whole tile: one addition a MAC."""
        tile, (rows, columns), zeros = self.tile, self.axes, self.layer.zeros
        first, second = zip(*(axis.strides(self.sharing) for axis in self.axes), strict=True)
        kernel = rows.units, columns.units
        if self.sharing == "share_products":
            strides, sizes, channels = second, (tile.P, tile.Q), self.blocks
            zeros = replace(zeros, inputs=0.0)
        else:
            strides, sizes, channels = first, self.shared_positions, tile.C
            zeros = replace(zeros, outputs=0.0)
        spacing = rows.spacing, columns.spacing
        heights = [
            stride * (size - 1) + distance * (taps - 1) + 1
            for stride, size, distance, taps in zip(strides, sizes, spacing, kernel, strict=True)
        ]
        return ConvLayer(
            self.layer.name, channels * tile.G, tile.M * tile.G, heights[0], heights[1],
            *kernel, strides, 0, spacing, tile.G, tile.N, zeros=zeros,
        )  # fmt: skip

    def entries(self, count: int) -> ConvLayer:
        """The phase that multiplies by entries, for one block of channels or one filter.

        Parameters
        ----------
        count : int
            Distinct entries of the block or filter, at least 1.
        """
        unit, (rows, columns), zeros = self.unit, self.axes, self.layer.zeros
        first, second = zip(*(axis.strides(self.sharing) for axis in self.axes), strict=True)
        kernel, dilation = (unit.height, unit.width), (rows.dilation, columns.dilation)
        if self.sharing == "share_products":
            strides, sizes = first, self.shared_positions
            channels, filters = unit.channels, count
            zeros = ZeroShares(inputs=zeros.inputs)
        else:
            strides, sizes = second, (self.tile.P, self.tile.Q)
            channels, filters = count, 1
            zeros = ZeroShares(outputs=zeros.outputs)
            if unit.channels > 1:
                # The channels of a sum lie one below the other, as rows: windows that do not
                # overlap, so that whole sums are moved.
                kernel, strides, dilation = (unit.channels, 1), (unit.channels, 1), (1, 1)
        heights = [
            stride * (size - 1) + distance * (taps - 1) + 1
            for stride, size, distance, taps in zip(strides, sizes, dilation, kernel, strict=True)
        ]
        return ConvLayer(
            self.layer.name, channels, filters, heights[0], heights[1], *kernel, strides, 0,
            dilation, 1, self.tile.N, zeros=zeros,
        )  # fmt: skip

    @property
    def entry_unit(self) -> tuple[int, int, int]:
        """Channels, rows and columns that an entry has in the phase that multiplies."""
        if self.sharing == "share_sums" and self.unit.channels > 1:
            return (1, self.unit.channels, 1)
        return self.unit.shape

    @property
    def axes(self) -> tuple[_Axis, _Axis]:
        """Rows and columns."""
        layer, unit = self.layer, self.unit
        return (
            _Axis(layer.stride[0], layer.dilation[0], layer.kernel_height, unit.height),
            _Axis(layer.stride[1], layer.dilation[1], layer.kernel_width, unit.width),
        )
