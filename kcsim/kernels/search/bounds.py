"""Lower bounds for the inner part of a mapping, whatever its outer part.

For every tile of every level, the least that all inside it can cost. A stage (see
`kcsim.kernels.search.stages`) is bounded for each *block*, what all children of a level span
together, and each *split* of it, how it is spread over them. The loops around the block are not
known yet: they are taken to stand as suits best. One of them is innermost, which leaves one tensor
where it is at most and moves inputs along one axis of the window at most; so the bound is the least
over few cases, each of which counts exactly what a whole loop nest of that kind would.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.count.counting import covered_length, covered_words
from kcsim.kernels.layout import (
    INPUTS,
    NO_MULTICAST,
    OUTPUTS,
    SPAN,
    WEIGHTS,
    WORD_MULTICAST,
    C,
    M,
    N,
    P,
    Q,
    R,
    S,
)
from kcsim.kernels.nest import helper, inlined, plain_product, tile_size, window_extent
from kcsim.kernels.search.machine import DECODER, FILL_PJ, READ_PJ, TRANSFER_PJ, UPDATE_PJ
from kcsim.kernels.search.stages import share_of
from kcsim.kernels.search.tilings import LIMIT, STRIDE, divides, spread_over

SUPPLY_PJ, HELD, RETURNS, LATER, LEAST_SHARE = 0, 3, 4, 5, 8
"""Columns of `outside`."""
WITH_CYCLES, WITHOUT_CYCLES, MOST_UNITS = 0, 1, 2
"""Columns of `inside`."""
REST, LEAST, EXTRA = 3, 4, 5
"""Columns of entries, besides the three tensors."""


@kernel
def look_outside(machine, children, shares, outputs, outside):
    """What is known of each level before those above it have been mapped.

    Parameters
    ----------
    machine : Machine
    children : float64[levels]
        Most children of one instance of each level.
    shares : float64[levels, 3]
        Fewest words that a level sends (takes in) for each of a child, if its network shares.
    outputs : float
        Words of outputs.
    outside : float64[levels, 11]
        Filled. ``SUPPLY_PJ`` (3): least energy of handing a word to the level's network, or of
        taking in one of outputs. ``HELD``: most distinct words of outputs of all instances.
        ``RETURNS``: whether a level further in keeps outputs. ``LATER`` (3): words that cross the
        network at least, if no level further in keeps a tensor; else 0. ``LEAST_SHARE`` (3): as
        `shares`, 1 where the network does not share.
    """
    levels, instances = machine.rules.shape[0], 1.0
    for tensor in range(3):
        later = machine.macs
        for level in range(levels - 1, -1, -1):
            is_shared = machine.rules[level].multicast != NO_MULTICAST and level + 1 < levels
            if tensor == OUTPUTS:
                is_shared = machine.rules[level].reduces
            least_share = shares[level, tensor] if is_shared else 1.0
            outside[level, LEAST_SHARE + tensor] = least_share
            outside[level, LATER + tensor] = later if level + 1 < levels else 0.0
            later *= 0.0 if machine.rules[level].keeps[tensor] else least_share
    for level in range(levels):
        outside[level, HELD] = outputs * instances
        outside[level, RETURNS] = 0.0
        for below in range(level + 1, levels):
            outside[level, RETURNS] += machine.rules[below].keeps[OUTPUTS]
        for tensor in range(3):
            if machine.rules[level].keeps[tensor]:
                supply = machine.costs[level, tensor, READ_PJ]
                if tensor == OUTPUTS:
                    supply += machine.costs[level, tensor, UPDATE_PJ]
            else:
                supply = outside[level - 1, SUPPLY_PJ + tensor]
                supply *= outside[level - 1, LEAST_SHARE + tensor]
                transfer_pj = machine.costs[level - 1, tensor, TRANSFER_PJ]
                supply += transfer_pj
                if tensor == OUTPUTS and outside[level - 1, RETURNS] > 0:
                    supply += transfer_pj
            if tensor == WEIGHTS and level == machine.unit[DECODER]:
                supply += machine.lookup_pj
            outside[level, SUPPLY_PJ + tensor] = supply
        instances *= children[level]


@inlined
def bound_inputs(machine, spans, axis, outputs, taps, by_word):
    """Fewest words of inputs in one round of loops that move the window along one axis.

    Parameters
    ----------
    spans : SPAN[3]
        First: ``spatial`` and ``children`` of the network; second: ``extent`` of a child; third:
        of the block.
    axis : int
        Rows or columns.
    outputs, taps : int
        Iterations of the window's loops before anything else moves it.
    by_word : bool
        Whether the network tags words.

    Returns
    -------
    words : float
        Words that a child is given in a round of ``outputs * taps`` steps.
    covered : float
        Distinct words that all children of one parent are given, if `by_word`.
    """
    window = machine.window
    extent = spans[1].extent
    rows, columns = window_extent(extent, window, 0), window_extent(extent, window, 1)
    line = float(plain_product(INPUTS, extent))
    length, other = (rows, columns) if axis == 0 else (columns, rows)
    output_step = window[axis].stride * spans[2].extent[P + axis]
    tap_step = window[axis].dilation * spans[2].extent[R + axis]
    words = line * other * covered_length(outputs, output_step, taps, tap_step, length)
    covered = 0.0
    if by_word:
        step = tap_step if outputs == 1 else output_step
        rounds = outputs * taps
        advances = 0 if outputs > 1 and taps > 1 else rounds - 1
        for first in range(2):
            # All of the first tile, and what comes new with every advance.
            new_rows = step if axis == 0 and step < rows and not first else rows
            new_columns = step if axis == 1 and step < columns and not first else columns
            times = 1 if first else advances
            if times:
                covered += times * float(covered_words(spans, 0, window, new_rows, new_columns))
        covered = max(covered, words)
    return words, covered


@helper
def dearer_later(tensor, level, machine, outside, spans):
    """Energy by which a split shares a tensor less than `look_outside` took for granted.

    Known where no level further in keeps the tensor: then all MACs are served through the split.
    """
    share = share_of(tensor, level, machine.rules, machine.window, spans)
    dearer = share - outside[level, LEAST_SHARE + tensor]
    return outside[level, LATER + tensor] * dearer * outside[level, SUPPLY_PJ + tensor]


@inlined
def bound_operands(level, machine, outside, spans, around, times, parts):
    """Fill the bounds of weights and inputs of a stage; see `bound_stage`.

    Returns
    -------
    along, across : float
        Least energy of inputs if only loops over outputs, and only loops over taps, move
        the window along an axis before anything else does.
    """
    child, costs = level + 1, machine.costs
    arrival_pj, leaving_pj, along, across = 0.0, 0.0, np.inf, np.inf
    for tensor in (WEIGHTS, INPUTS):
        parts[tensor] = 0.0
        if not machine.rules[child].keeps[tensor]:
            parts[EXTRA] += dearer_later(tensor, level, machine, outside, spans)
            continue
        arrival_pj = costs[child, tensor, FILL_PJ] + costs[level, tensor, TRANSFER_PJ]
        leaving_pj = outside[level, SUPPLY_PJ + tensor]
        if tensor == INPUTS and machine.rules[level].multicast == WORD_MULTICAST:
            leaving_pj /= spans[0].children
            continue
        share = share_of(tensor, level, machine.rules, machine.window, spans)
        arrival_pj, leaving_pj = arrival_pj + leaving_pj * share, 0.0
        if tensor == WEIGHTS:
            words = tile_size(WEIGHTS, spans[1].extent, machine.window)
            parts[WEIGHTS] = arrival_pj * words * times
    if not machine.rules[child].keeps[INPUTS]:
        return 0.0, 0.0
    parts[INPUTS] = np.inf
    for axis in range(2):
        for case in range(3):
            # Both loops of the axis, those over outputs alone, those over taps alone.
            outputs = around[P + axis] if case != 2 else 1
            taps = around[R + axis] if case != 1 else 1
            words, covered = bound_inputs(machine, spans, axis, outputs, taps, leaving_pj > 0)
            energy = (words * arrival_pj + covered * leaving_pj) * times / (outputs * taps)
            if case == 0:
                parts[INPUTS] = min(parts[INPUTS], energy)
            elif case == 1:
                along = min(along, energy)
            else:
                across = min(across, energy)
    return along, across


@inlined
def bound_stage(level, machine, outside, spans, around, times, parts):
    """Least energy of a stage, for any stages above.

    Parameters
    ----------
    spans : SPAN[3]
        See `bound_inputs`.
    around : int64[8]
        Iterations of each dimension around the block.
    times : float
        Tiles that all children work on.
    parts : float64[6]
        Filled with energies of which the stage costs at least the sum: ``WEIGHTS`` and ``OUTPUTS``
        over the iterations that leave them where they are, ``INPUTS`` over those innermost that
        do, and ``REST``. ``EXTRA``: part of the rest that stages further in will cost.
    """
    child, costs = level + 1, machine.costs
    share = share_of(OUTPUTS, level, machine.rules, machine.window, spans)
    transfer_pj, rise_pj = costs[level, OUTPUTS, TRANSFER_PJ], outside[level, SUPPLY_PJ + OUTPUTS]
    parts[EXTRA] = 0.0
    if child == machine.rules.shape[0]:
        energy = transfer_pj + share * rise_pj
        for tensor in (WEIGHTS, INPUTS):
            energy += costs[level, tensor, TRANSFER_PJ] + outside[level, SUPPLY_PJ + tensor]
        parts[WEIGHTS], parts[INPUTS], parts[OUTPUTS] = 0.0, 0.0, 0.0
        parts[REST] = machine.macs * energy
        return parts[REST]
    along, across = bound_operands(level, machine, outside, spans, around, times, parts)
    held = outside[level, HELD] * spans[0].children / plain_product(OUTPUTS, spans[0].spatial)
    parts[OUTPUTS], parts[REST] = 0.0, 0.0
    if machine.rules[child].keeps[OUTPUTS]:
        fill_pj = costs[child, OUTPUTS, FILL_PJ] + transfer_pj
        rising = tile_size(OUTPUTS, spans[1].extent, machine.window) * times
        parts[OUTPUTS] = rising * (fill_pj + transfer_pj + share * rise_pj)
        parts[REST] = -held * (fill_pj + max(0.0, costs[child, OUTPUTS, READ_PJ]))
    else:
        parts[REST] = -held * transfer_pj if outside[level, RETURNS] > 0 else 0.0
        parts[EXTRA] += dearer_later(OUTPUTS, level, machine, outside, spans)
    parts[REST] += parts[EXTRA]
    weights, inputs, outputs = parts[WEIGHTS], parts[INPUTS], parts[OUTPUTS]
    least = weights + inputs / around[M] + outputs
    for axis in range(2):
        least = min(least, weights / around[P + axis] + inputs + outputs)
        least = min(least, weights + inputs + outputs / around[R + axis])
    least = min(least, weights / (around[N] * around[P] * around[Q]) + along + outputs)
    least = min(least, weights + across + outputs / (around[C] * around[R] * around[S]))
    return least + parts[REST]


@helper
def widen(lattice, fixed, inside):
    """Spread bounds of blocks to all tiles that hold them, in place.

    Parameters
    ----------
    fixed : int
        Exponents of the factors over which the level may not iterate.
    inside : float64[tiles, 3]
        Bounds of each block; become those of each tile of the level.
    """
    for i in range(lattice.digits.shape[0]):
        stride, limit = lattice.digits[i, STRIDE], lattice.digits[i, LIMIT]
        if lattice.exponents[stride] & fixed:
            continue
        for tile in range(inside.shape[0]):
            if (tile // stride) % (limit + 1) > 0:
                one_less = inside[tile - stride]
                for k in range(2):
                    inside[tile, k] = min(inside[tile, k], one_less[k])
                inside[tile, MOST_UNITS] = max(inside[tile, MOST_UNITS], one_less[MOST_UNITS])


@kernel
def count_entries(first, last, space, tiles, counts):
    """Add the number of some splits of each block of a level to `counts` (int64[tiles]).

    Parameters
    ----------
    first, last : int
        Rows of `MapSpace.splits`, all of one level.
    space : MapSpace
    tiles : int64[:]
        Tiles that the next level may have.
    """
    whole = space.lattice.extents.shape[0] - 1
    for i in range(first, last):
        rest = whole - space.splits[i, 0]
        for tile in tiles:
            if tile <= rest and divides(space.lattice, tile, rest):
                counts[tile + space.splits[i, 0]] += 1


@kernel
def bound_level(
    level, first, last, machine, space, outside, idle, tiles, inside, starts, splits, entries
):
    """Bound some splits of every block of a level.

    Parameters
    ----------
    level : int
    first, last : int
        Rows of `MapSpace.splits`, of that level.
    machine : Machine
    space : MapSpace
    outside : float64[levels, 11]
        See `look_outside`.
    idle : float64[2]
        Energy that cycles cost at least if as many units as can be are in use,
        and most children of one instance.
    tiles : int64[:]
        Tiles that the next level may have.
    inside : float64[levels + 1, tiles, 3]
        Least energy inside a tile of a level, ``WITH_CYCLES`` that idle children cost and
        ``WITHOUT_CYCLES``, and ``MOST_UNITS`` below it. Row ``level + 1`` is read; row `level` is
        filled, for blocks instead of tiles.
    starts : int64[tiles]
        First entry of each block; see `count_entries`. Counted up.
    splits : int64[entries]
        Filled: the splits of each block.
    entries : float64[entries, 6]
        Filled: their ``parts``, see `bound_stage`, and what they and all inside cost at least.
    """
    lattice, within, blocks = space.lattice, inside[level + 1], inside[level]
    whole = lattice.extents.shape[0] - 1
    spans, around = np.zeros(3, SPAN), np.ones(8, np.int64)
    for i in range(first, last):
        split = space.splits[i, 0]
        spread_over(lattice, split, spans[0])
        # Cycles that idle children cost, where a cycle costs energy.
        idle_pj = idle[0] * (idle[1] / spans[0].children - 1)
        for tile in tiles:
            if tile > whole - split or not divides(lattice, tile, whole - split):
                continue
            block, times = tile + split, 1.0
            for d in range(8):
                spans[1].extent[d] = lattice.extents[tile, d]
                spans[2].extent[d] = lattice.extents[block, d]
                around[d] = lattice.extents[whole - block, d]
                times *= lattice.extents[whole - tile, d]
            entry = entries[starts[block]]
            splits[starts[block]] = i
            starts[block] += 1
            stage = bound_stage(level, machine, outside, spans, around, times, entry)
            energy = stage + within[tile, WITH_CYCLES] + idle_pj
            entry[REST] += within[tile, WITH_CYCLES] + idle_pj
            entry[LEAST] = energy
            blocks[block, WITH_CYCLES] = min(blocks[block, WITH_CYCLES], energy)
            without = stage + within[tile, WITHOUT_CYCLES]
            blocks[block, WITHOUT_CYCLES] = min(blocks[block, WITHOUT_CYCLES], without)
            units = within[tile, MOST_UNITS] * spans[0].children
            blocks[block, MOST_UNITS] = max(blocks[block, MOST_UNITS], units)


@kernel
def bound_tiles(level, space, inside):
    """Make bounds of the blocks of a level (see `bound_level`) those of its own tiles."""
    widen(space.lattice, space.fixed[level], inside[level])
    for tile in range(inside.shape[1]):
        if not space.fits[level, tile]:
            inside[level, tile, WITH_CYCLES] = np.inf
