"""The cost of one mapping, as the search for the best one sees it."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import OUTPUTS, SPAN, WEIGHTS
from kcsim.kernels.search.reuse import BUSY, COST, MOVED, RUN, find_moves, run_of
from kcsim.kernels.search.stages import finish, spend, start


@kernel
def cost_of(machine, tiles, bounds, orders, spread, outputs):
    """Energy and cycles of a mapping.

    Parameters
    ----------
    machine : Machine
    tiles : int64[levels + 1, 8]
        Indices that one instance of each level spans, and one MAC unit.
    bounds, orders : int64[levels, 8]
        Bounds of the loops of each level by dimension, and the dimensions, outermost first.
    spread : int64[levels, 8]
        Children of each level along each dimension.
    outputs : float
        Words of outputs.
    """
    levels = machine.rules.shape[0]
    above = np.ones((levels + 1, MOVED + 2 * (levels + 1)))
    moves = np.zeros((levels + 1, 8 * levels, 2))
    spans, block = np.zeros(2, SPAN), np.ones(8, np.int64)
    start(machine, above, outputs, np.zeros(3))
    for level in range(levels):
        times, children = 1.0, 1
        for d in range(8):
            spans[0].spatial[d] = spread[level, d]
            children *= spread[level, d]
            spans[1].extent[d] = tiles[level + 1, d]
            block[d] = tiles[level + 1, d] * spread[level, d]
            times *= tiles[0, d] // tiles[level + 1, d]
        spans[0].children = children
        if level + 1 < levels:
            for tensor in (WEIGHTS, OUTPUTS):
                run = run_of(tensor, bounds[level], orders[level], above[level, RUN + tensor])
                above[level + 1, RUN + tensor] = run
            find_moves(level, bounds[level], orders[level], block, machine.window, above, moves)
        returns = 0
        for below in range(level + 1, levels):
            returns += machine.rules[below].keeps[OUTPUTS]
        spend(level, machine, above, moves, spans, times, returns > 0)
    finish(machine, above, 0.0)
    return above[levels, COST], above[levels, BUSY]
