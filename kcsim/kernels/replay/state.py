"""What a replay knows and changes: which buffer holds what, and what an instance lacks."""

from __future__ import annotations

from kcsim.kernels.count.padding import has_padding
from kcsim.kernels.layout import INPUTS
from kcsim.kernels.nest import helper
from kcsim.kernels.replay.records import AXES, COLUMN, ROW


@helper
def list_slots(place, box, slots):
    """List the slots of a buffer in which the words of a box belong; return how many."""
    low, size, held, room = box.low, box.size, place.low, place.room
    for axis in range(AXES):
        start = low[axis] - held[axis]
        if start < 0 or start + size[axis] > place.size[axis]:
            raise AssertionError("a tile is not part of the tile that it is taken from")
    rows, columns = room[ROW], room[COLUMN]
    first_row = low[ROW] - held[ROW] + place.head[0]
    first_column = low[COLUMN] - held[COLUMN] + place.head[1]
    count = 0
    for a in range(low[0] - held[0], low[0] - held[0] + size[0]):
        for b in range(low[1] - held[1], low[1] - held[1] + size[1]):
            for c in range(low[2] - held[2], low[2] - held[2] + size[2]):
                plane = place.base + ((a * room[1] + b) * room[2] + c) * rows * columns
                for row in range(first_row, first_row + size[ROW]):
                    line = plane + (row - rows if row >= rows else row) * columns
                    for column in range(first_column, first_column + size[COLUMN]):
                        slots[count] = line + (column - columns if column >= columns else column)
                        count += 1
    return count


@helper
def list_words(nest, state, level, tensor, instance):
    """List the words that an instance exchanges now; return how many."""
    if level == nest.rules.shape[0]:
        state.words[0] = state.streams[instance].word
        return 1
    return list_slots(nest.tensors[tensor], state.tiles[instance].moved, state.words)


@helper
def copy_words(state, count):
    """Copy listed words from the listed sources to the targets; check that they are there."""
    sources, targets, words = state.sources, state.targets, state.words
    values, tags = state.values, state.tags
    for k in range(count):
        if tags[sources[k]] != words[k]:
            raise AssertionError("a buffer does not hold a word that is read from it")
        values[targets[k]] = values[sources[k]]
        tags[targets[k]] = words[k]


@helper
def has_moved(nest, state, level, tensor):
    """Whether a level that keeps a tensor has moved, as far as it matters; note where it is."""
    now, seen, moved = state.progress[level].now, state.progress[level].seen[tensor], 0
    for d in range(8):
        moved += nest.dimensions[d].moves[tensor] and seen[d] != now[d]
        seen[d] = now[d]
    return moved and nest.rules[level].keeps[tensor]


@helper
def set_tile(nest, state, level, tensor, row, box):
    """Fill the box of the tile of an instance, by its row."""
    start, offset = state.progress[level].seen[tensor], nest.offsets[row]
    extent, dimensions = nest.levels[level].extent, nest.dimensions
    for i in range(AXES):
        dimension, step = nest.axes[tensor, i].dimension, nest.axes[tensor, i].step
        one, other = dimension[0], dimension[1]
        one_start, other_start = start[one] + offset[one], start[other] + offset[other]
        one_size = min(extent[one], dimensions[one].size - one_start)
        other_size = min(extent[other], dimensions[other].size - other_start)
        box.low[i] = step[0] * one_start + step[1] * other_start
        box.size[i] = step[0] * (one_size - 1) + step[1] * (other_size - 1) + 1


@helper
def box_words(box):
    """Words of a box."""
    return box.size[0] * box.size[1] * box.size[2] * box.size[3] * box.size[4]


@helper
def repeats_move(buffer, whole):
    """Whether a tile that moves does so by as much as the last time; note by how much."""
    moves, differences, last, held = 0, 0, buffer.move, buffer.place
    is_first, is_free = held.size[0] == 0, True
    for i in range(AXES):
        move = whole.low[i] - held.low[i]
        moves += move != 0
        differences += move != last[i]
        is_free = is_free and last[i] == 0
    if is_first or moves == 0:
        return True
    for i in range(AXES):
        # After a move of another length any may follow.
        kept = whole.low[i] - held.low[i]
        last[i] = kept if is_free or differences == 0 else 0
    return is_free or differences == 0


