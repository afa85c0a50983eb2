"""Choosing tiles, places and loops for a shared convolution.

A tile, the home of the intermediate tensor and the level that tables are gathered at are chosen
together: every choice is priced from below, and the most promising ones are mapped. Given these
three, the loops above the home and those of both phases do not depend on each other, and each
are found with proof (`kcsim.mapping.search`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kcsim.errors import MappingError
from kcsim.hardware import Hardware
from kcsim.kernels.machine import (
    FILL_PJ,
    READ_CYCLES,
    READ_PJ,
    SPILL_CYCLES,
    TRANSFER_PJ,
    UPDATE_PJ,
    VALUE_BITS,
    WRITE_CYCLES,
)
from kcsim.mapping import Mapping
from kcsim.mapping.costs import Prices
from kcsim.mapping.search import SearchResult, objective_value, search_mapping
from kcsim.model.cascade.bounds import Bounds
from kcsim.model.cascade.estimate import CascadeEstimate, evaluate_cascade
from kcsim.model.cascade.outer import find_outer
from kcsim.model.cascade.phases import phase_hardware
from kcsim.model.cascade.plan import (
    CascadeMapping,
    SharedLayer,
    gathering_levels,
    index_level,
    possible_homes,
)
from kcsim.model.cascade.tiles import Tile
from kcsim.workload.layer import TENSORS

__all__ = ["find_cascade"]

MAPPED_TILES = 16
"""Tiles that are mapped for each place of the intermediate tensor."""


def find_cascade(shared: SharedLayer, objective: str = "edp") -> CascadeEstimate:
    """Find a mapping of a shared convolution.

    Parameters
    ----------
    shared : SharedLayer
    objective : {"edp", "energy", "cycles"}

    Returns
    -------
    CascadeEstimate
        Its `search` says by how much another choice of tile and home could be better at most.

    Raises
    ------
    MappingError
        If the hardware has no room for the cascade.
    """
    started = time.monotonic()
    known: dict[object, Mapping] = {}
    best: CascadeEstimate | None = None
    value, remaining, mapped, total = np.inf, np.inf, 0, 0
    reason: MappingError | None = None
    for places in _places(shared):
        bounds = Bounds.of(shared, *places)
        total += len(bounds.tiles)
        values = bounds.values(objective)
        order = np.argsort(values, kind="stable")
        for rank, i in enumerate(order):
            if rank == MAPPED_TILES or values[i] >= value:
                remaining = min(remaining, values[i])
                break
            try:
                found = _mapped(shared, *places, bounds.tiles[i], objective, known)
            except MappingError as error:
                reason = error
                continue
            mapped += 1
            reached = objective_value(objective, found.energy_pj, found.cycles.total)
            if reached < value:
                best, value = found, reached
    if best is None:
        raise reason or MappingError(
            f"{shared.layer.name} cannot {shared.sharing.replace('_', ' ')} on "
            f"{shared.hardware.name}: not even the smallest tile fits"
        )
    gap = max(0.0, 1 - remaining / value) if value else 0.0
    search = SearchResult(
        best.mapping, best.energy_pj, best.cycles.total, False, gap, total, mapped, mapped,
        time.monotonic() - started, "tiles and places of a cascade are not searched to the end",
    )  # fmt: skip
    return replace(best, search=search)


def _places(shared: SharedLayer) -> Iterator[tuple[int, int]]:
    """Homes, and the levels that tables are gathered at."""
    for home in reversed(possible_homes(shared.hardware)):
        for last in reversed(gathering_levels(shared.hardware, home, shared.role)):
            yield home, last


def _mapped(
    shared: SharedLayer,
    home: int,
    last: int,
    tile: Tile,
    objective: str,
    known: dict[object, Mapping],
) -> CascadeEstimate:
    """The estimate with the best loops for a tile and its places."""
    shapes, names = shared.shapes(tile), shared.hardware.level_names
    width = max(shared.widths(tile))
    gather, entries = shapes.gather, shapes.entries(_smooth(width))
    keys = (home, last, width, gather.shape_key), (home, entries.shape_key)
    if keys[0] not in known:
        hardware = phase_hardware(shared, "gather", home, last)
        known[keys[0]] = search_mapping(
            gather, hardware, objective=objective, weights=(shared.gather_costs,),
            prices=_gather_prices(shared, home, last, width * shared.depth),
        ).mapping  # fmt: skip
    if keys[1] not in known:
        hardware = phase_hardware(shared, "entries", home, home)
        known[keys[1]] = search_mapping(
            entries, hardware, objective=objective,
            weights=shared.entry_form(shapes).costs(hardware),
            prices=_entry_prices(hardware, home),
        ).mapping  # fmt: skip
    outer, _ = find_outer(shared, home, tile, objective)
    mapping = CascadeMapping(
        shared.sharing, names[home], names[last], tile, outer, known[keys[0]], known[keys[1]]
    )
    return evaluate_cascade(shared, mapping)


def _entry_prices(hardware: Hardware, home: int) -> Prices:
    """The phase that multiplies: what its inputs and outputs do above the home is not its own."""
    factors = np.ones((len(hardware.levels), 3, 8))
    factors[:home, 1:] = 0
    factors[home, 1:, FILL_PJ] = 0
    factors[: home + 1, :, VALUE_BITS] = 0
    return Prices(factors)


def _gather_prices(shared: SharedLayer, home: int, last: int, width: int) -> Prices:
    """The phase that gathers: tables move as a whole, and are gathered from at a fixed price."""
    factors = np.ones((len(shared.hardware.levels), 3, 8))
    for j, first in enumerate((index_level(shared.hardware, home), home, home)):
        factors[:first, j] = 0
        factors[first, j, FILL_PJ] = 0
    role = TENSORS.index(shared.role)
    factors[: last + 1, role] *= width
    constant = [READ_PJ, UPDATE_PJ, TRANSFER_PJ, READ_CYCLES, SPILL_CYCLES]
    factors[last, role, constant] = 0
    factors[last + 1 :, role] = 0
    if role == TENSORS.index("outputs"):
        factors[last, role, WRITE_CYCLES] = 0
    factors[: home + 1, :, VALUE_BITS] = 0
    return Prices(factors)


def _smooth(number: int) -> int:
    """The next number without prime factors above 7: loops over it can be cut in many ways."""
    while True:
        left = number
        for prime in (2, 3, 5, 7):
            while left % prime == 0:
                left //= prime
        if left == 1:
            return number
        number += 1
