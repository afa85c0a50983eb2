"""What a replay knows and changes: buffers, the boxes that they hold, and their words.

All tensors have five axes: weights ``[G, M, C, R, S]``, inputs ``[N, G, C, H, W]`` with the
padding around them, outputs ``[N, G, M, P, Q]``. A *box* is a lowest coordinate and an extent
along each axis. A *word* is numbered by its place in the tensor. A *place* describes a buffer:
slot of its first word, lowest coordinates (5), extents (5), and the row and column of the buffer
at which the lowest row and column lie (2), as rows and columns of inputs are kept in rings.

The arrays are few and have named columns: every array that a kernel is given costs compilation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.nest import INPUTS, helper

AXES, ROW, COLUMN = 5, 3, 4
READS, FILLS, UPDATES, DOWN, UP, FORWARDED = range(6)
"""Columns of `State.counted`."""
LOW, SIZE, HEAD, PLACE_SIZE = 1, 6, 11, 13
"""Columns of places."""
INSTANCES, CHILDREN, COLUMNS, FIRST, MULTICAST, REDUCES = range(6)
"""Columns of `Nest.levels`."""
TILE, PARENT, BASE, KEEPS, FORWARDS = range(5)
"""Columns of `Nest.buffers`."""
LOOP_LEVEL, LOOP_BOUND = 0, 1
SLOT, WINDOW, MAC_SIZE = 3, 6, 8
"""Columns of `Nest.macs`; the words come first."""
NOW, THEN, GIVEN, GIVEN_SIZE, RING = range(5)
"""Rows of `State.positions`."""
HASH, COUNT, ALIVE, OWN = range(4)
"""Columns of `State.streams`."""
EMPTY, HELD, AWAY = 0, 1, 2
"""Of a partial sum: never accumulated, here, or sent down to be continued there."""


class Nest(NamedTuple):
    """A mapped layer as the replay takes it; instances of a level are numbered parent by parent.

    Attributes
    ----------
    loops : int64[loops, 2]
        Level and bound of each temporal loop, outermost first.
    steps : int64[loops, 3, 5]
        How far one iteration moves each tensor's box.
    sizes : int64[levels + 1, 3, 5]
        Extents of the tiles; the last row is the MAC unit.
    tensors : int64[3, 13]
        The tensors as places: a word's slot in them is its number.
    levels : int64[levels + 1, 6]
        Instances; children in use below each, and how many of them lie along Y; row of `offsets`
        at which the instances of the level begin; multicast of the network below, and whether it
        reduces. The last row is the MAC units.
    buffers : int64[levels + 1, 3, 5]
        Words of a tile; the nearest level above that keeps the tensor; slot at which the buffers
        begin; whether the level keeps the tensor; whether the network below forwards it. The base
        of the last row is where words wait that neighbours have handed over.
    offsets : int64[rows, 3, 5]
        Where an instance's box lies relative to that of the first instance.
    macs : int64[macs, 8]
        Of the operands of each MAC unit, at the start of the tiles that it reads: words (3),
        slots (3; rows and columns of inputs left out), row and column of its input.
    """

    loops: np.ndarray
    steps: np.ndarray
    sizes: np.ndarray
    tensors: np.ndarray
    levels: np.ndarray
    buffers: np.ndarray
    offsets: np.ndarray
    macs: np.ndarray


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
    positions : int64[levels + 1, 3, 5, 5]
        For the first instance: where its box lies at the current indices; where it lay when the
        buffers were filled (-1 before); lowest coordinates and extents (0 for nothing) of what it
        was given at the last step; rows and columns (2) by which the rings of inputs are turned.
    box : int64[3, 5]
        What moves now: lowest coordinates for the first instance, extents, lowest coordinates
        for the instance at hand.
    places : int64[2, 13]
    slots : int64[3, words]
        Lists of slots; the last one of words.
    streams : int64[instances, 4]
        What each instance of a level exchanges now: a hash of which words, how many; whether the
        stream of a leaf has not been merged into another's so far, and just now.
    table : int64[places, 2]
        A hash table: key, and the time at which it was entered.
    seen : int64[words]
        When a word was last seen.
    clock : int64[1]
    operands : int64[3, 2]
        Word that the first MAC unit uses now, and how far it lies from the start of the tile.
    counted : int64[levels, 3, 6]
        Reads, fills, updates at each level; words down, up, forwarded in the network below.
    """

    values: np.ndarray
    tags: np.ndarray
    status: np.ndarray
    indices: np.ndarray
    positions: np.ndarray
    box: np.ndarray
    places: np.ndarray
    slots: np.ndarray
    streams: np.ndarray
    table: np.ndarray
    seen: np.ndarray
    clock: np.ndarray
    operands: np.ndarray
    counted: np.ndarray