@helper
def set_new_words(tensor, buffer, tile, repeated):
    """Fill the box of what a tile has and the buffer lacks; return its words.

    A window that moves forward or grows along one axis lacks what it did not cover before.
    """
    whole, moved, held = tile.whole, tile.moved, buffer.place
    moves, axis, is_ahead = 0, 0, False
    slides = repeats_move(buffer, whole) if repeated else True
    for i in range(AXES):
        moved.low[i], moved.size[i] = whole.low[i], whole.size[i]
        move = whole.low[i] - held.low[i]
        if move != 0 or whole.size[i] > held.size[i]:
            moves, axis, is_ahead = moves + 1, i, move >= 0
    if moves == 0:
        moved.size[0] = 0
    elif slides and tensor == INPUTS and moves == 1 and axis >= ROW and is_ahead:
        covered = max(held.low[axis] + held.size[axis] - whole.low[axis], 0)
        covered = min(covered, whole.size[axis])
        moved.low[axis] += covered
        moved.size[axis] -= covered
    return box_words(moved)


@helper
def find_new_words(nest, state, level, tensor):
    """Find the tiles of the instances of a level, and what they lack; return how many words."""
    first, repeated, words = nest.levels[level].first, nest.rules[level].repeated, 0
    streams, active, tiles, buffers = state.streams, state.active, state.tiles, state.buffers
    for i in range(nest.levels[level].instances):
        streams[i].count, streams[i].asks = 0, False
        if active[first + i]:
            set_tile(nest, state, level, tensor, first + i, tiles[i].whole)
            streams[i].count = set_new_words(tensor, buffers[first + i, tensor], tiles[i], repeated)
            streams[i].asks = streams[i].count > 0
            words += streams[i].count
    return words


@helper
def hold(place, box, is_ring, first):
    """Note that a buffer now holds a whole tile.

    Rings are turned by where the first instance is, which all others keep their distance to.
    """
    for i in range(AXES):
        place.low[i], place.size[i] = box.low[i], box.size[i]
    if is_ring:
        for i in range(2):
            place.head[i] = first.low[ROW + i] % place.room[ROW + i]


@helper
def note_activity(nest, state, outermost):
    """Find out which instances have something to do now, from a level downwards."""
    dimensions, active = nest.dimensions, state.active
    for level in range(outermost, nest.levels.shape[0]):
        span, progress = nest.levels[level], state.progress[level]
        now, was_short, is_short = progress.now, progress.is_short, False
        for d in range(8):
            is_short = is_short or now[d] + span.reach[d] + span.extent[d] > dimensions[d].size
        progress.is_short = is_short
        progress.step += 1
        last = span.first + (span.instances if is_short or was_short else 0)
        for row in range(span.first, last):
            active[row] = True
        for d in range(8):
            if now[d] + span.reach[d] >= dimensions[d].size:
                for row in range(span.first, last):
                    active[row] &= now[d] + nest.offsets[row, d] < dimensions[d].size


@helper
def is_in_image(rule, whole, word):
    """Whether a word of inputs is none of the padding that stays away from a level."""
    padding, row, column = rule.padding, word // whole.size[COLUMN], word % whole.size[COLUMN]
    row %= whole.size[ROW]
    return (
        padding[0, 0] <= row < whole.size[ROW] - padding[0, 1]
        and padding[1, 0] <= column < whole.size[COLUMN] - padding[1, 1]
    )


@helper
def words_moved(nest, state, level, tensor, count):
    """How many of some listed words are moved to a level."""
    if tensor != INPUTS or not has_padding(nest.rules[level]):
        return count
    found = 0
    for k in range(count):
        found += is_in_image(nest.rules[level], nest.tensors[tensor], state.words[k])
    return found
