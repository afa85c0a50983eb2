"""The two phases of a shared convolution as layers, for a tile of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kcsim.clustering.unit import Unit
from kcsim.sharing.strategies import PhaseName, Sharing
from kcsim.sharing.tiles import Tile, Window
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares


@dataclass(frozen=True)
class PhaseShapes:
    """The layers that the phases of a tile are.

    Attributes
    ----------
    layer : ConvLayer
    unit : Unit
        What an index stands for: the channels of one row and column, or taps of one channel.
    sharing : Sharing
    tile : Tile
        It cuts no units.
    group : int
        Filters that gather together; they divide those of the tile.
    """

    layer: ConvLayer
    unit: Unit
    sharing: Sharing
    tile: Tile
    group: int = 1

    @property
    def blocks(self) -> int:
        """Blocks of input channels of a group in the tile, one unit deep."""
        return -(-self.tile.C // self.unit.channels)

    @property
    def input_words(self) -> int:
        """Words of inputs in the tile."""
        tile, (rows, columns) = self.tile, self.windows
        return tile.N * tile.G * tile.C * rows.reach(tile.P) * columns.reach(tile.Q)

    @property
    def output_words(self) -> int:
        """Words of outputs in the tile."""
        tile = self.tile
        return tile.N * tile.G * tile.M * tile.P * tile.Q

    @property
    def units_per_kernel(self) -> int:
        """Units that one filter has in one block of channels."""
        rows, columns = self.phase_windows("gather")
        return rows.taps * columns.taps

    @property
    def units(self) -> int:
        """Units of weights in the tile."""
        return self.tile.G * self.tile.M * self.blocks * self.units_per_kernel

    @property
    def depth(self) -> int:
        """Values that the intermediate tensor has for one entry at one place."""
        return self.sharing.depth(self.unit)

    @property
    def gathered_channels(self) -> int:
        """Channels of a group that a filter gathers from: as many in each block as it is deep."""
        return -(-self.tile.C * self.depth // self.unit.channels)

    @property
    def gathering_filters(self) -> int:
        """Filters of a group of channels that gather apart."""
        return self.tile.M // self.group

    @property
    def gathered(self) -> int:
        """Values that are gathered in the tile, each one MAC of the phase."""
        rows, columns = self.positions("gather")
        filters = self.tile.N * self.tile.G * self.gathering_filters * rows * columns
        return filters * self.gathered_channels * self.units_per_kernel

    @property
    def shared_positions(self) -> tuple[int, int]:
        """Rows and columns of the intermediate tensor in the tile: all that the second phase spans.

        Products have a row wherever a unit of a kernel lies, sums wherever a tap of a unit does.
        """
        rows, columns = self.phase_windows(self.sharing.phases[1])
        return rows.reach(self.tile.P), columns.reach(self.tile.Q)

    @property
    def tables(self) -> int:
        """Tables of entries in one group of the tile: one for each block, or for each filter."""
        return self.sharing.tables(self.tile, self.blocks)

    @property
    def shared_tables(self) -> int:
        """Places of the intermediate tensor in the tile that have a value for each entry."""
        tile, (rows, columns) = self.tile, self.shared_positions
        return tile.N * tile.G * self.tables * self.depth * rows * columns

    @property
    def gather(self) -> ConvLayer:
        """The phase that gathers by index, for the whole tile: one addition a MAC."""
        tile, channels = self.tile, self.gathered_channels * self.tile.G
        filters = self.gathering_filters * tile.G
        return self._layer("gather", channels, filters, self.layer.zeros, tile.G)

    def entries(self, count: int) -> ConvLayer:
        """The phase that multiplies by entries, for one block of channels or one filter.

        Parameters
        ----------
        count : int
            Distinct entries of the block or filter, at least 1.
        """
        sizes, zeros = self.entry_sizes(count), replace(self.layer.zeros, weights=0.0)
        return self._layer("entries", sizes["C"], sizes["M"], zeros)

    def entry_sizes(self, count: Any) -> dict[str, Any]:
        """Channels and filters of the phase that multiplies by so many entries."""
        return {"C": self.unit.channels, "M": 1, self.sharing.merged: count}

    @property
    def entry_unit(self) -> tuple[int, int, int]:
        """Channels, rows and columns that an entry has in the phase that multiplies."""
        return (1, self.depth, 1) if self.depth > 1 else self.unit.shape

    @property
    def windows(self) -> tuple[Window, Window]:
        """Those of the layer, along rows and along columns."""
        layer = self.layer
        return (
            Window(layer.stride[0], layer.dilation[0], layer.kernel_height),
            Window(layer.stride[1], layer.dilation[1], layer.kernel_width),
        )

    def phase_windows(self, phase: PhaseName) -> tuple[Window, Window]:
        """Those of a phase: the taps of a unit, to multiply, or the units of a kernel, to gather.

        The second phase steps as the layer does, or the first one where the second has one tap.
        """
        second, found = self.sharing.phases[1], []
        for window, unit in zip(self.windows, self.unit.shape[1:], strict=True):
            taps = {"entries": unit, "gather": window.taps // unit}
            distance = window.distance * (unit if phase == "gather" else 1)
            steps = (phase == second) == (taps[second] > 1)
            found.append(Window(window.stride if steps else 1, distance, taps[phase]))
        return found[0], found[1]

    def positions(self, phase: PhaseName) -> tuple[int, int]:
        """Rows and columns of what a phase makes."""
        is_second = phase == self.sharing.phases[1]
        return (self.tile.P, self.tile.Q) if is_second else self.shared_positions

    def _layer(
        self, phase: PhaseName, channels: int, filters: int, zeros: ZeroShares, groups: int = 1
    ) -> ConvLayer:
        down, along = self.phase_windows(phase)
        if phase == "entries" and self.depth > 1:
            # The channels of a sum lie one below the other, as rows: windows that do not
            # overlap, so that whole sums are moved.
            down, along = Window(self.depth, 1, self.depth), Window(1, 1, 1)
        rows, columns = self.positions(phase)
        return ConvLayer(
            self.layer.name, channels, filters, down.reach(rows), along.reach(columns),
            down.taps, along.taps, (down.stride, along.stride), 0, (down.distance, along.distance),
            groups, self.tile.N, zeros=replace(zeros, **{self.sharing.role(phase): 0.0}),
        )  # fmt: skip


def smooth(number: int) -> int:
    """The next number without prime factors above 7: loops over it can be cut in many ways."""
    while True:
        left = number
        for prime in (2, 3, 5, 7):
            while left % prime == 0:
                left //= prime
        if left == 1:
            return number
        number += 1
