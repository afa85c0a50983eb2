"""Execution of a mapped loop nest, with real values in every buffer.

The nest is walked in time. Every instance of every level has a buffer for each tensor that it
keeps; every slot of a buffer remembers which word it holds, so that taking a word from a place
that does not hold it is found out at once. Words are moved one by one and counted as they move.
No count is known beforehand: the rules of the counting page are followed, not their closed forms.

All tensors have five axes: weights ``[G, M, C, R, S]``, inputs ``[N, G, C, H, W]`` with the
padding around them, outputs ``[N, G, M, P, Q]``. A *box* is a lowest coordinate and an extent
along each axis. A *word* is numbered by its place in the tensor. A *place* describes a buffer:
slot of its first word, lowest coordinates (5), extents (5), and the row and column of the buffer
at which the lowest row and column lie (2), as rows and columns of inputs are kept in rings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

# Only called from other kernels, into which they are compiled.
helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

WEIGHTS, INPUTS, OUTPUTS = 0, 1, 2
READS, FILLS, UPDATES = 0, 1, 2
DOWN, UP, FORWARDED = 0, 1, 2
NO_MULTICAST, WORD_MULTICAST = 0, 2
AXES, ROW, COLUMN = 5, 3, 4
LOW, SIZE, HEAD, PLACE_SIZE = 1, 6, 11, 13
EMPTY, HELD, AWAY = 0, 1, 2
"""Of a partial sum: never accumulated, here, or sent down to be continued there."""


class Nest(NamedTuple):
    """A mapped layer as the replay takes it; instances of a level are numbered parent by parent.

    Attributes
    ----------
    loop_levels, bounds : int64[loops]
        Level and bound of each temporal loop, outermost first.
    steps : int64[loops, 3, 5]
        How far one iteration moves each tensor's box.
    sizes : int64[levels + 1, 3, 5]
        Extents of the tiles; the last row is the MAC unit.
    tiles : int64[levels, 3]
        Words of the tiles.
    tensors : int64[3, 13]
        The tensors as places: a word's slot in them is its number.
    instances : int64[levels + 1]
    children, columns : int64[levels]
        Children in use below each instance, and how many of them lie along Y.
    first : int64[levels + 1]
        Row of `offsets` at which the instances of a level begin.
    offsets : int64[rows, 3, 5]
        Where an instance's box lies relative to that of the first instance.
    parents : int64[levels + 1, 3]
        The nearest level above that keeps a tensor.
    bases : int64[levels, 3]
        Slot at which the buffers of a level begin.
    stage : int64[1]
        Slot at which words wait that neighbours have handed over.
    keeps, forwarding : bool[levels, 3]
    multicast : int64[levels]
    reduction : bool[levels]
    mac_words, mac_slots : int64[macs, 3]
        Words and slots (rows and columns of inputs left out) of each MAC unit's operands at the
        start of the tiles of the buffers that it reads.
    mac_window : int64[macs, 2]
        Rows and columns of its input within its buffer's tile.
    """

    loop_levels: np.ndarray
    bounds: np.ndarray
    steps: np.ndarray
    sizes: np.ndarray
    tiles: np.ndarray
    tensors: np.ndarray
    instances: np.ndarray
    children: np.ndarray
    columns: np.ndarray
    first: np.ndarray
    offsets: np.ndarray
    parents: np.ndarray
    bases: np.ndarray
    stage: np.ndarray
    keeps: np.ndarray
    forwarding: np.ndarray
    multicast: np.ndarray
    reduction: np.ndarray
    mac_words: np.ndarray
    mac_slots: np.ndarray
    mac_window: np.ndarray


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
    lows : int64[levels + 1, 3, 5]
        Where the box of the first instance lies at the current indices.
    held : int64[levels, 3, 5]
        Where it lay when the buffers were filled.
    heads : int64[levels, 3, 2]
    is_held : bool[levels, 3]
    given : int64[levels, 3, 2, 5]
        Box of what the first instance was given at the last step, of size 0 for nothing.
    box : int64[3, 5]
        What moves now: lowest coordinates for the first instance, extents, lowest coordinates
        for the instance at hand.
    places : int64[2, 13]
    slots : int64[3, words]
        Lists of slots (or words).
    hashes, counts : int64[instances]
        The stream of words that each instance of a level exchanges now: a hash of which words it
        has, and how many.
    alive, is_own : bool[instances]
        Whether the stream of a leaf has not been merged into another's, so far and just now.
    table : int64[places, 2]
        A hash table: key, and the time at which it was entered.
    seen : int64[words]
        When a word was last seen.
    clock : int64[1]
    starts : int64[2, 3]
        Word that the first MAC unit uses now, and how far it lies from the start of the tile.
    accesses, transfers : int64[levels, 3, 3]
    """

    values: np.ndarray
    tags: np.ndarray
    status: np.ndarray
    indices: np.ndarray
    lows: np.ndarray
    held: np.ndarray
    heads: np.ndarray
    is_held: np.ndarray
    given: np.ndarray
    box: np.ndarray
    places: np.ndarray
    slots: np.ndarray
    hashes: np.ndarray
    counts: np.ndarray
    alive: np.ndarray
    is_own: np.ndarray
    table: np.ndarray
    seen: np.ndarray
    clock: np.ndarray
    starts: np.ndarray
    accesses: np.ndarray
    transfers: np.ndarray


