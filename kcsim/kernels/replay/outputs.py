"""Outputs in a replay: how partial sums rise, are reduced, and come back."""

from __future__ import annotations

from kcsim.kernels.layout import INDEXES, OUTPUTS
from kcsim.kernels.nest import helper
from kcsim.kernels.replay.records import AWAY, AXES, EMPTY, HELD
from kcsim.kernels.replay.state import box_words, hold, list_slots, list_words, set_tile
from kcsim.kernels.replay.streams import mixed


@helper
def advance(nest, state, loop):
    """Go to the next iteration of a loop that has something to do, or of those around it.

    Returns the outermost loop that moved, -1 at the end.
    """
    levels, indices, progress = nest.rules.shape[0], state.indices, state.progress
    for i in range(loop, -1, -1):
        d, step = nest.loops[i].dimension, nest.loops[i].step
        indices[i] += 1
        is_end = indices[i] == nest.loops[i].bound
        is_end = is_end or progress[levels].now[d] + step >= nest.dimensions[d].size
        if is_end:
            step *= 1 - indices[i]
            indices[i] = 0
        for level in range(nest.loops[i].level + 1, levels + 1):
            progress[level].now[d] += step
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
    progress = state.progress[level]
    is_same = loop >= 0 and has_same_outputs(progress.seen[tensor], progress.now)
    if is_same or not nest.rules[level].keeps[tensor]:
        return 0
    parent, words = nest.banks[level, tensor].parent, 0
    is_shared = nest.levels[level].instances > nest.levels[parent].instances
    for i in range(nest.levels[level].instances):
        held = state.buffers[nest.levels[level].first + i, tensor].place
        moved, stream = state.tiles[i].moved, state.streams[i]
        for axis in range(AXES):
            moved.low[axis], moved.size[axis] = held.low[axis], held.size[axis]
        stream.count, stream.hash = box_words(moved), 0
        stream.asks = stream.count > 0
        is_listed = stream.count and is_shared
        for k in range(list_words(nest, state, level, tensor, i) if is_listed else 0):
            stream.hash += mixed(state.words[k])
        words += stream.count
    return words


@helper
def raise_outputs(nest, state, level, tensor):
    """Send the partial sums that leave a level up to the next level that keeps outputs."""
    parent, first = nest.banks[level, tensor].parent, nest.levels[level].first
    ratio = nest.levels[level].instances // nest.levels[parent].instances
    sources, targets, words = state.sources, state.targets, state.words
    for i in range(nest.levels[level].instances):
        moved, held = state.tiles[i].moved, state.buffers[first + i, tensor].place
        if moved.size[0] == 0:
            continue
        above = state.buffers[nest.levels[parent].first + i // ratio, tensor].place
        count = list_words(nest, state, level, tensor, i)
        list_slots(held, moved, sources)
        list_slots(above, moved, targets)
        is_alive, reads = state.streams[i].is_alive, 0
        for k in range(count):
            source, target = sources[k], targets[k]
            if state.tags[source] != words[k] or state.status[source] != HELD:
                raise AssertionError("a buffer does not hold a partial sum that leaves it")
            if state.tags[target] != words[k]:
                raise AssertionError("a buffer has no room for a partial sum that comes to it")
            reads += update(state.values, state.status, target, state.values[source], is_alive)
        state.counts[parent, tensor].reads += reads
        state.counts[parent, tensor].updates += count * is_alive
        held.size[0] = 0


@helper
def return_outputs(nest, state, level, tensor):
    """Make room for tiles of outputs that are wanted; what was accumulated before comes back.

    A sum that returns to several children is read once and fills all of them. As each
    accumulates for itself, the first one goes on from its value and the others from zero.
    """
    parent, first = nest.banks[level, tensor].parent, nest.levels[level].first
    ratio = nest.levels[level].instances // nest.levels[parent].instances
    sources, targets, words = state.sources, state.targets, state.words
    whole = state.tiles[state.tiles.shape[0] - 1].whole
    for i in range(nest.levels[level].instances if nest.rules[level].keeps[tensor] else 0):
        held = state.buffers[first + i, tensor].place
        if held.size[0] or not state.active[first + i]:
            continue
        set_tile(nest, state, level, tensor, first + i, whole)
        hold(held, whole, False, held)
        above = state.buffers[nest.levels[parent].first + i // ratio, tensor].place
        count = list_slots(nest.tensors[tensor], whole, words)
        list_slots(above, whole, sources)
        list_slots(held, whole, targets)
        for k in range(count):
            source, target = sources[k], targets[k]
            if state.tags[source] != words[k]:
                raise AssertionError("a buffer does not hold a word that is read from it")
            status = state.status[source]
            state.values[target], state.tags[target] = state.values[source], words[k]
            state.values[source] = 0
            state.status[target] = EMPTY if status == EMPTY else HELD
            if status == HELD:
                state.counts[parent, tensor].reads += 1
                state.status[source] = AWAY
            state.counts[level, tensor].fills += status != EMPTY
            state.counts[level - 1, tensor].down += status != EMPTY
