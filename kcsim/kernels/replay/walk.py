"""Execution of a mapped loop nest, with real values in every buffer.

The nest is walked in time. Every instance of every level has a buffer for each tensor that it
keeps; every slot of a buffer remembers which word it holds, so that taking a word from a place
that does not hold it is found out at once. Words are moved one by one and counted as they move.
No count is known beforehand: the rules of the counting page are followed, not their closed forms.
"""

from __future__ import annotations

from kcsim.kernels.compilation import kernel
from kcsim.kernels.nest import INPUTS, OUTPUTS, WEIGHTS, helper
from kcsim.kernels.replay.operands import fill_operand
from kcsim.kernels.replay.outputs import (
    advance,
    find_leaving,
    raise_outputs,
    return_outputs,
    update,
)
from kcsim.kernels.replay.state import (
    ALIVE,
    AXES,
    COLUMN,
    COUNT,
    DOWN,
    FIRST,
    HASH,
    HEAD,
    INSTANCES,
    LOOP_LEVEL,
    LOW,
    NOW,
    PARENT,
    READS,
    RING,
    ROW,
    SHORT,
    SLOT,
    UP,
    UPDATES,
    WINDOW,
    WORD,
    has_moved,
    note_activity,
)
from kcsim.kernels.replay.streams import climb, mixed


@helper
def locate_operands(nest, state, tensor):
    """Find where the MACs' operands lie now: their words, and their slots in the buffers.

    All of it is for the first MAC unit, to which the others keep their distance.
    """
    levels, found = nest.levels.shape[0] - 1, state.operands[tensor]
    keeper, start = nest.buffers[levels, tensor, PARENT], state.starts[levels, NOW]
    held = state.held[nest.levels[keeper, FIRST], tensor]
    word, slot = 0, 0
    for axis in range(AXES):
        axes = nest.axes[tensor, axis]
        low = axes[1] * start[axes[0]] + axes[3] * start[axes[2]]
        shift = low - held[LOW + axis]
        if tensor == INPUTS and axis >= ROW:
            found[RING + axis - ROW] = shift + held[HEAD + axis - ROW]
            shift = 0
        word = word * nest.sizes[0, tensor, axis] + low
        slot = slot * nest.sizes[keeper, tensor, axis] + shift
    found[0], found[1] = word, slot


@helper
def offer_operands(nest, state, tensor):
    """Find the streams from (or, of outputs, to) the MACs at one step.

    Returns their words, 0 where no network on the way has more than one taker for anything:
    these are counted at once.
    """
    locate_operands(nest, state, tensor)
    levels, start, left = nest.levels.shape[0] - 1, state.operands[tensor, 0], 0
    macs, parent = nest.levels[levels, INSTANCES], nest.buffers[levels, tensor, PARENT]
    shares = macs > nest.levels[parent, INSTANCES] and (tensor == OUTPUTS or parent < levels - 1)
    first, streams, active = nest.levels[levels, FIRST], state.streams, state.active
    words = nest.macs
    if shares:
        for i in range(macs):
            word = start + words[i, tensor]
            streams[i, COUNT] = active[first + i]
            streams[i, WORD], streams[i, HASH] = word, mixed(word)
        return 1
    for i in range(macs):
        streams[i, ALIVE] = active[first + i]
        left += active[first + i]
    for network in range(parent, levels):
        state.counted[network, tensor, UP if tensor == OUTPUTS else DOWN] += left
    if tensor != OUTPUTS:
        state.counted[parent, tensor, READS] += left
    return 0


@helper
def multiply(nest, state):
    """Perform one MAC in every unit that has something to do."""
    levels = nest.levels.shape[0] - 1
    first_weight, weight_slot = state.operands[WEIGHTS, 0], state.operands[WEIGHTS, 1]
    first_pixel, pixel_slot = state.operands[INPUTS, 0], state.operands[INPUTS, 1]
    first_sum, sum_slot = state.operands[OUTPUTS, 0], state.operands[OUTPUTS, 1]
    first_row, first_column = state.operands[INPUTS, RING], state.operands[INPUTS, RING + 1]
    keeper = nest.buffers[levels, INPUTS, PARENT]
    rows, columns = nest.sizes[keeper, INPUTS, ROW], nest.sizes[keeper, INPUTS, COLUMN]
    accumulator = nest.buffers[levels, OUTPUTS, PARENT]
    tags, values, status, streams = state.tags, state.values, state.status, state.streams
    active, macs, first = state.active, nest.macs, nest.levels[levels, FIRST]
    faults, reads, updates = 0, 0, 0
    for i in range(nest.levels[levels, INSTANCES]):
        if not active[first + i]:
            continue
        row, column = macs[i, WINDOW] + first_row, macs[i, WINDOW + 1] + first_column
        row, column = row - rows * (row >= rows), column - columns * (column >= columns)
        weight = macs[i, SLOT + WEIGHTS] + weight_slot
        pixel = macs[i, SLOT + INPUTS] + pixel_slot + row * columns + column
        total = macs[i, SLOT + OUTPUTS] + sum_slot
        faults += tags[weight] != first_weight + macs[i, WEIGHTS]
        faults += tags[pixel] != first_pixel + macs[i, INPUTS]
        faults += tags[total] != first_sum + macs[i, OUTPUTS]
        product = values[weight] * values[pixel]
        is_alive = streams[i, ALIVE]
        updates += is_alive
        reads += update(values, status, total, product, is_alive)
    state.counted[accumulator, OUTPUTS, READS] += reads
    state.counted[accumulator, OUTPUTS, UPDATES] += updates
    if faults:
        raise AssertionError("a buffer does not hold an operand of a MAC")


@kernel
def replay_nest(nest, state):
    """Execute a nest from its first to its last iteration.

    Parameters
    ----------
    nest : Nest
    state : State
        The outermost level holds weights and inputs, all else is empty. Afterwards the outermost
        level holds the outputs, and `counted` what was counted.

    Returns
    -------
    int64
        Iterations: steps of the computation.
    """
    levels = nest.levels.shape[0] - 1
    iterations, loop, moved = 0, 0, 0
    # Every nesting of helpers has the inner ones compiled once more, and so has a constant for
    # `tensor`: hence what could be done further in is done here.
    while loop >= 0:
        note_activity(nest, state, moved + 1)
        for level in range(moved + 1, levels + 1):
            # Outputs come last, as the MACs ask which of their streams are alive.
            for tensor in range(3):
                words = 0
                if level == levels:
                    words = offer_operands(nest, state, tensor)
                elif has_moved(nest, state, level, tensor):
                    if tensor != OUTPUTS:
                        words = fill_operand(nest, state, level, tensor)
                    else:
                        return_outputs(nest, state, level, tensor)
                if words:
                    climb(nest, state, level, tensor, state.progress[level, SHORT] > 0)
        multiply(nest, state)
        iterations += 1
        loop = advance(nest, state.indices, state.starts, nest.loops.shape[0] - 1)
        moved = nest.loops[loop, LOOP_LEVEL] if loop >= 0 else 0
        for level in range(levels - 1, moved, -1):
            for tensor in range(OUTPUTS, 3):
                if find_leaving(nest, state, level, tensor, loop):
                    climb(nest, state, level, tensor, nest.is_cut)
                    raise_outputs(nest, state, level, tensor)
    return iterations
