"""The block of weights that shares an entry of a codebook."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kcsim.workload.layer import ConvLayer


@dataclass(frozen=True)
class Unit:
    """The block of weights that one index stands for.

    Attributes
    ----------
    channels, height, width : int
        Extents along (C, R, S) of a weight tensor W[M, C, R, S], C within a group.
    filters : int
        Extent along M.
    """

    channels: int
    height: int
    width: int
    filters: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Extents along (C, R, S)."""
        return (self.channels, self.height, self.width)

    @property
    def extents(self) -> tuple[int, ...]:
        """As `shape`; of a unit of several filters, these before them."""
        return (self.filters, *self.shape) if self.filters > 1 else self.shape

    @property
    def size(self) -> int:
        """Weights in a full unit."""
        return self.filters * self.channels * self.height * self.width

    def channel_blocks(self, layer: ConvLayer) -> int:
        """Units along the input channels of a group; the last may hold fewer channels."""
        return -(-(layer.in_channels // layer.groups) // self.channels)

    def grid(self, layer: ConvLayer) -> tuple[int, int, int, int]:
        """Units of the layer's weights along (M, C, R, S)."""
        return (
            layer.out_channels // self.filters,
            self.channel_blocks(layer),
            layer.kernel_height // self.height,
            layer.kernel_width // self.width,
        )

    def count(self, layer: ConvLayer) -> int:
        """Number of units N of the layer's weights."""
        return math.prod(self.grid(layer))
