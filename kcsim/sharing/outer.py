"""The loops that bring tiles to the home, as a mapping problem of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kcsim.cost.prices import Prices, window_array
from kcsim.hardware.schema import Dataflow, Hardware, LevelConstraint
from kcsim.kernels.search.machine import (
    COSTS,
    DRAIN_CYCLES,
    DRAIN_PJ,
    FILL_PJ,
    UPDATE_CYCLES,
    WRITE_CYCLES,
)
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import SearchResult
from kcsim.sharing.places import index_level
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import DIMENSIONS, ConvLayer, Dimension

_AT_HOME = [FILL_PJ, WRITE_CYCLES, UPDATE_CYCLES, DRAIN_PJ, DRAIN_CYCLES]
"""What loops outside of the home take there."""


def find_outer(
    shared: SharedLayer,
    home: int,
    tile: Tile,
    ordered: int,
    within: tuple[float, float],
    search: Callable[..., SearchResult],
) -> Mapping:
    """The best loops above the home, with the tile below them.

    One tile is one word to these loops, but for inputs, whose tiles overlap: there it is a window.

    Parameters
    ----------
    shared : SharedLayer
    home : int
        Position of the level.
    tile : Tile
    ordered : int
    within : (float, float)
        Energy and cycles of the phases for one tile.
    search : callable
        Of a layer, a hardware and ``prices``.

    Raises
    ------
    MappingError
        If nothing fits, or the dataflow leaves no place for a loop.
    """
    layer, hardware = shared.layer, shared.hardware
    inside = tuple(
        Loop(name, size)
        for name, size in (
            *zip(Tile._fields, tile, strict=True),
            ("R", layer.kernel_height),
            ("S", layer.kernel_width),
        )
        if size > 1
    )
    name = hardware.levels[home].name
    if max(tile.rounds(layer)) == 1:
        return Mapping((LevelLoops(name, inside),))
    tiles, prices = _tiles_as_words(shared, home, tile, ordered, within)
    found = search(tiles, _confined(hardware, home), prices=prices)
    names = hardware.level_names[:home]
    outside = tuple(level for level in found.mapping.levels if level.level in names)
    return Mapping((*outside, LevelLoops(name, inside)))


def _tiles_as_words(
    shared: SharedLayer, home: int, tile: Tile, ordered: int, within: tuple[float, float]
) -> tuple[ConvLayer, Prices]:
    """A layer whose loops are those over tiles, and what moving one word of it costs."""
    layer, hardware, rounds = shared.layer, shared.hardware, tile.rounds(shared.layer)
    stride, dilation = zip(*window_array(layer, hardware).tolist(), strict=True)
    sizes = tile.P, tile.Q
    strides = tuple(stride[i] * sizes[i] for i in range(2))
    taps = layer.kernel_height, layer.kernel_width
    kernel = tuple(stride[i] * (sizes[i] - 1) + dilation[i] * (taps[i] - 1) + 1 for i in range(2))
    counts = rounds.P, rounds.Q
    image = [strides[i] * (counts[i] - 1) + kernel[i] for i in range(2)]
    tiles = ConvLayer(
        layer.name, rounds.G * rounds.C, rounds.G * rounds.M, image[0], image[1],
        kernel[0], kernel[1], (strides[0], strides[1]), 0, 1, rounds.G, rounds.N,
        zeros=replace(layer.zeros, weights=0.0),
    )  # fmt: skip
    shapes = shared.shapes(tile)
    bits = shapes.units * shared.stored_bits(tile, ordered, home) / hardware.precision_bits.weights
    words = float(bits) / (kernel[0] * kernel[1]), tile.N * tile.G * tile.C, shapes.output_words
    factors = np.zeros((len(hardware.levels), 3, COSTS))
    for j, first in enumerate((index_level(hardware, home), home, home)):
        factors[:first, j] = words[j]
        factors[first, j, _AT_HOME] = words[j]
    energy, cycles = within
    steps = kernel[0] * kernel[1]
    return tiles, Prices(factors, cycles / steps, shared.runs(tile) * energy)


def _without_taps(allowed: tuple[Dimension, ...] | None) -> tuple[Dimension, ...]:
    return tuple(d for d in (DIMENSIONS if allowed is None else allowed) if d not in "RS")


def _confined(hardware: Hardware, home: int) -> Hardware:
    """The hardware as these loops see it: the home holds one tile, and nothing is below."""
    constraints, none = {}, LevelConstraint(temporal=(), spatial_x=(), spatial_y=())
    for i, level in enumerate(hardware.levels):
        known = hardware.dataflow.levels.get(level.name, LevelConstraint())
        if i < home:
            constraints[level.name] = replace(
                known,
                temporal=_without_taps(known.temporal),
                spatial_x=_without_taps(known.spatial_x),
                spatial_y=_without_taps(known.spatial_y),
            )
        else:
            constraints[level.name] = replace(none, temporal=("R", "S")) if i == home else none
    levels = tuple(
        replace(level, may_bypass=()) if i >= home else level
        for i, level in enumerate(hardware.levels)
    )
    dataflow = Dataflow(name=hardware.dataflow.name, levels=constraints)
    return replace(hardware, levels=levels, dataflow=dataflow)
