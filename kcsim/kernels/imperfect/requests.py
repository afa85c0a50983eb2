"""What children ask for along sliding windows, where tiles may be short and children idle.

See `kcsim.kernels.imperfect.rounds` for events and classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.imperfect.rounds import BASE, TIMES, list_classes, previous_index, tile_extent
from kcsim.kernels.nest import (
    BOUND,
    DILATION_H,
    DIMENSION,
    KIND,
    LEVEL,
    STEP,
    STRIDE_H,
    TEMPORAL,
    P,
    helper,
)

WHOLE, NEW = 0, 1
"""What a child asks for: its whole tile, or what its window has not covered so far."""
FULL_LOW, FULL_SIZE, NEW_LOW, NEW_SIZE, MOVED = range(5)
"""Columns of views."""


@helper
def look(walk, window, axis, output, kernel, view):
    """What a child that begins at two indices sees along a window axis.

    Parameters
    ----------
    axis : int64
        0 for rows, 1 for columns.
    output, kernel : int64
        Indices of P and R, or of Q and S.
    view : int64[5]
        Filled: lowest place and extent of the tile and of the part of it that the window had
        not covered before; whether the tile moved or grew. No extent if the child is idle.
    """
    stride, dilation = window[STRIDE_H + axis], window[DILATION_H + axis]
    outputs, taps = tile_extent(walk, P + axis, output), tile_extent(walk, P + 2 + axis, kernel)
    low, size = stride * output + dilation * kernel, 0
    if outputs > 0 and taps > 0:
        size = stride * (outputs - 1) + dilation * (taps - 1) + 1
    view[FULL_LOW], view[FULL_SIZE] = low, size
    view[NEW_LOW], view[NEW_SIZE], view[MOVED] = low, size, True
    if size == 0 or walk.event < 0 or walk.event == walk.above:
        return
    before, tap_before = (
        previous_index(walk, P + axis, output),
        previous_index(walk, P + 2 + axis, kernel),
    )
    old_low = stride * before + dilation * tap_before
    old_end = old_low + stride * (tile_extent(walk, P + axis, before) - 1)
    old_end += dilation * (tile_extent(walk, P + 2 + axis, tap_before) - 1) + 1
    if low >= old_low:
        view[MOVED] = low > old_low or low + size > old_end
        view[NEW_LOW] = max(low, old_end)
        view[NEW_SIZE] = max(0, low + size - view[NEW_LOW])


@helper
def request(view_rows, view_columns, which, box):
    """The box that a child asks for: low row, low column, rows, columns.

    A window that moved along one axis asks for what is new to it; one that moved along both
    asks for its whole tile.
    """
    box[0], box[2] = view_rows[FULL_LOW], view_rows[FULL_SIZE]
    box[1], box[3] = view_columns[FULL_LOW], view_columns[FULL_SIZE]
    if which == NEW and not (view_rows[MOVED] and view_columns[MOVED]):
        if view_rows[MOVED]:
            box[0], box[2] = view_rows[NEW_LOW], view_rows[NEW_SIZE]
        elif view_columns[MOVED]:
            box[1], box[3] = view_columns[NEW_LOW], view_columns[NEW_SIZE]
        else:
            box[2] = 0
    return box[2] * box[3]


class Requests(NamedTuple):
    """What the children at all places of the window axes ask for at one event.

    Attributes
    ----------
    offsets : int64[children, 4]
        Indices of P, Q, R, S at which each child begins; siblings are neighbours.
    siblings : int64[levels]
        Children below each network, counted along the window axes.
    meet : bool[levels]
        Whether two children below a network may ask for the same.
    boxes : int64[children, 4]
        Low row, low column, rows, columns.
    words : int64[children]
        Words asked for; moves up from network to network.
    key : int64[children]
        Equal for equal requests (but for one chance in about 2^64).
    """

    offsets: np.ndarray
    siblings: np.ndarray
    meet: np.ndarray
    boxes: np.ndarray
    words: np.ndarray
    key: np.ndarray


@helper
def new_requests(walk, levels):
    """Requests of the children above a level along the window axes."""
    siblings, spread = np.ones(levels, np.int64), np.ones((levels, 8), np.int64)
    count = 1
    for i in range(walk.above):
        if walk.loops[i, KIND] != TEMPORAL and walk.loops[i, DIMENSION] >= P:
            siblings[walk.loops[i, LEVEL]] *= walk.loops[i, BOUND]
            spread[walk.loops[i, LEVEL], walk.loops[i, DIMENSION]] *= walk.loops[i, BOUND]
            count *= walk.loops[i, BOUND]
    meet = np.zeros(levels, np.bool_)
    for level in range(levels):
        for axis in range(2):
            meet[level] |= min(spread[level, P + axis], spread[level, P + 2 + axis]) > 1
    offsets = np.zeros((count, 4), np.int64)
    for child in range(count):
        rest = child
        for i in range(walk.above - 1, -1, -1):
            if walk.loops[i, KIND] != TEMPORAL and walk.loops[i, DIMENSION] >= P:
                place = rest % walk.loops[i, BOUND]
                offsets[child, walk.loops[i, DIMENSION] - P] += place * walk.steps[i, STEP]
                rest //= walk.loops[i, BOUND]
    return Requests(
        offsets, siblings, meet, np.zeros((count, 4), np.int64), np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )  # fmt: skip


@helper
def mixed(a, b):
    """A hash of two integers."""
    value = (a + 1) * -7046029254386353131 + (b + 1) * 7664345821815920749
    value ^= (value >> 29) & 0x7FFFFFFFF
    value *= -4658895280553007687
    return value ^ ((value >> 32) & 0xFFFFFFFF)


@helper
def distinct_words(boxes, first, last, seen):
    """Words in the union of some boxes, and a key for it.

    `seen` (bool[rows, columns]) is False everywhere and is left so.
    """
    words, key = 0, 0
    for clears in range(2):
        for i in range(first, last):
            for row in range(boxes[i, 0], boxes[i, 0] + boxes[i, 2]):
                for column in range(boxes[i, 1], boxes[i, 1] + boxes[i, 3]):
                    if clears == 0 and not seen[row, column]:
                        words += 1
                        key += mixed(row, column)
                    seen[row, column] = clears == 0
    return words, key


@helper
def merge_requests(requests, network, first, last, shares):
    """Words and key of what siblings ask for together.

    Siblings that ask for the same words, if not equally often, share the largest request.
    """
    words, key = 0, 0
    for i in range(first, last):
        is_own, is_new = requests.words[i] > 0, True
        for j in range(first, last if requests.meet[network] else first):
            if j != i and requests.words[j] > 0 and requests.key[j] == requests.key[i]:
                is_new = is_new and j > i
                more = requests.words[j] - requests.words[i]
                is_own = is_own and not (shares and (more > 0 or (more == 0 and j < i)))
        if is_own:
            words += requests.words[i]
        if is_new and requests.words[i] > 0:
            key += requests.key[i]
    return words, key


@helper
def climb(requests, parent, child, shares, by_word, seen, times, sums):
    """Take requests from the children up to the level that answers them; see `window_words`."""
    count = requests.words.shape[0]
    for i in range(count):
        sums[child] += times * requests.words[i]
    for network in range(child - 1, parent - 1, -1):
        siblings = requests.siblings[network]
        count //= siblings
        for i in range(count):
            first, last = i * siblings, (i + 1) * siblings
            if by_word and network == child - 1:
                words, key = distinct_words(requests.boxes, first, last, seen)
            else:
                words, key = merge_requests(requests, network, first, last, shares[network])
            requests.words[i], requests.key[i] = words, key
            sums[network] += times * words


@helper
def window_words(walk, window, parent, child, shares, by_word, requests, seen, classes, sums):
    """Input words along the window axes that children ask for at an event.

    Parameters
    ----------
    classes : int64[4, :, 2]
    sums : int64[2, levels + 1]
        Filled: ``WHOLE`` tiles or ``NEW`` parts only, words that arrive at each level from the
        parent (what it reads) to the child.
    """
    counts = np.empty(4, np.int64)
    for i in range(4):
        counts[i] = list_classes(walk, P + i, classes[i])
    views = np.empty((2, 5), np.int64)
    for combination in range(counts[0] * counts[1] * counts[2] * counts[3]):
        times, rest = 1, combination
        base = np.empty(4, np.int64)
        for i in range(4):
            chosen = classes[i, rest % counts[i]]
            base[i] = chosen[BASE]
            times *= chosen[TIMES]
            rest //= counts[i]
        for which in range(2):
            for i in range(requests.words.shape[0]):
                at = requests.offsets[i]
                look(walk, window, 0, base[0] + at[0], base[2] + at[2], views[0])
                look(walk, window, 1, base[1] + at[1], base[3] + at[3], views[1])
                box = requests.boxes[i]
                requests.words[i] = request(views[0], views[1], which, box)
                requests.key[i] = mixed(mixed(box[0], box[1]), mixed(box[2], box[3]))
            climb(requests, parent, child, shares, by_word, seen, times, sums[which])