@helper
def mixed(word):
    """A hash of a word; sums of them identify streams (but for one chance in about 2^64)."""
    value = (word + 1) * -7046029254386353131
    value ^= value >> 29
    value *= 7664345821815920749
    return value ^ (value >> 32)


@helper
def set_place(nest, state, level, tensor, instance, place):
    """Describe the buffer of an instance in `place`."""
    place[0] = nest.bases[level, tensor] + instance * nest.tiles[level, tensor]
    row = nest.first[level] + instance
    for axis in range(AXES):
        place[LOW + axis] = state.held[level, tensor, axis] + nest.offsets[row, tensor, axis]
        place[SIZE + axis] = nest.sizes[level, tensor, axis]
    place[HEAD] = state.heads[level, tensor, 0]
    place[HEAD + 1] = state.heads[level, tensor, 1]


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
        offset = nest.offsets[nest.first[level] + instance, tensor, axis]
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
def is_first(table, now, key):
    """Whether a key has not been entered since `now`; enters it."""
    mask = table.shape[0] - 1
    i = (key ^ (key >> 32)) & mask
    while table[i, 1] == now:
        if table[i, 0] == key:
            return False
        i = (i + 1) & mask
    table[i, 0], table[i, 1] = key, now
    return True


@helper
def merge_streams(nest, state, network, shares):
    """Turn the streams of the children below a network into those of the instances above it."""
    children = nest.children[network]
    for above in range(nest.instances[network]):
        state.clock[0] += 1
        streams_hash, streams_count = 0, 0
        for i in range(above * children, (above + 1) * children):
            is_own = state.counts[i] > 0
            if is_own and shares and children > 1:
                is_own = is_first(state.table, state.clock[0], state.hashes[i])
            state.is_own[i] = is_own
            if is_own:
                streams_hash += state.hashes[i]
                streams_count += state.counts[i]
        state.hashes[above], state.counts[above] = streams_hash, streams_count


@helper
def unite_streams(nest, state, network, tensor):
    """Like `merge_streams`, where a network carries every distinct word once."""
    children = nest.children[network]
    for above in range(nest.instances[network]):
        state.clock[0] += 1
        union_hash, union_count = 0, 0
        for i in range(above * children, (above + 1) * children):
            if state.counts[i] == 0:
                continue
            for k in range(place_box(nest, state, network + 1, tensor, i)):
                word = state.slots[2, k]
                if state.seen[word] != state.clock[0]:
                    state.seen[word] = state.clock[0]
                    union_hash += mixed(word)
                    union_count += 1
        state.hashes[above], state.counts[above] = union_hash, union_count


