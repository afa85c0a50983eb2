"""Weights and inputs in a replay: how tiles are filled, from above or by neighbors."""

from __future__ import annotations

from kcsim.kernels.layout import INPUTS
from kcsim.kernels.nest import helper
from kcsim.kernels.replay.records import AXES
from kcsim.kernels.replay.state import (
    box_words,
    copy_words,
    find_new_words,
    hold,
    list_slots,
    words_moved,
)
from kcsim.kernels.replay.streams import mixed


@helper
def serving_neighbor(nest, state, level, tensor, instance):
    """The mesh neighbor that was given at the last step what an instance needs; -1 if none."""
    moved, before = state.tiles[instance].moved, state.progress[level].step - 1
    network = nest.levels[level].network
    children, columns = nest.levels[network].children, nest.levels[network].columns
    x, y = instance % children // columns, instance % columns
    for i in range(4):
        move_x, move_y = (i - 1) * (i % 2 == 0), (i - 2) * (i % 2 == 1)
        if not (0 <= x + move_x < children // columns and 0 <= y + move_y < columns):
            continue
        other = instance + move_x * columns + move_y
        buffer = state.buffers[nest.levels[level].first + other, tensor]
        is_same = buffer.given_at == before
        for axis in range(AXES):
            is_same = is_same and buffer.given.low[axis] == moved.low[axis]
            is_same = is_same and buffer.given.size[axis] == moved.size[axis]
        if is_same:
            return other
    return -1


@helper
def set_stage(nest, state, level, tensor, instance):
    """Describe where the words wait that an instance was handed by a neighbor."""
    place, moved = state.stage[0], state.tiles[instance].moved
    place.base = nest.banks[nest.rules.shape[0], tensor].base
    place.base += instance * nest.banks[level, tensor].words
    for axis in range(AXES):
        place.low[axis], place.size[axis] = moved.low[axis], moved.size[axis]
        place.room[axis] = moved.size[axis]


@helper
def carry(whole, moved, source, target, state):
    """Copy what moves from one buffer to another; return how many words of the tensor."""
    count = list_slots(whole, moved, state.words)
    list_slots(source, moved, state.sources)
    list_slots(target, moved, state.targets)
    copy_words(state, count)
    return count


@helper
def take_from_neighbors(nest, state, level, tensor):
    """Set aside what neighbors hold, before they lose it; only others keep a count of words."""
    for i in range(nest.levels[level].instances):
        other = serving_neighbor(nest, state, level, tensor, i) if state.streams[i].count else -1
        if other >= 0:
            set_stage(nest, state, level, tensor, i)
            held = state.buffers[nest.levels[level].first + other, tensor].place
            moved = state.tiles[i].moved
            count = carry(nest.tensors[tensor], moved, held, state.stage[0], state)
            count = words_moved(nest, state, level, tensor, count)
            state.counts[level, tensor].reads += count
            state.counts[nest.levels[level].network, tensor].forwarded += count
            state.streams[i].count, state.streams[i].asks = 0, False


@helper
def fill_operand(nest, state, level, tensor):
    """Bring the tiles of weights or inputs at a level up to date; return the words moved."""
    parent, first = nest.banks[level, tensor].parent, nest.levels[level].first
    words = find_new_words(nest, state, level, tensor)
    forwards = nest.rules[nest.levels[level].network].forwards[tensor]
    if words and forwards:
        take_from_neighbors(nest, state, level, tensor)
    ratio = nest.levels[level].instances // nest.levels[parent].instances
    whole, above, step = nest.tensors[tensor], nest.levels[parent].first, state.progress[level].step
    streams, active, tiles, buffers = state.streams, state.active, state.tiles, state.buffers
    listed, filled = state.words, 0
    for i in range(nest.levels[level].instances):
        if not active[first + i]:
            continue
        moved, buffer = tiles[i].moved, buffers[first + i, tensor]
        hold(buffer.place, tiles[i].whole, tensor == INPUTS, buffers[first, tensor].place)
        if not box_words(moved):
            continue
        source = buffers[above + i // ratio, tensor].place
        if streams[i].count == 0:
            source = state.stage[0]
            set_stage(nest, state, level, tensor, i)
        count, stream = carry(whole, moved, source, buffer.place, state), 0
        for k in range(count if ratio > 1 else 0):
            stream += mixed(listed[k])
        real = words_moved(nest, state, level, tensor, count)
        streams[i].hash, streams[i].count = stream, min(real, streams[i].count)
        filled += real
        buffer.given_at = step
        if forwards:
            buffer.given = moved
    state.counts[level, tensor].fills += filled
    return words
