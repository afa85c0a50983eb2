"""Weights and inputs in a replay: how tiles are filled, from above or by neighbours."""

from __future__ import annotations

from kcsim.kernels.nest import INPUTS, helper
from kcsim.kernels.replay.state import (
    AXES,
    BASE,
    CHILDREN,
    COLUMNS,
    COUNT,
    FILLS,
    FIRST,
    FORWARDED,
    FORWARDS,
    GIVEN,
    GIVEN_AT,
    GIVEN_SIZE,
    HASH,
    INSTANCES,
    LOW,
    MOVED,
    MOVED_SIZE,
    PARENT,
    READS,
    ROOM,
    SIZE,
    STEP,
    TILE,
    box_words,
    copy_words,
    find_new_words,
    hold,
    list_slots,
)
from kcsim.kernels.replay.streams import mixed


@helper
def serving_neighbour(nest, state, level, tensor, instance):
    """The mesh neighbour that was given at the last step what an instance needs; -1 if none."""
    box, before = state.boxes[instance], state.progress[level, STEP] - 1
    children, columns = nest.levels[level - 1, CHILDREN], nest.levels[level - 1, COLUMNS]
    x, y = instance % children // columns, instance % columns
    for i in range(4):
        move_x, move_y = (i - 1) * (i % 2 == 0), (i - 2) * (i % 2 == 1)
        if not (0 <= x + move_x < children // columns and 0 <= y + move_y < columns):
            continue
        other = instance + move_x * columns + move_y
        held = state.held[nest.levels[level, FIRST] + other, tensor]
        is_same = held[GIVEN_AT] == before
        for axis in range(AXES):
            is_same = is_same and held[GIVEN + axis] == box[MOVED, axis]
            is_same = is_same and held[GIVEN_SIZE + axis] == box[MOVED_SIZE, axis]
        if is_same:
            return other
    return -1


@helper
def set_stage(nest, state, level, tensor, instance):
    """Describe where the words wait that an instance was handed by a neighbour."""
    place, box = state.stage, state.boxes[instance]
    place[0] = nest.buffers[nest.levels.shape[0] - 1, tensor, BASE]
    place[0] += instance * nest.buffers[level, tensor, TILE]
    for axis in range(AXES):
        place[LOW + axis], place[SIZE + axis] = box[MOVED, axis], box[MOVED_SIZE, axis]
        place[ROOM + axis] = box[MOVED_SIZE, axis]


@helper
def carry(whole, box, source, target, slots, tags, values):
    """Copy what moves from one buffer to another; return how many words of the tensor."""
    count = list_slots(whole, box[MOVED], box[MOVED_SIZE], slots[2])
    list_slots(source, box[MOVED], box[MOVED_SIZE], slots[0])
    list_slots(target, box[MOVED], box[MOVED_SIZE], slots[1])
    copy_words(values, tags, slots, count)
    return count


@helper
def take_from_neighbours(nest, state, level, tensor):
    """Set aside what neighbours hold, before they lose it; only others keep a count of words."""
    for i in range(nest.levels[level, INSTANCES]):
        other = serving_neighbour(nest, state, level, tensor, i) if state.streams[i, COUNT] else -1
        if other >= 0:
            set_stage(nest, state, level, tensor, i)
            held = state.held[nest.levels[level, FIRST] + other, tensor]
            whole, box = nest.tensors[tensor], state.boxes[i]
            stage, slots = state.stage, state.slots
            count = carry(whole, box, held, stage, slots, state.tags, state.values)
            state.counted[level, tensor, READS] += count
            state.counted[level - 1, tensor, FORWARDED] += count
            state.streams[i, COUNT] = 0


@helper
def fill_operand(nest, state, level, tensor):
    """Bring the tiles of weights or inputs at a level up to date; return the words moved."""
    parent, first = nest.buffers[level, tensor, PARENT], nest.levels[level, FIRST]
    words = find_new_words(nest, state, level, tensor)
    forwards = nest.buffers[level - 1, tensor, FORWARDS]
    if words and forwards:
        take_from_neighbours(nest, state, level, tensor)
    ratio = nest.levels[level, INSTANCES] // nest.levels[parent, INSTANCES]
    whole, above, step = (
        nest.tensors[tensor],
        nest.levels[parent, FIRST],
        state.progress[level, STEP],
    )
    streams, active, boxes, buffers = state.streams, state.active, state.boxes, state.held
    slots, tags, values, filled = state.slots, state.tags, state.values, 0
    for i in range(nest.levels[level, INSTANCES]):
        if not active[first + i]:
            continue
        box, held = boxes[i], buffers[first + i, tensor]
        hold(held, box, tensor == INPUTS, buffers[first, tensor])
        if not box_words(box[MOVED_SIZE]):
            continue
        source = buffers[above + i // ratio, tensor]
        if streams[i, COUNT] == 0:
            source = state.stage
            set_stage(nest, state, level, tensor, i)
        count, stream = carry(whole, box, source, held, slots, tags, values), 0
        for k in range(count if ratio > 1 else 0):
            stream += mixed(slots[2, k])
        streams[i, HASH] = stream
        filled += count
        held[GIVEN_AT] = step
        for axis in range(AXES if forwards else 0):
            held[GIVEN + axis], held[GIVEN_SIZE + axis] = box[MOVED, axis], box[MOVED_SIZE, axis]
    state.counted[level, tensor, FILLS] += filled
    return words
