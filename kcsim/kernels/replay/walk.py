"""Execution of a mapped loop nest, with real values in every buffer.

The nest is walked in time. Every instance of every level has a buffer for each tensor that it
keeps; every slot of a buffer remembers which word it holds, so that taking a word from a place
that does not hold it is found out at once. Words are moved one by one and counted as they move.
No count is known beforehand: the rules of the counting page are followed, not their closed forms.
"""

from __future__ import annotations

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS
from kcsim.kernels.nest import helper
from kcsim.kernels.replay.operands import fill_operand
from kcsim.kernels.replay.outputs import (
    advance,
    find_leaving,
    raise_outputs,
    return_outputs,
    update,
)
from kcsim.kernels.replay.records import AXES, COLUMN, ROW
from kcsim.kernels.replay.state import has_moved, note_activity
from kcsim.kernels.replay.streams import climb, mixed


@helper
def locate_operands(nest, state, tensor):
    """Find where the MACs' operands lie now: their words, and their slots in the buffers.

    All of it is for the first MAC unit, to which the others keep their distance.
    """
    levels, found = nest.rules.shape[0], state.operands[tensor]
    keeper, start = nest.banks[levels, tensor].parent, state.progress[levels].now
    held = state.buffers[nest.levels[keeper].first, tensor].place
    word, slot = 0, 0
    for i in range(AXES):
        dimension, step = nest.axes[tensor, i].dimension, nest.axes[tensor, i].step
        low = step[0] * start[dimension[0]] + step[1] * start[dimension[1]]
        shift = low - held.low[i]
        if tensor == INPUTS and i == ROW:
            found.row, shift = shift + held.head[0], 0
        elif tensor == INPUTS and i == COLUMN:
            found.column, shift = shift + held.head[1], 0
        word = word * nest.banks[0, tensor].size[i] + low
        slot = slot * nest.banks[keeper, tensor].size[i] + shift
    found.word, found.shift = word, slot


@helper
def offer_operands(nest, state, tensor):
    """Find the streams from (or, of outputs, to) the MACs at one step.

    Returns their words, 0 where no network on the way has more than one taker for anything:
    these are counted at once.
    """
    locate_operands(nest, state, tensor)
    levels, start, left = nest.rules.shape[0], state.operands[tensor].word, 0
    macs, parent = nest.levels[levels].instances, nest.banks[levels, tensor].parent
    shares = macs > nest.levels[parent].instances and (tensor == OUTPUTS or parent < levels - 1)
    first, streams, active = nest.levels[levels].first, state.streams, state.active
    if shares:
        for i in range(macs):
            word = start + nest.macs[i].word[tensor]
            streams[i].count = streams[i].asks = active[first + i]
            streams[i].word, streams[i].hash = word, mixed(word)
        return 1
    for i in range(macs):
        streams[i].is_alive = active[first + i]
        left += active[first + i]
    for network in range(parent, levels):
        if tensor == OUTPUTS:
            state.counts[network, tensor].up += left
        else:
            state.counts[network, tensor].down += left
    if tensor != OUTPUTS:
        state.counts[parent, tensor].reads += left
    return 0


@helper
def multiply(nest, state):
    """Perform one MAC in every unit that has something to do."""
    levels, operands = nest.rules.shape[0], state.operands
    weights, inputs, outputs = operands[WEIGHTS], operands[INPUTS], operands[OUTPUTS]
    size = nest.banks[nest.banks[levels, INPUTS].parent, INPUTS].size
    accumulator = nest.banks[levels, OUTPUTS].parent
    tags, values, status, streams = state.tags, state.values, state.status, state.streams
    active, macs, first = state.active, nest.macs, nest.levels[levels].first
    faults, reads, updates = 0, 0, 0
    for i in range(nest.levels[levels].instances):
        if not active[first + i]:
            continue
        mac = macs[i]
        row, column = mac.row + inputs.row, mac.column + inputs.column
        row -= size[ROW] * (row >= size[ROW])
        column -= size[COLUMN] * (column >= size[COLUMN])
        weight = mac.slot[WEIGHTS] + weights.shift
        pixel = mac.slot[INPUTS] + inputs.shift + row * size[COLUMN] + column
        total = mac.slot[OUTPUTS] + outputs.shift
        faults += tags[weight] != weights.word + mac.word[WEIGHTS]
        faults += tags[pixel] != inputs.word + mac.word[INPUTS]
        faults += tags[total] != outputs.word + mac.word[OUTPUTS]
        product = values[weight] * values[pixel]
        is_alive = streams[i].is_alive
        updates += is_alive
        reads += update(values, status, total, product, is_alive)
    state.counts[accumulator, OUTPUTS].reads += reads
    state.counts[accumulator, OUTPUTS].updates += updates
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
        level holds the outputs, and `counts` what was counted.

    Returns
    -------
    int64
        Iterations: steps of the computation.
    """
    levels = nest.rules.shape[0]
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
                    climb(nest, state, level, tensor, state.progress[level].is_short)
        multiply(nest, state)
        iterations += 1
        loop = advance(nest, state, nest.loops.shape[0] - 1)
        moved = nest.loops[loop].level if loop >= 0 else 0
        for level in range(levels - 1, moved, -1):
            for tensor in range(OUTPUTS, 3):
                if find_leaving(nest, state, level, tensor, loop):
                    climb(nest, state, level, tensor, nest.is_cut)
                    raise_outputs(nest, state, level, tensor)
    return iterations
