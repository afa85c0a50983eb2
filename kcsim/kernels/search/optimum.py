"""The best mapping of one layer, proved: branch and bound over its stages from outside in.

A node of the tree is a mapping of the outermost stages (see `kcsim.kernels.search.stages`): their
cost is known, and the least that the rest can cost has been looked up in the tables of
`kcsim.kernels.search.bounds`. Blocks are tried from the cheapest to the dearest, so that the first
one that cannot help ends its level.

A level's loop order matters in few ways: which tensor the innermost loops leave where it is, and
which axis of the window moves first. `kcsim.mapping.space.ORDERS` has one order for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import OUTPUTS, SPAN, WEIGHTS
from kcsim.kernels.nest import helper, inlined
from kcsim.kernels.search.bounds import (
    EXTRA,
    LEAST,
    MOST_UNITS,
    REST,
    RETURNS,
    WITH_CYCLES,
    WITHOUT_CYCLES,
)
from kcsim.kernels.search.reuse import (
    AXIS,
    BUSY,
    COST,
    IDLE,
    MOVES,
    RUN,
    STILL,
    UNITS,
    find_moves,
    run_of,
)
from kcsim.kernels.search.stages import finish, spend, start
from kcsim.kernels.search.tilings import divides, spread_over

ENERGY, CYCLES, ENERGY_DELAY, FRONT = 0, 1, 2, 3
TOLERANCE = 1e-9
COMPLETE, NODES, NEXT_BLOCK, COUNT, LEVEL, STEPS = range(6)
"""Columns of `Found.tally`."""
BLOCK, ORDER, ENTRY, TILE, EFFECTS, BOUNDS = 0, 1, 2, 3, 4, 5
"""Columns of the cursor: rows of `Tables.blocks`, `MapSpace.orders` and `Tables.entries`; the tile
of the level; number of loop orders that differ so far; bounds of the 8 loops of the level."""


class Tables(NamedTuple):
    """The blocks of every level with their splits, the cheapest first.

    Attributes
    ----------
    outside : float64[levels, 11]
    inside : float64[levels + 1, tiles, 3]
        See `kcsim.kernels.search.bounds`.
    idle : float64[levels, 2]
        Likewise.
    block_start : int64[levels + 1]
        Rows of the next two that belong to each level.
    blocks : int64[blocks + 1, 2]
        Tile that all children of the level span together, and first entry.
    bounds : float64[blocks, 3]
        As `inside`, for blocks.
    entries : int64[entries]
        Row of `MapSpace.splits`. What the split leaves of the block is the tile of the next level.
    energies : float64[entries, 6]
        Bounds with this split; see `kcsim.kernels.search.bounds.bound_level`.
    """

    outside: np.ndarray
    inside: np.ndarray
    idle: np.ndarray
    block_start: np.ndarray
    blocks: np.ndarray
    bounds: np.ndarray
    entries: np.ndarray
    energies: np.ndarray


class Found(NamedTuple):
    """The best mappings so far: one, or the front of energy and cycles.

    Attributes
    ----------
    costs : float64[places, 2]
        Energy (pJ) and cycles; infinite at first.
    choices : int64[places, levels, 10]
        By level: row of `MapSpace.orders`, row of `MapSpace.splits`, bounds of the 8 loops.
    tally : int64[6]
        ``COMPLETE``: mappings that were costed in full. ``NODES``: choices of a
        stage that were costed. ``NEXT_BLOCK``: the first of level 0 that may not be done with.
        ``COUNT``: places in use. ``LEVEL``: where the search goes on. ``STEPS``: choices looked at.
    """

    costs: np.ndarray
    choices: np.ndarray
    tally: np.ndarray


class Position(NamedTuple):
    """Where a search stands; see `kcsim.kernels.search.reuse`.

    Attributes
    ----------
    above : float64[levels + 1, 30 + 2 * levels]
    moves : float64[levels + 1, 8 * levels, 2]
    effects : float64[levels, orders, 4 + 16 * levels]
        What each loop order tried so far leaves where it is.
    cursor : int64[levels + 1, 13]
        The choices of each level.
    """

    above: np.ndarray
    moves: np.ndarray
    effects: np.ndarray
    cursor: np.ndarray


@helper
def improves(objective, energy, cycles, found):
    """Whether nothing that was found is as good (in energy and cycles, by the objective).

    Of two mappings that differ by less than `TOLERANCE` the one found first stays, unless the
    other is better in what the objective does not ask for.
    """
    lower, upper = 1 - TOLERANCE, 1 + TOLERANCE
    if objective == FRONT:
        for i in range(found.tally[COUNT]):
            if energy >= found.costs[i, 0] * lower and cycles >= found.costs[i, 1] * lower:
                return False
        return True
    best_energy, best_cycles = found.costs[0, 0], found.costs[0, 1]
    if objective == ENERGY:
        return energy < best_energy * lower or (
            energy <= best_energy * upper and cycles < best_cycles * lower
        )
    if objective == CYCLES:
        return cycles < best_cycles * lower or (
            cycles <= best_cycles * upper and energy < best_energy * lower
        )
    return energy * cycles < best_energy * best_cycles * lower


@helper
def make_room(objective, energy, cycles, found):
    """A place for a mapping that improves on what was found; takes out those it betters."""
    count = 0
    if objective == FRONT:
        for i in range(found.tally[COUNT]):
            if energy > found.costs[i, 0] or cycles > found.costs[i, 1]:
                for k in range(2):
                    found.costs[count, k] = found.costs[i, k]
                for level in range(found.choices.shape[1]):
                    for k in range(found.choices.shape[2]):
                        found.choices[count, level, k] = found.choices[i, level, k]
                count += 1
        count = min(count, found.costs.shape[0] - 1)
    found.costs[count, 0], found.costs[count, 1] = energy, cycles
    found.tally[COUNT] = count + 1
    return count


@helper
def may_improve(level, machine, above, bounds, extra_pj, objective, found):
    """Whether a level with given bounds of what is inside may lead to a better mapping.

    Parameters
    ----------
    bounds : float64[3]
        A row of `Tables.inside` or `Tables.bounds`.
    extra_pj : float
        What they leave out of what is known of the level.
    """
    row = above[level]
    computing = machine.macs * machine.cycles_per_mac / (row[UNITS] * bounds[MOST_UNITS])
    cycles = max(computing, row[BUSY])
    energy = bounds[WITHOUT_CYCLES] + machine.static_pj * cycles
    energy = row[COST] + extra_pj + max(row[IDLE] + bounds[WITH_CYCLES], energy)
    return improves(objective, energy, cycles, found)


@inlined
def next_block(level, machine, space, tables, above, cursor, objective, found):
    """Go to the next block of a level that may lead to a better mapping."""
    lattice, tile, row = space.lattice, cursor[level, TILE], above[level]
    computing = machine.macs * machine.cycles_per_mac
    computing /= row[UNITS] * tables.inside[level, tile, MOST_UNITS]
    cycles = max(computing, row[BUSY])
    while cursor[level, BLOCK] + 1 < tables.block_start[level + 1]:
        cursor[level, BLOCK] += 1
        found.tally[STEPS] += 1
        block = cursor[level, BLOCK]
        energy = row[COST] + row[IDLE] + tables.bounds[block, WITH_CYCLES]
        if not improves(objective, energy, cycles, found):
            return False
        inner = tables.blocks[block, 0]
        if (
            inner <= tile
            and divides(lattice, inner, tile)
            and not lattice.exponents[tile - inner] & space.fixed[level]
            and may_improve(level, machine, above, tables.bounds[block], 0.0, objective, found)
        ):
            for d in range(8):
                cursor[level, BOUNDS + d] = lattice.extents[tile - inner, d]
            return True
    return False


@helper
def is_new(row, moves, effects, count):
    """Whether no earlier loop order of a level did the same for what is inside.

    Parameters
    ----------
    row, moves : float64[:], float64[:, 2]
        What the order leaves where it is; see `kcsim.kernels.search.reuse`.
    effects : float64[orders, 4 + 2 * loops]
        The same of `count` earlier orders; the order is added.
    """
    length = int(row[MOVES])
    own = effects[count]
    own[0], own[1], own[2], own[3] = row[RUN + WEIGHTS], row[RUN + OUTPUTS], length, row[AXIS]
    for i in range(length):
        own[4 + 2 * i], own[5 + 2 * i] = moves[i, 0], moves[i, 1]
    for earlier in range(count):
        same = True
        for i in range(4 + 2 * length):
            same = same and effects[earlier, i] == own[i]
        if same:
            return False
    return True


@inlined
def next_order(level, machine, space, tables, above, moves, effects, cursor):
    """Go to the next loop order of a level that does something new for what is inside.

    Innermost, one order is enough: nothing below keeps a tile.
    """
    if level + 1 == machine.rules.shape[0]:
        cursor[level, ORDER] += 1
        return cursor[level, ORDER] == 0
    bounds = cursor[level, BOUNDS : BOUNDS + 8]
    extents = space.lattice.extents[tables.blocks[cursor[level, BLOCK], 0]]
    while cursor[level, ORDER] + 1 < space.orders.shape[0]:
        cursor[level, ORDER] += 1
        if cursor[level, ORDER] == 0:
            cursor[level, EFFECTS] = 0
        if not space.order_allowed[level, cursor[level, ORDER]]:
            continue
        order = space.orders[cursor[level, ORDER]]
        for tensor in (WEIGHTS, OUTPUTS):
            run = run_of(tensor, bounds, order, above[level, RUN + tensor])
            above[level + 1, RUN + tensor] = run
        find_moves(level, bounds, order, extents, machine.window, above, moves)
        count = cursor[level, EFFECTS]
        if is_new(above[level + 1], moves[level + 1], effects[level], count):
            cursor[level, EFFECTS] = count + 1
            return True
    return False


@helper
def next_entry(level, machine, space, tables, above, moves, cursor, spans, objective, found):
    """Go to the next split of a block that may lead to a better mapping under its loop order."""
    lattice, child, row = space.lattice, level + 1, above[level]
    block = cursor[level, BLOCK]
    whole = lattice.extents.shape[0] - 1
    computing = machine.macs * machine.cycles_per_mac
    cycles = max(computing / (row[UNITS] * tables.bounds[block, MOST_UNITS]), row[BUSY])
    below, base = above[child], row[COST] + row[IDLE]
    runs = 1 / below[RUN + WEIGHTS], 1 / below[STILL], 1 / below[RUN + OUTPUTS]
    while cursor[level, ENTRY] + 1 < tables.blocks[block + 1, 1]:
        cursor[level, ENTRY] += 1
        found.tally[STEPS] += 1
        entry = cursor[level, ENTRY]
        bound = tables.energies[entry]
        if not improves(objective, base + bound[LEAST], cycles, found):
            continue
        energy = base + bound[0] * runs[0] + bound[1] * runs[1] + bound[2] * runs[2] + bound[REST]
        if not improves(objective, energy, cycles, found):
            continue
        found.tally[NODES] += 1
        split = space.splits[tables.entries[entry], 0]
        inner, times = tables.blocks[block, 0] - split, 1.0
        spread_over(lattice, split, spans[0])
        for d in range(8):
            spans[1].extent[d] = lattice.extents[inner, d]
            times *= lattice.extents[whole - inner, d]
        spend(level, machine, above, moves, spans, times, tables.outside[level, RETURNS] > 0)
        if child == machine.rules.shape[0]:
            return True
        idle = tables.idle[level]
        above[child, IDLE] = row[IDLE] + idle[0] * (idle[1] / spans[0].children - 1)
        inside = tables.inside[child, inner]
        if may_improve(child, machine, above, inside, bound[EXTRA], objective, found):
            cursor[child, TILE] = inner
            return True
    return False


@inlined
def complete(machine, tables, above, cursor, objective, floor, found):
    """Cost the mapping at the cursor, and keep it if it is better."""
    levels = machine.rules.shape[0]
    finish(machine, above, floor[1])
    energy, cycles = above[levels, COST], above[levels, BUSY]
    found.tally[COMPLETE] += 1
    if not improves(objective, energy, cycles, found):
        return
    choices = found.choices[make_room(objective, energy, cycles, found)]
    for level in range(levels):
        choices[level, 0] = cursor[level, ORDER]
        choices[level, 1] = tables.entries[cursor[level, ENTRY]]
        for d in range(8):
            choices[level, 2 + d] = cursor[level, BOUNDS + d]


@kernel
def explore(machine, space, tables, outputs, floor, objective, steps, position, found):
    """Search on until `steps` more choices have been looked at, or nothing is left.

    Parameters
    ----------
    machine : Machine
    space : MapSpace
    tables : Tables
    outputs : float
        Words of outputs.
    floor : float64[3]
        Least energy and number of cycles; see `kcsim.kernels.search.stages.start`.
    objective : int
    steps : int
    position : Position
        Ones at first; the search goes on from there.
    found : Found

    Returns
    -------
    bool
        Whether the search is complete.
    """
    levels, orders = machine.rules.shape[0], space.orders.shape[0]
    above, moves, effects, cursor = position
    spans = np.zeros(2, SPAN)
    level, until = found.tally[LEVEL], found.tally[STEPS] + steps
    if found.tally[STEPS] == 0:
        start(machine, above, outputs, floor)
        cursor[0, TILE] = space.lattice.extents.shape[0] - 1
        cursor[0, BLOCK], cursor[0, ORDER] = -1, orders
    while level >= 0:
        if found.tally[STEPS] > until:
            found.tally[LEVEL] = level
            return False
        if level == levels:
            complete(machine, tables, above, cursor, objective, floor, found)
            level -= 1
        elif cursor[level, ORDER] < orders and next_entry(
            level, machine, space, tables, above, moves, cursor, spans, objective, found
        ):
            level += 1
            if level < levels:
                cursor[level, BLOCK], cursor[level, ORDER] = tables.block_start[level] - 1, orders
        elif cursor[level, ORDER] < orders and next_order(
            level, machine, space, tables, above, moves, effects, cursor
        ):
            cursor[level, ENTRY] = tables.blocks[cursor[level, BLOCK], 1] - 1
        else:
            cursor[level, ORDER] = orders
            if next_block(level, machine, space, tables, above, cursor, objective, found):
                cursor[level, ORDER] = -1
                cursor[level, ENTRY] = tables.blocks[cursor[level, BLOCK] + 1, 1] - 1
                found.tally[NEXT_BLOCK] = cursor[0, BLOCK]
            else:
                level -= 1
    return True
