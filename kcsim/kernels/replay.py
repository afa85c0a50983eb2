"""Execution of a mapped loop nest, with real values in every buffer.

The nest is walked in time. Every instance of every level has a buffer for each tensor that it
keeps; every slot of a buffer remembers which word it holds, so that taking a word from a place
that does not hold it is found out at once. Words are moved one by one and counted as they move.
No count is known beforehand: the rules of the counting page are followed, not their closed forms.
"""

from __future__ import annotations

from numba import njit

from kcsim.kernels.nest import INPUTS, OUTPUTS, WEIGHTS, helper
from kcsim.kernels.replay_state import (
    ALIVE,
    AWAY,
    AXES,
    BASE,
    CHILDREN,
    COLUMN,
    COLUMNS,
    COUNT,
    DOWN,
    EMPTY,
    FILLS,
    FIRST,
    FORWARDED,
    FORWARDS,
    GIVEN,
    GIVEN_SIZE,
    HASH,
    HEAD,
    HELD,
    INSTANCES,
    KEEPS,
    LOOP_BOUND,
    LOOP_LEVEL,
    LOW,
    NOW,
    PARENT,
    READS,
    RING,
    ROW,
    SIZE,
    SLOT,
    THEN,
    UP,
    UPDATES,
    WINDOW,
    copy_words,
    find_new_words,
    list_slots,
    place_box,
    set_place,
    settle,
)
from kcsim.kernels.replay_streams import climb, mixed


