"""What a replay knows and changes: buffers, the boxes that they hold, and their words.

All tensors have five axes: weights ``[G, M, C, R, S]``, inputs ``[N, G, C, H, W]`` with the
padding around them, outputs ``[N, G, M, P, Q]``. A *box* is a lowest coordinate and an extent
along each axis. A *word* is numbered by its place in the tensor. A *place* describes a buffer:
slot of its first word, box that it holds (10), row and column of the buffer at which the lowest
row and column lie (2), as rows and columns of inputs are kept in rings, and extents of the buffer
(5), of which a short tile uses less.

The arrays are few and have named columns: every array that a kernel is given costs compilation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.nest import INPUTS, helper

AXES, ROW, COLUMN = 5, 3, 4
READS, FILLS, UPDATES, DOWN, UP, FORWARDED = range(6)
"""Columns of `State.counted`."""
LOW, SIZE, HEAD, ROOM, PLACE_SIZE = 1, 6, 11, 13, 18
"""Columns of places."""
GIVEN, GIVEN_SIZE, GIVEN_AT, MOVE, HELD_SIZE = 18, 23, 28, 29, 34
"""Columns of `State.held`, after those of the place."""
INSTANCES, CHILDREN, COLUMNS, FIRST, MULTICAST, REDUCES = range(6)
"""Columns of `Nest.levels`."""
TILE, PARENT, BASE, KEEPS, FORWARDS = range(5)
"""Columns of `Nest.buffers`."""
LOOP_LEVEL, LOOP_BOUND, LOOP_DIMENSION, LOOP_STEP = range(4)
EXTENT, REACH = 0, 1
"""Rows of `Nest.spans`."""
ALL = 3
"""Row of `Nest.dimensions`; the tensors come first."""
SLOT, WINDOW, MAC_SIZE = 3, 6, 8
"""Columns of `Nest.macs`; the words come first."""
RING = 2
"""First column of `State.operands` that is about rows and columns."""
NOW = 3
"""Row of `State.starts`; the tensors come first."""
SHORT, STEP = 0, 1
"""Columns of `State.progress`."""
MOVED, MOVED_SIZE, WHOLE, WHOLE_SIZE = range(4)
"""Rows of `State.boxes`."""
HASH, COUNT, ALIVE, OWN, WORD = range(5)
"""Columns of `State.streams`."""
EMPTY, HELD, AWAY = 0, 1, 2
"""Of a partial sum: never accumulated, here, sent down to be continued there, or up."""


class Nest(NamedTuple):
    """A mapped layer as the replay takes it; instances of a level are numbered parent by parent.

    Attributes
    ----------
    loops : int64[loops, 4]
        Level, bound, dimension and step of each temporal loop, outermost first.
    dimensions : int64[4, 8]
        Whether a dimension moves a tensor's tiles, or has instances idle or tiles short; sizes.
    spans : int64[levels + 1, 2, 8]
        Indices that a tile spans; how far the last instance lies from the first one.
    axes : int64[3, 5, 4]
        Of each axis of a tensor, two dimensions and how far one index of each moves a box.
    sizes : int64[levels + 1, 3, 5]
        Extents of the tiles that are not short; the last row is the MAC unit.
    tensors : int64[3, 18]
        The tensors as places: a word's slot in them is its number.
    levels : int64[levels + 1, 6]
        Instances; children in use below each, and how many of them lie along Y; row of `offsets`
        at which the instances of the level begin; multicast of the network below, and whether it
        reduces. The last row is the MAC units.
    buffers : int64[levels + 1, 3, 5]
        Words of a tile; the nearest level above that keeps the tensor; slot at which the buffers
        begin; whether the level keeps the tensor; whether the network below forwards it. The base
        of the last row is where words wait that neighbours have handed over.
    offsets : int64[rows, 8]
        Indices by which an instance begins after the first one.
    macs : int64[macs, 8]
        Of the operands of each MAC unit, at the start of the tiles that it reads: words (3),
        slots (3; rows and columns of inputs left out), row and column of its input.
    is_cut : bool
        Whether the bounds over some dimension multiply to more than its size.
    repeated : bool
        Whether windows slide only by as much as they last moved.
    """

    loops: np.ndarray
    dimensions: np.ndarray
    spans: np.ndarray
    axes: np.ndarray
    sizes: np.ndarray
    tensors: np.ndarray
    levels: np.ndarray
    buffers: np.ndarray
    offsets: np.ndarray
    macs: np.ndarray
    is_cut: bool
    repeated: bool


class State(NamedTuple):
    """Everything that changes during a replay.

    Attributes
    ----------
    values : int64[slots] or float64[slots]
    tags : int32[slots]
        The word in each slot, -1 for none yet.
    status : int8[slots]
        ``EMPTY``, ``HELD`` or ``AWAY``; of partial sums only.
    indices : int64[loops]
    starts : int64[levels + 1, 4, 8]
        Indices at which the first instance begins, when it was last looked at for each tensor,
        and now.
    progress : int64[levels + 1, 2]
        Whether instances are idle or tiles short now; steps so far.
    active : bool[rows]
        Whether an instance has something to do now.
    held : int64[rows, 3, 34]
        The buffers as places; what they were given last: lowest coordinates, extents, step; the
        move that the next one has to repeat, zeros for any.
    boxes : int64[instances + 1, 4, 5]
        Of each instance of a level: what moves now, and the whole tile; lowest coordinates and
        extents. The last row is of an instance that is looked at in between.
    stage : int64[18]
        Where words wait that a neighbour has handed over, as a place.
    slots : int64[3, words]
        Lists of slots; the last one of words.
    streams : int64[instances, 5]
        What each instance of a level exchanges now: a hash of which words, how many; whether the
        stream of a leaf has not been merged into another's so far, and just now; the word of a
        MAC unit.
    table : int64[places, 3]
        A hash table: key, the time at which it was entered, and by which instance.
    seen : int64[words]
        When a word was last seen.
    clock : int64[1]
    operands : int64[3, 4]
        Of the first MAC unit now: its word, how far this lies from the start of the tile, and,
        of inputs, row and column in the ring.
    counted : int64[levels, 3, 6]
        Reads, fills, updates at each level; words down, up, forwarded in the network below.
    """

    values: np.ndarray
    tags: np.ndarray
    status: np.ndarray
    indices: np.ndarray
    starts: np.ndarray
    progress: np.ndarray
    active: np.ndarray
    held: np.ndarray
    boxes: np.ndarray
    stage: np.ndarray
    slots: np.ndarray
    streams: np.ndarray
    table: np.ndarray
    seen: np.ndarray
    clock: np.ndarray
    operands: np.ndarray
    counted: np.ndarray


@helper
def list_slots(place, low, size, slots):
    """List the slots of a buffer in which the words of a box belong; return how many."""
    for axis in range(AXES):
        start = low[axis] - place[LOW + axis]
        if start < 0 or start + size[axis] > place[SIZE + axis]:
            raise AssertionError("a tile is not part of the tile that it is taken from")
    rows, columns = place[ROOM + ROW], place[ROOM + COLUMN]
    first_row = low[ROW] - place[LOW + ROW] + place[HEAD]
    first_column = low[COLUMN] - place[LOW + COLUMN] + place[HEAD + 1]
    count = 0
    for a in range(low[0] - place[LOW], low[0] - place[LOW] + size[0]):
        for b in range(low[1] - place[LOW + 1], low[1] - place[LOW + 1] + size[1]):
            for c in range(low[2] - place[LOW + 2], low[2] - place[LOW + 2] + size[2]):
                plane = (a * place[ROOM + 1] + b) * place[ROOM + 2] + c
                plane = place[0] + plane * rows * columns
                for row in range(first_row, first_row + size[ROW]):
                    line = plane + (row - rows if row >= rows else row) * columns
                    for column in range(first_column, first_column + size[COLUMN]):
                        slots[count] = line + (column - columns if column >= columns else column)
                        count += 1
    return count


@helper
def list_words(nest, state, level, tensor, instance):
    """List the words that an instance exchanges now; return how many."""
    if level == nest.levels.shape[0] - 1:
        state.slots[2, 0] = state.streams[instance, WORD]
        return 1
    box = state.boxes[instance]
    return list_slots(nest.tensors[tensor], box[MOVED], box[MOVED_SIZE], state.slots[2])


@helper
def copy_words(values, tags, slots, count):
    """Copy listed words from the first listed slots to the second; check that they are there."""
    sources, targets, words = slots[0], slots[1], slots[2]
    for k in range(count):
        if tags[sources[k]] != words[k]:
            raise AssertionError("a buffer does not hold a word that is read from it")
        values[targets[k]] = values[sources[k]]
        tags[targets[k]] = words[k]


@helper
def has_moved(nest, state, level, tensor):
    """Whether a level that keeps a tensor has moved, as far as it matters; note where it is."""
    starts, moved = state.starts[level], 0
    for d in range(8):
        moved += nest.dimensions[tensor, d] and starts[tensor, d] != starts[NOW, d]
        starts[tensor, d] = starts[NOW, d]
    return moved and nest.buffers[level, tensor, KEEPS]


@helper
def set_tile(start, offset, extent, layer, axes, box):
    """Put lowest coordinates and extents of a tile of an instance in the last rows of `box`."""
    for axis in range(AXES):
        one, other = axes[axis, 0], axes[axis, 2]
        one_step, other_step = axes[axis, 1], axes[axis, 3]
        one_start, other_start = start[one] + offset[one], start[other] + offset[other]
        one_size = min(extent[one], layer[one] - one_start)
        other_size = min(extent[other], layer[other] - other_start)
        box[WHOLE, axis] = one_step * one_start + other_step * other_start
        box[WHOLE_SIZE, axis] = one_step * (one_size - 1) + other_step * (other_size - 1) + 1


@helper
def box_words(size):
    """Words of a box."""
    return size[0] * size[1] * size[2] * size[3] * size[4]


@helper
def repeats_move(held, box):
    """Whether a tile that moves does so by as much as the last time; note by how much."""
    moves, differences, last = 0, 0, held[MOVE : MOVE + AXES]
    is_first, is_free = held[SIZE] == 0, True
    for i in range(AXES):
        move = box[WHOLE, i] - held[LOW + i]
        moves += move != 0
        differences += move != last[i]
        is_free = is_free and last[i] == 0
    if is_first or moves == 0:
        return True
    for i in range(AXES):
        # After a move of another length any may follow.
        kept = box[WHOLE, i] - held[LOW + i]
        last[i] = kept if is_free or differences == 0 else 0
    return is_free or differences == 0


@helper
def set_new_words(tensor, held, box, repeated):
    """Put the box of what a tile has and the buffer lacks in `box`; return its words.

    A window that moves forward or grows along one axis lacks what it did not cover before.
    """
    moved, axis, is_ahead = 0, 0, False
    slides = repeats_move(held, box) if repeated else True
    for i in range(AXES):
        box[MOVED, i], box[MOVED_SIZE, i] = box[WHOLE, i], box[WHOLE_SIZE, i]
        move = box[WHOLE, i] - held[LOW + i]
        if move != 0 or box[WHOLE_SIZE, i] > held[SIZE + i]:
            moved, axis, is_ahead = moved + 1, i, move >= 0
    if moved == 0:
        box[MOVED_SIZE, 0] = 0
    elif slides and tensor == INPUTS and moved == 1 and axis >= ROW and is_ahead:
        covered = max(held[LOW + axis] + held[SIZE + axis] - box[WHOLE, axis], 0)
        covered = min(covered, box[WHOLE_SIZE, axis])
        box[MOVED, axis] += covered
        box[MOVED_SIZE, axis] -= covered
    return box_words(box[MOVED_SIZE])


@helper
def find_new_words(nest, state, level, tensor):
    """Find the tiles of the instances of a level, and what they lack; return how many words."""
    start, extent, layer = (
        state.starts[level, tensor],
        nest.spans[level, EXTENT],
        nest.dimensions[ALL],
    )
    axes, first, words = nest.axes[tensor], nest.levels[level, FIRST], 0
    streams, active, boxes, buffers = state.streams, state.active, state.boxes, state.held
    offsets = nest.offsets
    for i in range(nest.levels[level, INSTANCES]):
        streams[i, COUNT] = 0
        if active[first + i]:
            set_tile(start, offsets[first + i], extent, layer, axes, boxes[i])
            streams[i, COUNT] = set_new_words(
                tensor, buffers[first + i, tensor], boxes[i], nest.repeated
            )
            words += streams[i, COUNT]
    return words


@helper
def hold(place, box, is_ring, first):
    """Note that a buffer now holds the whole tile in `box`.

    Rings are turned by where the first instance is, which all others keep their distance to.
    """
    for axis in range(AXES):
        place[LOW + axis], place[SIZE + axis] = box[WHOLE, axis], box[WHOLE_SIZE, axis]
    if is_ring:
        for i in range(2):
            place[HEAD + i] = first[LOW + ROW + i] % place[ROOM + ROW + i]


@helper
def note_activity(nest, state, outermost):
    """Find out which instances have something to do now, from a level downwards."""
    layer = nest.dimensions[ALL]
    for level in range(outermost, nest.levels.shape[0]):
        start, span = state.starts[level, NOW], nest.spans[level]
        was_short, is_short = state.progress[level, SHORT], False
        for d in range(8):
            is_short = is_short or start[d] + span[REACH, d] + span[EXTENT, d] > layer[d]
        state.progress[level, SHORT] = is_short
        state.progress[level, STEP] += 1
        first = nest.levels[level, FIRST]
        last = first + nest.levels[level, INSTANCES] if is_short or was_short else first
        for row in range(first, last):
            state.active[row] = True
        for d in range(8):
            if start[d] + span[REACH, d] >= layer[d]:
                for row in range(first, last):
                    state.active[row] &= start[d] + nest.offsets[row, d] < layer[d]