@helper
def count_continued(nest, state, network, child):
    """Count the partial sums that pass down the network above `network` to be added to.

    A word that rises through an instance of a bypassed level continues a sum, but for the very
    first time.
    """
    parent = nest.parents[child, OUTPUTS]
    below = nest.instances[child] // nest.instances[network]
    far = nest.instances[child] // nest.instances[parent]
    for i in range(nest.instances[child]):
        if i % below == 0:
            state.clock[0] += 1
        if not state.alive[i]:
            continue
        count = place_box(nest, state, child, OUTPUTS, i)
        set_place(nest, state, parent, OUTPUTS, i // far, state.places[0])
        list_slots(state.places[0], state.box[2], state.box[1], state.slots[0])
        for k in range(count):
            word = state.slots[2, k]
            is_new = state.status[state.slots[0, k]] == EMPTY
            if is_new and state.seen[word] != state.clock[0]:
                state.seen[word] = state.clock[0]
            else:
                state.transfers[network - 1, OUTPUTS, DOWN] += 1


@helper
def climb(nest, state, child, tensor):
    """Take the streams of all children (or MACs) through the networks to their keeper above.

    Returns the words that are left there, and marks in `state.alive` whose streams they are.
    """
    parent, levels = nest.parents[child, tensor], nest.keeps.shape[0]
    direction = UP if tensor == OUTPUTS else DOWN
    for i in range(nest.instances[child]):
        state.alive[i] = True
    for network in range(child - 1, parent - 1, -1):
        for i in range(nest.instances[network + 1]):
            state.transfers[network, tensor, direction] += state.counts[i]
        if tensor == OUTPUTS:
            shares = nest.reduction[network]
        else:
            # MACs read for themselves.
            shares = nest.multicast[network] != NO_MULTICAST and network < levels - 1
        is_union = shares and tensor != OUTPUTS and network == child - 1
        if is_union and nest.multicast[network] == WORD_MULTICAST and nest.children[network] > 1:
            unite_streams(nest, state, network, tensor)
            continue
        merge_streams(nest, state, network, shares)
        if tensor == OUTPUTS:
            below = nest.instances[child] // nest.instances[network + 1]
            for i in range(nest.instances[child]):
                state.alive[i] &= state.is_own[i // below]
            if network > parent and child < levels:
                count_continued(nest, state, network, child)
    left = 0
    for i in range(nest.instances[parent]):
        left += state.counts[i]
    return left


@helper
def find_new_words(nest, state, level, tensor):
    """Put the box of what the first instance lacks at `state.box`; return its words."""
    low, size = state.box[0], state.box[1]
    moved, axis, shift = 0, 0, 0
    for i in range(AXES):
        low[i], size[i] = state.lows[level, tensor, i], nest.sizes[level, tensor, i]
        if low[i] != state.held[level, tensor, i]:
            moved, axis, shift = moved + 1, i, low[i] - state.held[level, tensor, i]
    if state.is_held[level, tensor]:
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
    state.is_held[level, tensor] = True
    for axis in range(AXES):
        state.held[level, tensor, axis] = state.lows[level, tensor, axis]
    if tensor == INPUTS:
        for i in range(2):
            low, size = state.lows[level, tensor, ROW + i], nest.sizes[level, tensor, ROW + i]
            state.heads[level, tensor, i] = low % size


@helper
def serving_neighbour(nest, state, level, tensor, instance):
    """The mesh neighbour that was given at the last step what an instance needs; -1 if none."""
    low, given = state.box[0], state.given[level, tensor]
    for axis in range(AXES):
        if state.box[1, axis] != given[1, axis]:
            return -1
    children, columns = nest.children[level - 1], nest.columns[level - 1]
    x, y = instance % children // columns, instance % columns
    first = nest.first[level]
    for i in range(4):
        move_x, move_y = (i - 1) * (i % 2 == 0), (i - 2) * (i % 2 == 1)
        if not (0 <= x + move_x < children // columns and 0 <= y + move_y < columns):
            continue
        other = instance + move_x * columns + move_y
        is_same = True
        for axis in range(AXES):
            here = low[axis] + nest.offsets[first + instance, tensor, axis]
            there = given[0, axis] + nest.offsets[first + other, tensor, axis]
            is_same = is_same and here == there
        if is_same:
            return other
    return -1


@helper
def set_stage(nest, state, instance, words, place):
    """Describe in `place` where the words at hand wait for an instance."""
    place[0] = nest.stage[0] + instance * words
    place[HEAD], place[HEAD + 1] = 0, 0
    for axis in range(AXES):
        place[LOW + axis], place[SIZE + axis] = state.box[2, axis], state.box[1, axis]


@helper
def take_from_neighbours(nest, state, level, tensor, words):
    """Set aside what neighbours hold, before they lose it; others keep a count of words."""
    source, target = state.places[0], state.places[1]
    for i in range(nest.instances[level]):
        other = serving_neighbour(nest, state, level, tensor, i)
        state.counts[i] = words if other < 0 else 0
        if other < 0:
            continue
        count = place_box(nest, state, level, tensor, i)
        set_place(nest, state, level, tensor, other, source)
        list_slots(source, state.box[2], state.box[1], state.slots[0])
        set_stage(nest, state, i, words, target)
        list_slots(target, state.box[2], state.box[1], state.slots[1])
        copy_words(state, count)
        state.accesses[level, tensor, READS] += count
        state.transfers[level - 1, tensor, FORWARDED] += count


@helper
def fill_operand(nest, state, level, tensor):
    """Bring the tiles of weights or inputs at a level up to the current indices."""
    parent = nest.parents[level, tensor]
    words = find_new_words(nest, state, level, tensor)
    if words:
        forwards = parent == level - 1 and nest.forwarding[parent, tensor]
        if forwards:
            take_from_neighbours(nest, state, level, tensor, words)
        settle(nest, state, level, tensor)
        ratio = nest.instances[level] // nest.instances[parent]
        source, target = state.places[0], state.places[1]
        for i in range(nest.instances[level]):
            count = place_box(nest, state, level, tensor, i)
            if forwards and state.counts[i] == 0:
                set_stage(nest, state, i, words, source)
            else:
                set_place(nest, state, parent, tensor, i // ratio, source)
                state.counts[i] = count
            set_place(nest, state, level, tensor, i, target)
            list_slots(source, state.box[2], state.box[1], state.slots[0])
            list_slots(target, state.box[2], state.box[1], state.slots[1])
            copy_words(state, count)
            state.accesses[level, tensor, FILLS] += count
            stream = 0
            for k in range(count if ratio > 1 else 0):
                stream += mixed(state.slots[2, k])
            state.hashes[i] = stream
        state.accesses[parent, tensor, READS] += climb(nest, state, level, tensor)
    for axis in range(AXES):
        state.given[level, tensor, 0, axis] = state.box[0, axis]
        state.given[level, tensor, 1, axis] = state.box[1, axis]


@helper
def is_leaving(nest, state, level):
    """Whether the tiles of outputs at a level are about to change."""
    for axis in range(AXES):
        if state.lows[level, OUTPUTS, axis] != state.held[level, OUTPUTS, axis]:
            return True
    return False


@helper
def take_whole_tile(nest, state, level):
    """Put the whole tile of outputs that the first instance holds at `state.box`."""
    for axis in range(AXES):
        state.box[0, axis] = state.held[level, OUTPUTS, axis]
        state.box[1, axis] = nest.sizes[level, OUTPUTS, axis]


@helper
def raise_outputs(nest, state, level):
    """Send the partial sums at a level up to the next level that keeps outputs."""
    parent = nest.parents[level, OUTPUTS]
    take_whole_tile(nest, state, level)
    ratio = nest.instances[level] // nest.instances[parent]
    for i in range(nest.instances[level]):
        state.counts[i] = place_box(nest, state, level, OUTPUTS, i)
        stream = 0
        for k in range(state.counts[i] if ratio > 1 else 0):
            stream += mixed(state.slots[2, k])
        state.hashes[i] = stream
    climb(nest, state, level, OUTPUTS)
    sources, targets, words = state.slots[0], state.slots[1], state.slots[2]
    for i in range(nest.instances[level]):
        count = place_box(nest, state, level, OUTPUTS, i)
        set_place(nest, state, level, OUTPUTS, i, state.places[0])
        set_place(nest, state, parent, OUTPUTS, i // ratio, state.places[1])
        list_slots(state.places[0], state.box[2], state.box[1], sources)
        list_slots(state.places[1], state.box[2], state.box[1], targets)
        for k in range(count):
            source, target = sources[k], targets[k]
            if state.tags[source] != words[k] or state.status[source] != HELD:
                raise AssertionError("a buffer does not hold a partial sum that leaves it")
            if state.tags[target] != words[k]:
                raise AssertionError("a buffer has no room for a partial sum that comes to it")
            update(state, parent, target, state.values[source], state.alive[i])


@helper
def update(state, level, slot, value, is_access):
    """Add to a partial sum in a buffer; a value that was added on its way is no access."""
    if state.status[slot] == HELD:
        state.values[slot] += value
        state.accesses[level, OUTPUTS, READS] += is_access
    else:
        # A sum that was sent down has been read then.
        state.values[slot] = value
        state.status[slot] = HELD
    state.accesses[level, OUTPUTS, UPDATES] += is_access


@helper
def return_outputs(nest, state, level):
    """Make room for new tiles of outputs at a level; what was accumulated before comes back.

    A sum that returns to several children is read once and fills all of them. As each
    accumulates for itself, the first one goes on from its value and the others from zero.
    """
    parent = nest.parents[level, OUTPUTS]
    settle(nest, state, level, OUTPUTS)
    take_whole_tile(nest, state, level)
    ratio = nest.instances[level] // nest.instances[parent]
    for i in range(nest.instances[level]):
        count = place_box(nest, state, level, OUTPUTS, i)
        set_place(nest, state, parent, OUTPUTS, i // ratio, state.places[0])
        set_place(nest, state, level, OUTPUTS, i, state.places[1])
        list_slots(state.places[0], state.box[2], state.box[1], state.slots[0])
        list_slots(state.places[1], state.box[2], state.box[1], state.slots[1])
        copy_words(state, count)
        for k in range(count):
            source, target = state.slots[0, k], state.slots[1, k]
            status = state.status[source]
            state.status[target] = EMPTY if status == EMPTY else HELD
            if status == HELD:
                state.accesses[parent, OUTPUTS, READS] += 1
                state.status[source] = AWAY
                state.values[source] = 0
            state.accesses[level, OUTPUTS, FILLS] += status != EMPTY
            state.transfers[level - 1, OUTPUTS, DOWN] += status != EMPTY


@helper
def count_operands(nest, state, tensor, start):
    """Streams from (or, of outputs, to) the MACs at one step; `start` is their first word."""
    levels = nest.keeps.shape[0]
    macs, parent = nest.instances[levels], nest.parents[levels, tensor]
    left = macs
    if macs > nest.instances[parent] and (tensor == OUTPUTS or parent < levels - 1):
        for i in range(macs):
            state.counts[i] = 1
            state.hashes[i] = mixed(start + nest.mac_words[i, tensor])
        left = climb(nest, state, levels, tensor)
    else:
        # No network on the way has more than one taker for anything.
        for network in range(parent, levels):
            state.transfers[network, tensor, UP if tensor == OUTPUTS else DOWN] += macs
        for i in range(macs):
            state.alive[i] = True
    if tensor != OUTPUTS:
        state.accesses[parent, tensor, READS] += left


@helper
def slot_offset(nest, state, tensor):
    """How far the MACs' operands lie from the start of the tiles that they are read from."""
    levels = nest.keeps.shape[0]
    keeper, offset = nest.parents[levels, tensor], 0
    for axis in range(AXES):
        shift = state.lows[levels, tensor, axis] - state.held[keeper, tensor, axis]
        if tensor == INPUTS and axis >= ROW:
            shift = 0
        offset = offset * nest.sizes[keeper, tensor, axis] + shift
    return offset


@helper
def multiply(nest, state):
    """Perform one MAC in every unit."""
    levels = nest.keeps.shape[0]
    starts, offsets = state.starts[0], state.starts[1]
    for tensor in range(3):
        offsets[tensor] = slot_offset(nest, state, tensor)
        starts[tensor] = 0
        for axis in range(AXES):
            extent, low = nest.sizes[0, tensor, axis], state.lows[levels, tensor, axis]
            starts[tensor] = starts[tensor] * extent + low
        count_operands(nest, state, tensor, starts[tensor])
    keeper = nest.parents[levels, INPUTS]
    rows, columns = nest.sizes[keeper, INPUTS, ROW], nest.sizes[keeper, INPUTS, COLUMN]
    first_row = state.heads[keeper, INPUTS, 0] - state.held[keeper, INPUTS, ROW]
    first_row += state.lows[levels, INPUTS, ROW]
    first_column = state.heads[keeper, INPUTS, 1] - state.held[keeper, INPUTS, COLUMN]
    first_column += state.lows[levels, INPUTS, COLUMN]
    faults = 0
    for i in range(nest.instances[levels]):
        row, column = nest.mac_window[i, 0] + first_row, nest.mac_window[i, 1] + first_column
        row, column = row - rows * (row >= rows), column - columns * (column >= columns)
        weight = nest.mac_slots[i, WEIGHTS] + offsets[WEIGHTS]
        pixel = nest.mac_slots[i, INPUTS] + offsets[INPUTS] + row * columns + column
        total = nest.mac_slots[i, OUTPUTS] + offsets[OUTPUTS]
        faults += state.tags[weight] != starts[WEIGHTS] + nest.mac_words[i, WEIGHTS]
        faults += state.tags[pixel] != starts[INPUTS] + nest.mac_words[i, INPUTS]
        faults += state.tags[total] != starts[OUTPUTS] + nest.mac_words[i, OUTPUTS]
        product = state.values[weight] * state.values[pixel]
        update(state, nest.parents[levels, OUTPUTS], total, product, state.alive[i])
    if faults:
        raise AssertionError("a buffer does not hold an operand of a MAC")


@helper
def advance(nest, state):
    """Go to the next iteration of the nest.

    Returns the level of the outermost loop that moved, the number of levels at the end.
    """
    levels = nest.keeps.shape[0]
    for i in range(nest.bounds.shape[0] - 1, -1, -1):
        state.indices[i] += 1
        is_reset = state.indices[i] == nest.bounds[i]
        times = 1
        if is_reset:
            state.indices[i], times = 0, 1 - nest.bounds[i]
        for level in range(nest.loop_levels[i] + 1, levels + 1):
            for tensor in range(3):
                for axis in range(AXES):
                    state.lows[level, tensor, axis] += times * nest.steps[i, tensor, axis]
        if not is_reset:
            return nest.loop_levels[i]
    return levels


@njit(cache=True, nogil=True, error_model="numpy")
def replay_nest(nest, state):
    """Execute a nest from its first to its last iteration.

    Parameters
    ----------
    nest : Nest
    state : State
        The outermost level holds weights and inputs, all else is empty. Afterwards the outermost
        level holds the outputs, and `accesses` and `transfers` what was counted.

    Returns
    -------
    int64
        Iterations: steps of the computation.
    """
    levels = nest.keeps.shape[0]
    iterations, moved = 0, 0
    while moved < levels:
        for level in range(moved + 1, levels):
            for tensor in (WEIGHTS, INPUTS):
                if nest.keeps[level, tensor]:
                    fill_operand(nest, state, level, tensor)
            if nest.keeps[level, OUTPUTS]:
                is_new = not state.is_held[level, OUTPUTS]
                if is_new or is_leaving(nest, state, level):
                    return_outputs(nest, state, level)
        multiply(nest, state)
        iterations += 1
        moved = advance(nest, state)
        is_end = moved == levels
        for level in range(levels - 1, 0 if is_end else moved, -1):
            if nest.keeps[level, OUTPUTS] and (is_end or is_leaving(nest, state, level)):
                raise_outputs(nest, state, level)
    return iterations