@helper
def serving_neighbour(nest, state, level, tensor, instance):
    """The mesh neighbour that was given at the last step what an instance needs; -1 if none."""
    now, then = state.box, state.positions[level, tensor]
    for axis in range(AXES):
        if now[1, axis] != then[GIVEN_SIZE, axis]:
            return -1
    children, columns = nest.levels[level - 1, CHILDREN], nest.levels[level - 1, COLUMNS]
    x, y = instance % children // columns, instance % columns
    first = nest.levels[level, FIRST]
    for i in range(4):
        move_x, move_y = (i - 1) * (i % 2 == 0), (i - 2) * (i % 2 == 1)
        if not (0 <= x + move_x < children // columns and 0 <= y + move_y < columns):
            continue
        other = instance + move_x * columns + move_y
        is_same = True
        for axis in range(AXES):
            here = now[0, axis] + nest.offsets[first + instance, tensor, axis]
            there = then[GIVEN, axis] + nest.offsets[first + other, tensor, axis]
            is_same = is_same and here == there
        if is_same:
            return other
    return -1


@helper
def set_stage(nest, state, tensor, instance, words, place):
    """Describe in `place` where the words at hand wait for an instance."""
    place[0] = nest.buffers[nest.levels.shape[0] - 1, tensor, BASE] + instance * words
    place[HEAD], place[HEAD + 1] = 0, 0
    for axis in range(AXES):
        place[LOW + axis], place[SIZE + axis] = state.box[2, axis], state.box[1, axis]


@helper
def take_from_neighbours(nest, state, level, tensor, words):
    """Set aside what neighbours hold, before they lose it; others keep a count of words."""
    source, target = state.places[0], state.places[1]
    for i in range(nest.levels[level, INSTANCES]):
        other = serving_neighbour(nest, state, level, tensor, i)
        state.streams[i, COUNT] = words if other < 0 else 0
        if other < 0:
            continue
        count = place_box(nest, state, level, tensor, i)
        set_place(nest, state, level, tensor, other, source)
        list_slots(source, state.box[2], state.box[1], state.slots[0])
        set_stage(nest, state, tensor, i, words, target)
        list_slots(target, state.box[2], state.box[1], state.slots[1])
        copy_words(state, count)
        state.counted[level, tensor, READS] += count
        state.counted[level - 1, tensor, FORWARDED] += count


@helper
def fill_operand(nest, state, level, tensor):
    """Bring the tiles of weights or inputs at a level up to the current indices."""
    parent = nest.buffers[level, tensor, PARENT]
    words = find_new_words(nest, state, level, tensor)
    if words:
        forwards = parent == level - 1 and nest.buffers[parent, tensor, FORWARDS]
        if forwards:
            take_from_neighbours(nest, state, level, tensor, words)
        settle(nest, state, level, tensor)
        ratio = nest.levels[level, INSTANCES] // nest.levels[parent, INSTANCES]
        source, target = state.places[0], state.places[1]
        for i in range(nest.levels[level, INSTANCES]):
            count = place_box(nest, state, level, tensor, i)
            if forwards and state.streams[i, COUNT] == 0:
                set_stage(nest, state, tensor, i, words, source)
            else:
                set_place(nest, state, parent, tensor, i // ratio, source)
                state.streams[i, COUNT] = count
            set_place(nest, state, level, tensor, i, target)
            list_slots(source, state.box[2], state.box[1], state.slots[0])
            list_slots(target, state.box[2], state.box[1], state.slots[1])
            copy_words(state, count)
            state.counted[level, tensor, FILLS] += count
            stream = 0
            for k in range(count if ratio > 1 else 0):
                stream += mixed(state.slots[2, k])
            state.streams[i, HASH] = stream
        state.counted[parent, tensor, READS] += climb(nest, state, level, tensor)
    for axis in range(AXES):
        state.positions[level, tensor, GIVEN, axis] = state.box[0, axis]
        state.positions[level, tensor, GIVEN_SIZE, axis] = state.box[1, axis]


@helper
def is_leaving(nest, state, level, tensor):
    """Whether the tiles of outputs at a level are about to change."""
    position = state.positions[level, tensor]
    moved = 0
    for axis in range(AXES):
        moved += position[NOW, axis] != position[THEN, axis]
    return moved > 0


@helper
def take_whole_tile(nest, state, level, tensor):
    """Put the whole tile of outputs that the first instance holds at `state.box`."""
    for axis in range(AXES):
        state.box[0, axis] = state.positions[level, tensor, THEN, axis]
        state.box[1, axis] = nest.sizes[level, tensor, axis]


@helper
def raise_outputs(nest, state, level, tensor):
    """Send the partial sums at a level up to the next level that keeps outputs."""
    parent = nest.buffers[level, tensor, PARENT]
    take_whole_tile(nest, state, level, tensor)
    ratio = nest.levels[level, INSTANCES] // nest.levels[parent, INSTANCES]
    for i in range(nest.levels[level, INSTANCES]):
        state.streams[i, COUNT] = place_box(nest, state, level, tensor, i)
        stream = 0
        for k in range(state.streams[i, COUNT] if ratio > 1 else 0):
            stream += mixed(state.slots[2, k])
        state.streams[i, HASH] = stream
    climb(nest, state, level, tensor)
    sources, targets, words = state.slots[0], state.slots[1], state.slots[2]
    for i in range(nest.levels[level, INSTANCES]):
        count = place_box(nest, state, level, tensor, i)
        set_place(nest, state, level, tensor, i, state.places[0])
        set_place(nest, state, parent, tensor, i // ratio, state.places[1])
        list_slots(state.places[0], state.box[2], state.box[1], sources)
        list_slots(state.places[1], state.box[2], state.box[1], targets)
        for k in range(count):
            source, target = sources[k], targets[k]
            if state.tags[source] != words[k] or state.status[source] != HELD:
                raise AssertionError("a buffer does not hold a partial sum that leaves it")
            if state.tags[target] != words[k]:
                raise AssertionError("a buffer has no room for a partial sum that comes to it")
            update(state, parent, target, state.values[source], state.streams[i, ALIVE])


@helper
def update(state, level, slot, value, is_access):
    """Add to a partial sum in a buffer; a value that was added on its way is no access."""
    if state.status[slot] == HELD:
        state.values[slot] += value
        state.counted[level, OUTPUTS, READS] += is_access
    else:
        # A sum that was sent down has been read then.
        state.values[slot] = value
        state.status[slot] = HELD
    state.counted[level, OUTPUTS, UPDATES] += is_access


@helper
def return_outputs(nest, state, level, tensor):
    """Make room for new tiles of outputs at a level; what was accumulated before comes back.

    A sum that returns to several children is read once and fills all of them. As each
    accumulates for itself, the first one goes on from its value and the others from zero.
    """
    parent = nest.buffers[level, tensor, PARENT]
    settle(nest, state, level, tensor)
    take_whole_tile(nest, state, level, tensor)
    ratio = nest.levels[level, INSTANCES] // nest.levels[parent, INSTANCES]
    for i in range(nest.levels[level, INSTANCES]):
        count = place_box(nest, state, level, tensor, i)
        set_place(nest, state, parent, tensor, i // ratio, state.places[0])
        set_place(nest, state, level, tensor, i, state.places[1])
        list_slots(state.places[0], state.box[2], state.box[1], state.slots[0])
        list_slots(state.places[1], state.box[2], state.box[1], state.slots[1])
        copy_words(state, count)
        for k in range(count):
            source, target = state.slots[0, k], state.slots[1, k]
            status = state.status[source]
            state.status[target] = EMPTY if status == EMPTY else HELD
            if status == HELD:
                state.counted[parent, tensor, READS] += 1
                state.status[source] = AWAY
                state.values[source] = 0
            state.counted[level, tensor, FILLS] += status != EMPTY
            state.counted[level - 1, tensor, DOWN] += status != EMPTY


@helper
def count_operands(nest, state, tensor):
    """Streams from (or, of outputs, to) the MACs at one step.

    Returns the number of the word that the first MAC unit uses.
    """
    levels, start = nest.levels.shape[0] - 1, 0
    for axis in range(AXES):
        start = start * nest.sizes[0, tensor, axis] + state.positions[levels, tensor, NOW, axis]
    macs, parent = nest.levels[levels, INSTANCES], nest.buffers[levels, tensor, PARENT]
    left = macs
    if macs > nest.levels[parent, INSTANCES] and (tensor == OUTPUTS or parent < levels - 1):
        for i in range(macs):
            state.streams[i, COUNT] = 1
            state.streams[i, HASH] = mixed(start + nest.macs[i, tensor])
        left = climb(nest, state, levels, tensor)
    else:
        # No network on the way has more than one taker for anything.
        for network in range(parent, levels):
            state.counted[network, tensor, UP if tensor == OUTPUTS else DOWN] += macs
        for i in range(macs):
            state.streams[i, ALIVE] = 1
    if tensor != OUTPUTS:
        state.counted[parent, tensor, READS] += left
    return start


@helper
def slot_offset(nest, state, tensor):
    """How far the MACs' operands lie from the start of the tiles that they are read from."""
    levels = nest.levels.shape[0] - 1
    keeper, offset = nest.buffers[levels, tensor, PARENT], 0
    for axis in range(AXES):
        shift = state.positions[levels, tensor, NOW, axis]
        shift -= state.positions[keeper, tensor, THEN, axis]
        if tensor == INPUTS and axis >= ROW:
            shift = 0
        offset = offset * nest.sizes[keeper, tensor, axis] + shift
    return offset


@helper
def multiply(nest, state):
    """Perform one MAC in every unit."""
    levels = nest.levels.shape[0] - 1
    # Outputs come last, as the MACs below ask which of their streams are alive.
    for tensor in range(3):
        state.operands[tensor, 0] = count_operands(nest, state, tensor)
        state.operands[tensor, 1] = slot_offset(nest, state, tensor)
    first_weight, weight_slot = state.operands[WEIGHTS, 0], state.operands[WEIGHTS, 1]
    first_pixel, pixel_slot = state.operands[INPUTS, 0], state.operands[INPUTS, 1]
    first_sum, sum_slot = state.operands[OUTPUTS, 0], state.operands[OUTPUTS, 1]
    keeper = nest.buffers[levels, INPUTS, PARENT]
    rows, columns = nest.sizes[keeper, INPUTS, ROW], nest.sizes[keeper, INPUTS, COLUMN]
    now, then = state.positions[levels, INPUTS], state.positions[keeper, INPUTS]
    first_row = now[NOW, ROW] - then[THEN, ROW] + then[RING, 0]
    first_column = now[NOW, COLUMN] - then[THEN, COLUMN] + then[RING, 1]
    accumulator = nest.buffers[levels, OUTPUTS, PARENT]
    faults = 0
    for i in range(nest.levels[levels, INSTANCES]):
        mac = nest.macs[i]
        row, column = mac[WINDOW] + first_row, mac[WINDOW + 1] + first_column
        row, column = row - rows * (row >= rows), column - columns * (column >= columns)
        weight = mac[SLOT + WEIGHTS] + weight_slot
        pixel = mac[SLOT + INPUTS] + pixel_slot + row * columns + column
        total = mac[SLOT + OUTPUTS] + sum_slot
        faults += state.tags[weight] != first_weight + mac[WEIGHTS]
        faults += state.tags[pixel] != first_pixel + mac[INPUTS]
        faults += state.tags[total] != first_sum + mac[OUTPUTS]
        product = state.values[weight] * state.values[pixel]
        update(state, accumulator, total, product, state.streams[i, ALIVE])
    if faults:
        raise AssertionError("a buffer does not hold an operand of a MAC")


@helper
def advance(nest, state):
    """Go to the next iteration of the nest.

    Returns the level of the outermost loop that moved, the number of levels at the end.
    """
    levels = nest.levels.shape[0] - 1
    for i in range(nest.loops.shape[0] - 1, -1, -1):
        state.indices[i] += 1
        is_reset = state.indices[i] == nest.loops[i, LOOP_BOUND]
        times = 1
        if is_reset:
            state.indices[i], times = 0, 1 - nest.loops[i, LOOP_BOUND]
        for level in range(nest.loops[i, LOOP_LEVEL] + 1, levels + 1):
            for tensor in range(3):
                position = state.positions[level, tensor, NOW]
                for axis in range(AXES):
                    position[axis] += times * nest.steps[i, tensor, axis]
        if not is_reset:
            return nest.loops[i, LOOP_LEVEL]
    return levels


@njit(cache=True, nogil=True, error_model="numpy")
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
    iterations, moved = 0, 0
    while moved < levels:
        for level in range(moved + 1, levels):
            # A constant for `tensor` would have all helpers compiled anew.
            for tensor in range(3):
                if not nest.buffers[level, tensor, KEEPS]:
                    continue
                if tensor != OUTPUTS:
                    fill_operand(nest, state, level, tensor)
                elif is_leaving(nest, state, level, tensor):
                    return_outputs(nest, state, level, tensor)
        multiply(nest, state)
        iterations += 1
        moved = advance(nest, state)
        is_end = moved == levels
        for level in range(levels - 1, 0 if is_end else moved, -1):
            for tensor in range(OUTPUTS, 3):
                keeps = nest.buffers[level, tensor, KEEPS]
                if keeps and (is_end or is_leaving(nest, state, level, tensor)):
                    raise_outputs(nest, state, level, tensor)
    return iterations
