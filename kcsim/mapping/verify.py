"""Whether a mapping is one that a search may find, and what it comes to there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kcsim.cost.prices import DENSE, WeightCosts, build_machine
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.recount import cost_of
from kcsim.kernels.search.tilings import Lattice, fitting_tiles
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.space import allowed_orders
from kcsim.workload.layer import DIMENSIONS, ConvLayer


def costs_in_space(
    mapping: Mapping,
    layer: ConvLayer,
    hardware: Hardware,
    weights: Sequence[WeightCosts] = (DENSE,),
) -> Iterator[tuple[float, float]]:
    """Energy and cycles of a mapping, for every form of the weights with which it fits.

    None if the mapping is not in the map space of the layer on the hardware.

    Parameters
    ----------
    mapping : Mapping
    layer : ConvLayer
    hardware : Hardware
    weights : sequence of WeightCosts
        See `kcsim.mapping.search.search_mapping`.
    """
    levels = {level.level: level for level in mapping.levels}
    nests = [levels.get(name, LevelLoops(name)) for name in hardware.level_names]
    orders = [_order(nest, hardware) for nest in nests]
    if mapping.problems(layer, hardware) or not mapping.is_perfect(layer) or None in orders:
        return
    bounds = np.array([_bounds(nest.temporal) for nest in nests])
    spread = np.array([_bounds((*nest.spatial_x, *nest.spatial_y)) for nest in nests])
    tiles = np.ones((len(nests) + 1, len(DIMENSIONS)), np.int64)
    for i in range(len(nests) - 1, -1, -1):
        tiles[i] = tiles[i + 1] * bounds[i] * spread[i]
    order_array = np.array([[DIMENSIONS.index(d) for d in order or ""] for order in orders])
    for form in weights:
        machine = build_machine(layer, hardware, mapping.keeps_array(hardware), form)
        if _fits(machine, tiles):
            outputs = float(layer.output_words)
            energy, cycles = cost_of(machine, tiles, bounds, order_array, spread, outputs)
            yield float(energy), float(cycles)


def _order(nest: LevelLoops, hardware: Hardware) -> str | None:
    """A loop order of the map space with the loops of a level; ``None`` if it allows none."""
    level = hardware.levels[hardware.level_index(nest.level)]
    constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
    choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
    for loops, allowed in zip(nest.nests, choices, strict=True):
        names = [loop.dimension for loop in loops]
        if len(set(names)) < len(names) or any(loop.bound < 2 for loop in loops):
            return None
        if allowed is not None and not set(names) <= set(allowed):
            return None
    if not set(nest.bypass) <= set(level.may_bypass):
        return None
    names = [loop.dimension for loop in nest.temporal]
    for order in allowed_orders(constraint):
        if [d for d in order if d in names] == names:
            return order
    return None


def _bounds(loops: Sequence[Loop]) -> list[int]:
    return [math.prod(loop.bound for loop in loops if loop.dimension == d) for d in DIMENSIONS]


def _fits(machine: Machine, tiles: np.ndarray) -> bool:
    """Whether the tile of each level fits it."""
    none = np.zeros(0, np.int64)
    lattice = Lattice(np.zeros((0, 5), np.int64), tiles, none, 0)
    fits = np.zeros(len(tiles), np.bool_)
    for level in range(len(tiles) - 1):
        fitting_tiles(level, lattice, machine, fits)
        if not fits[level]:
            return False
    return True
