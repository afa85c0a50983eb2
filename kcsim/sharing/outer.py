"""The loops that bring tiles to the home, as a mapping problem of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from kcsim.cost.biases import bias_pj
from kcsim.cost.prices import DENSE, Prices, WeightCosts, window_array
from kcsim.errors import MappingError
from kcsim.hardware.schema import Dataflow, Hardware, LevelConstraint
from kcsim.kernels.search.machine import (
    COSTS,
    DRAIN_CYCLES,
    DRAIN_PJ,
    FILL_PJ,
    WRITE_CYCLES,
)
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import SearchResult
from kcsim.model.codebook import codebook_place
from kcsim.model.cycles import transfer_cycles
from kcsim.sharing.account import PhaseCost
from kcsim.sharing.phases import Phase
from kcsim.sharing.places import index_level
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.tiles import Tile
from kcsim.sums import exact_sum
from kcsim.workload.layer import DIMENSIONS, ConvLayer, Dimension

_AT_HOME = [FILL_PJ, WRITE_CYCLES, DRAIN_PJ, DRAIN_CYCLES]
"""What loops outside of the home take there."""


def find_outer(
    shared: SharedLayer,
    plan: SharedMapping,
    phases: tuple[PhaseCost, PhaseCost],
    search: Callable[..., SearchResult | None],
) -> Iterator[Mapping]:
    """The best loops above the home, with the tile below them.

    One tile is one word to these loops, but for inputs, whose tiles overlap: there it is a window.
    Homes that work side by side wait for the one with the most entries: where that matters, the
    best loops for a single home come after the best for any number.

    Parameters
    ----------
    shared : SharedLayer
    plan : SharedMapping
        All but these loops.
    phases : (PhaseCost, PhaseCost)
        See `kcsim.sharing.account.phase_costs`.
    search : callable
        Of what no loops undercut (energy and cycles), a layer, a hardware, costs of weights and
        prices; ``None`` if nothing is of interest.

    Raises
    ------
    MappingError
        If nothing fits, or the dataflow leaves no place for a loop.
    """
    layer, hardware, tile = shared.layer, shared.hardware, plan.tile
    home = hardware.level_index(plan.home)
    inside = tuple(
        Loop(name, size)
        for name, size in (
            *zip(Tile._fields, tile, strict=True),
            ("R", layer.kernel_height),
            ("S", layer.kernel_width),
        )
        if size > 1
    )
    if max(tile.rounds(layer)) == 1:
        yield Mapping((LevelLoops(plan.home, inside),))
        return
    tiles, errors = _tiles_as_words(shared, tile), list[MappingError]()
    copies = _copies(shared, phases[1].phase, home)
    problems = list(_numbers_of_homes(hardware, home, phases))
    of_all, steps = _prices(shared, plan, phases, tiles, copies.copy_pj), tiles.macs
    for seen, cycles in problems:
        prices = replace(of_all, cycles_per_mac=cycles / steps)
        beside = math.prod(level.fanout.children for level in seen.levels[:home])
        least = exact_sum(each.cost.energy for each in phases), cycles / beside
        try:
            best = search(least, tiles, _confined(seen, home), copies, prices)
        except MappingError as error:
            errors.append(error)
            continue
        if best:
            yield Mapping((*best.mapping.levels[:home], LevelLoops(plan.home, inside)))
    if len(errors) == len(problems):
        raise errors[0]


def _numbers_of_homes(
    hardware: Hardware, home: int, phases: tuple[PhaseCost, PhaseCost]
) -> Iterator[tuple[Hardware, float]]:
    """The hardware with all homes there are or one, and what the phases take of all tiles."""
    gathered, multiplied = (each.cost for each in phases)
    above = hardware.levels[:home]
    if all(level.fanout.children == 1 for level in above):
        yield hardware, gathered.cycles + multiplied.cycles
        return
    yield hardware, gathered.cycles + multiplied.waiting
    if multiplied.waiting > multiplied.cycles:
        single = (replace(level, fanout=replace(level.fanout, x=1, y=1)) for level in above)
        levels = *single, *hardware.levels[home:]
        yield replace(hardware, levels=levels), gathered.cycles + multiplied.cycles


def _tiles_as_words(shared: SharedLayer, tile: Tile) -> ConvLayer:
    """A layer whose loops are those over tiles."""
    layer, hardware, rounds = shared.layer, shared.hardware, tile.rounds(shared.layer)
    stride, dilation = zip(*window_array(layer, hardware).tolist(), strict=True)
    sizes = tile.P, tile.Q
    strides = tuple(stride[i] * sizes[i] for i in range(2))
    taps = layer.kernel_height, layer.kernel_width
    kernel = tuple(stride[i] * (sizes[i] - 1) + dilation[i] * (taps[i] - 1) + 1 for i in range(2))
    counts = rounds.P, rounds.Q
    image = [strides[i] * (counts[i] - 1) + kernel[i] for i in range(2)]
    return ConvLayer(
        layer.name, rounds.G * rounds.C, rounds.G * rounds.M, image[0], image[1],
        kernel[0], kernel[1], (strides[0], strides[1]), 0, 1, rounds.G, rounds.N,
        zeros=replace(layer.zeros, weights=0.0),
    )  # fmt: skip


def _prices(
    shared: SharedLayer,
    plan: SharedMapping,
    phases: tuple[PhaseCost, PhaseCost],
    tiles: ConvLayer,
    copy_pj: float,
) -> Prices:
    """What moving one such word costs, and what the phases spend, with one copy of the codebook."""
    hardware, tile, shapes = shared.hardware, plan.tile, shared.shapes(plan.tile)
    home, taps = hardware.level_index(plan.home), tiles.kernel_height * tiles.kernel_width
    bits = shapes.units * shared.stored_bits(tile, plan.order, home)
    words = (
        float(bits / hardware.precision_bits.weights) / taps,
        tile.N * tile.G * tile.C,
        shapes.output_words,
    )
    factors = np.zeros((len(hardware.levels), 3, COSTS))
    for j, first in enumerate((index_level(hardware, home), home, home)):
        factors[:first, j] = words[j]
        factors[first, j, _AT_HOME] = words[j]
    used = np.maximum(*(each.phase.counts.instances for each in phases))
    energy = exact_sum(each.cost.energy for each in phases)
    energy += bias_pj(shared.layer, hardware) - copy_pj
    ports = np.add(*(_port_cycles(each.phase, hardware, home) for each in phases))
    return Prices(factors, None, energy, used, ports)


def _port_cycles(phase: Phase, hardware: Hardware, home: int) -> np.ndarray:
    """For how long a phase takes ports of the home and above: see `Prices.ports`.

    Homes share what it does, but each writes its copy of the codebook.
    """
    found, counts, form = np.zeros((len(hardware.levels) + 1, 2)), phase.counts, phase.weights
    place, loaded = codebook_place(counts, form), replace(form, loads_codebook=False)
    for i, level in enumerate(hardware.levels[: home + 1]):
        every = transfer_cycles(counts, form, place, i, level)
        shared = transfer_cycles(counts, loaded, place, i, level) if i == home else 0
        if i == home or all(above.fanout.children == 1 for above in hardware.levels[:i]):
            # How many instances of others share it is for the loops to say.
            found[i] = every - shared, shared
    return found


def _copies(shared: SharedLayer, entries: Phase, home: int) -> WeightCosts:
    """What homes cost that each have a copy of the codebook, or several."""
    form, place = entries.weights, codebook_place(entries.counts, entries.weights)
    if place is None:
        return DENSE
    level = form.decode_level if place.index is None else place.index
    costs = next(each for each in form.costs(shared.hardware) if each.store_level == place.index)
    copies = int(entries.counts.instances[level])
    return WeightCosts(store_level=min(level, home), copy_pj=costs.copy_pj * copies)


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
    compute = replace(hardware.compute, mac_pj=0.0, gated_mac_pj=0.0)
    return replace(hardware, levels=levels, dataflow=dataflow, compute=compute)