@helper
def set_place(nest, state, level, tensor, instance, place):
    """Describe the buffer of an instance in `place`."""
    place[0] = nest.buffers[level, tensor, BASE] + instance * nest.buffers[level, tensor, TILE]
    row = nest.levels[level, FIRST] + instance
    position = state.positions[level, tensor]
    for axis in range(AXES):
        place[LOW + axis] = position[THEN, axis] + nest.offsets[row, tensor, axis]
        place[SIZE + axis] = nest.sizes[level, tensor, axis]
    place[HEAD] = position[RING, 0]
    place[HEAD + 1] = position[RING, 1]


@helper
def list_slots(place, low, size, slots):
    """List the slots of a buffer in which the words of a box belong; return how many."""
    for axis in range(AXES):
        start = low[axis] - place[LOW + axis]
        if start < 0 or start + size[axis] > place[SIZE + axis]:
            raise AssertionError("a tile is not part of the tile that it is taken from")
    rows, columns = place[SIZE + ROW], place[SIZE + COLUMN]
    first_row = low[ROW] - place[LOW + ROW] + place[HEAD]
    first_column = low[COLUMN] - place[LOW + COLUMN] + place[HEAD + 1]
    count = 0
    for a in range(low[0] - place[LOW], low[0] - place[LOW] + size[0]):
        for b in range(low[1] - place[LOW + 1], low[1] - place[LOW + 1] + size[1]):
            for c in range(low[2] - place[LOW + 2], low[2] - place[LOW + 2] + size[2]):
                plane = (a * place[SIZE + 1] + b) * place[SIZE + 2] + c
                plane = place[0] + plane * rows * columns
                for row in range(first_row, first_row + size[ROW]):
                    line = plane + (row - rows if row >= rows else row) * columns
                    for column in range(first_column, first_column + size[COLUMN]):
                        slots[count] = line + (column - columns if column >= columns else column)
                        count += 1
    return count


@helper
def place_box(nest, state, level, tensor, instance):
    """Move the box at hand to where it lies for an instance; list its words."""
    for axis in range(AXES):
        offset = nest.offsets[nest.levels[level, FIRST] + instance, tensor, axis]
        state.box[2, axis] = state.box[0, axis] + offset
    return list_slots(nest.tensors[tensor], state.box[2], state.box[1], state.slots[2])


@helper
def copy_words(state, count):
    """Copy listed words from the first listed slots to the second; check that they are there."""
    sources, targets, words = state.slots[0], state.slots[1], state.slots[2]
    for k in range(count):
        if state.tags[sources[k]] != words[k]:
            raise AssertionError("a buffer does not hold a word that is read from it")
        state.values[targets[k]] = state.values[sources[k]]
        state.tags[targets[k]] = words[k]


@helper
def find_new_words(nest, state, level, tensor):
    """Put the box of what the first instance lacks at `state.box`; return its words."""
    low, size = state.box[0], state.box[1]
    moved, axis, shift = 0, 0, 0
    for i in range(AXES):
        low[i], size[i] = state.positions[level, tensor, NOW, i], nest.sizes[level, tensor, i]
        if low[i] != state.positions[level, tensor, THEN, i]:
            moved, axis, shift = moved + 1, i, low[i] - state.positions[level, tensor, THEN, i]
    if state.positions[level, tensor, THEN, 0] >= 0:
        if moved == 0:
            for i in range(AXES):
                size[i] = 0
        elif tensor == INPUTS and moved == 1 and axis >= ROW and 0 < shift < size[axis]:
            low[axis] += size[axis] - shift
            size[axis] = shift
    return size[0] * size[1] * size[2] * size[3] * size[4]


@helper
def settle(nest, state, level, tensor):
    """Note that the buffers of a level now hold the tiles of the current indices."""
    for axis in range(AXES):
        state.positions[level, tensor, THEN, axis] = state.positions[level, tensor, NOW, axis]
    if tensor == INPUTS:
        for i in range(2):
            low = state.positions[level, tensor, NOW, ROW + i]
            state.positions[level, tensor, RING, i] = low % nest.sizes[level, tensor, ROW + i]
