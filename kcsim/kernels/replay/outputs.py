"""Outputs in a replay: how partial sums rise, are reduced, and come back."""

from __future__ import annotations

from kcsim.kernels.nest import INDEXES, OUTPUTS, helper
from kcsim.kernels.replay.state import (
    ALIVE,
    ALL,
    AWAY,
    AXES,
    COUNT,
    DOWN,
    EMPTY,
    EXTENT,
    FILLS,
    FIRST,
    HASH,
    HELD,
    INSTANCES,
    KEEPS,
    LOOP_BOUND,
    LOOP_DIMENSION,
    LOOP_LEVEL,
    LOOP_STEP,
    LOW,
    MOVED,
    MOVED_SIZE,
    NOW,
    PARENT,
    READS,
    SIZE,
    UPDATES,
    WHOLE,
    WHOLE_SIZE,
    box_words,
    hold,
    list_slots,
    list_words,
    set_tile,
)
from kcsim.kernels.replay.streams import mixed


@helper
def advance(nest, indices, starts, loop):
    """Go to the next iteration of a loop that has something to do, or of those around it.

    Returns the outermost loop that moved, -1 at the end.
    """
    levels = nest.levels.shape[0] - 1
    for i in range(loop, -1, -1):
        d, step = nest.loops[i, LOOP_DIMENSION], nest.loops[i, LOOP_STEP]
        indices[i] += 1
        is_end = indices[i] == nest.loops[i, LOOP_BOUND]
        is_end = is_end or starts[levels, NOW, d] + step >= nest.dimensions[ALL, d]
        if is_end:
            step *= 1 - indices[i]
            indices[i] = 0
        for level in range(nest.loops[i, LOOP_LEVEL] + 1, levels + 1):
            starts[level, NOW, d] += step
        if not is_end:
            return i
    return -1


@helper
def has_same_outputs(start, other):
    """Whether the tiles that begin at some indices are of the same outputs."""
    differences = 0
    for d in range(8):
        differences += INDEXES[OUTPUTS, d] and start[d] != other[d]
    return differences == 0


@helper
def update(values, status, slot, value, is_access):
    """Add to a partial sum in a buffer; return whether it has been read for that.

    A value that was added on its way is no access. A sum that was sent down has been read then.
    """
    values[slot] += value
    is_read = is_access and status[slot] == HELD
    status[slot] = HELD if is_access else status[slot]
    return is_read


@helper
def find_leaving(nest, state, level, tensor, loop):
    """Find the partial sums that leave a level, now that a loop (-1: none) has moved.

    All tiles of a level leave with that of the first instance, also those of instances that are
    idle now. Returns how many words leave.
    """
    starts = state.starts[level]
    is_same = loop >= 0 and has_same_outputs(starts[tensor], starts[NOW])
    if is_same or not nest.buffers[level, tensor, KEEPS]:
        return 0
    parent, words = nest.buffers[level, tensor, PARENT], 0
    is_shared = nest.levels[level, INSTANCES] > nest.levels[parent, INSTANCES]
    for i in range(nest.levels[level, INSTANCES]):
        held, box = state.held[nest.levels[level, FIRST] + i, tensor], state.boxes[i]
        for axis in range(AXES):
            box[MOVED, axis], box[MOVED_SIZE, axis] = held[LOW + axis], held[SIZE + axis]
        count, stream = box_words(box[MOVED_SIZE]), 0
        for k in range(list_words(nest, state, level, tensor, i) if count and is_shared else 0):
            stream += mixed(state.slots[2, k])
        state.streams[i, COUNT], state.streams[i, HASH] = count, stream
        words += count
    return words


@helper
def raise_outputs(nest, state, level, tensor):
    """Send the partial sums that leave a level up to the next level that keeps outputs."""
    parent, first = nest.buffers[level, tensor, PARENT], nest.levels[level, FIRST]
    ratio = nest.levels[level, INSTANCES] // nest.levels[parent, INSTANCES]
    sources, targets, words = state.slots[0], state.slots[1], state.slots[2]
    for i in range(nest.levels[level, INSTANCES]):
        box, held = state.boxes[i], state.held[first + i, tensor]
        if box[MOVED_SIZE, 0] == 0:
            continue
        above = state.held[nest.levels[parent, FIRST] + i // ratio, tensor]
        count = list_words(nest, state, level, tensor, i)
        list_slots(held, box[MOVED], box[MOVED_SIZE], sources)
        list_slots(above, box[MOVED], box[MOVED_SIZE], targets)
        is_alive, reads = state.streams[i, ALIVE], 0
        for k in range(count):
            source, target = sources[k], targets[k]
            if state.tags[source] != words[k] or state.status[source] != HELD:
                raise AssertionError("a buffer does not hold a partial sum that leaves it")
            if state.tags[target] != words[k]:
                raise AssertionError("a buffer has no room for a partial sum that comes to it")
            reads += update(state.values, state.status, target, state.values[source], is_alive)
        state.counted[parent, tensor, READS] += reads
        state.counted[parent, tensor, UPDATES] += count * is_alive
        held[SIZE] = 0


@helper
def return_outputs(nest, state, level, tensor):
    """Make room for tiles of outputs that are wanted; what was accumulated before comes back.

    A sum that returns to several children is read once and fills all of them. As each
    accumulates for itself, the first one goes on from its value and the others from zero.
    """
    parent, first = nest.buffers[level, tensor, PARENT], nest.levels[level, FIRST]
    ratio = nest.levels[level, INSTANCES] // nest.levels[parent, INSTANCES]
    sources, targets, words = state.slots[0], state.slots[1], state.slots[2]
    for i in range(nest.levels[level, INSTANCES] if nest.buffers[level, tensor, KEEPS] else 0):
        held, box = state.held[first + i, tensor], state.boxes[-1]
        if held[SIZE] or not state.active[first + i]:
            continue
        low, size, extent = box[WHOLE], box[WHOLE_SIZE], nest.spans[level, EXTENT]
        layer, axes = nest.dimensions[ALL], nest.axes[tensor]
        set_tile(state.starts[level, tensor], nest.offsets[first + i], extent, layer, axes, box)
        hold(held, box, False, held)
        above = state.held[nest.levels[parent, FIRST] + i // ratio, tensor]
        count = list_slots(nest.tensors[tensor], low, size, words)
        list_slots(above, low, size, sources)
        list_slots(held, low, size, targets)
        for k in range(count):
            source, target = sources[k], targets[k]
            if state.tags[source] != words[k]:
                raise AssertionError("a buffer does not hold a word that is read from it")
            status = state.status[source]
            state.values[target], state.tags[target] = state.values[source], words[k]
            state.values[source] = 0
            state.status[target] = EMPTY if status == EMPTY else HELD
            if status == HELD:
                state.counted[parent, tensor, READS] += 1
                state.status[source] = AWAY
            state.counted[level, tensor, FILLS] += status != EMPTY
            state.counted[level - 1, tensor, DOWN] += status != EMPTY
