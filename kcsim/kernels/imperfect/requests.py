"""What children ask for along sliding windows, where tiles may be short and children idle.

See `kcsim.kernels.imperfect.rounds` for events and classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import int64

from kcsim.kernels.imperfect.rounds import list_classes, previous_index, tile_extent
from kcsim.kernels.layout import TEMPORAL, P, record
from kcsim.kernels.nest import allocating

WHOLE, NEW = 0, 1
"""What a child asks for: its whole tile, or what its window has not covered so far."""
VIEW = record(low=int64, size=int64, new_low=int64, new_size=int64, moved=int64)
"""What a child sees along a window axis, in words.

low, size
    Lowest place and extent of its tile; no extent if the child is idle.
new_low, new_size
    Of the part of it that the window had not covered before.
moved
    Whether the tile moved or grew.
"""
AREA = record(row=int64, column=int64, rows=int64, columns=int64)
"""A part of an image: its first row and column, and how many there are."""


@allocating
def look(walk, window, axis, output, kernel, view):
    """What a child that begins at two indices sees along a window axis.

    Parameters
    ----------
    axis : int64
        0 for rows, 1 for columns.
    output, kernel : int64
        Indices of P and R, or of Q and S.
    view : VIEW
        Filled.
    """
    stride, dilation = window[axis].stride, window[axis].dilation
    outputs, taps = tile_extent(walk, P + axis, output), tile_extent(walk, P + 2 + axis, kernel)
    low, size = stride * output + dilation * kernel, 0
    if outputs > 0 and taps > 0:
        size = stride * (outputs - 1) + dilation * (taps - 1) + 1
    view.low, view.size = low, size
    view.new_low, view.new_size, view.moved = low, size, True
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
        view.moved = low > old_low or low + size > old_end
        view.new_low = max(low, old_end)
        view.new_size = max(0, low + size - view.new_low)


@allocating
def request(rows, columns, which, box):
    """Fill the box that a child asks for by its views of rows and of columns; returns its words.

    A window that moved along one axis asks for what is new to it; one that moved along both
    asks for its whole tile.
    """
    box.row, box.rows = rows.low, rows.size
    box.column, box.columns = columns.low, columns.size
    if which == NEW and not (rows.moved and columns.moved):
        if rows.moved:
            box.row, box.rows = rows.new_low, rows.new_size
        elif columns.moved:
            box.column, box.columns = columns.new_low, columns.new_size
        else:
            box.rows = 0
    return box.rows * box.columns


class Requests(NamedTuple):
    """What the children at all places of the window axes ask for at one event.

    Attributes
    ----------
    offsets : int64[children, 4]
        Indices of P, Q, R, S at which each child begins; siblings are neighbors.
    siblings : int64[levels]
        Children below each network, counted along the window axes.
    meet : bool[levels]
        Whether two children below a network may ask for the same.
    boxes : AREA[children]
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


@allocating
def new_requests(walk, levels):
    """Requests of the children above a level along the window axes."""
    siblings, spread = np.ones(levels, np.int64), np.ones((levels, 8), np.int64)
    count = 1
    for i in range(walk.above):
        if walk.loops[i].kind != TEMPORAL and walk.loops[i].dimension >= P:
            siblings[walk.loops[i].level] *= walk.loops[i].bound
            spread[walk.loops[i].level, walk.loops[i].dimension] *= walk.loops[i].bound
            count *= walk.loops[i].bound
    meet = np.zeros(levels, np.bool_)
    for level in range(levels):
        for axis in range(2):
            meet[level] |= min(spread[level, P + axis], spread[level, P + 2 + axis]) > 1
    offsets = np.zeros((count, 4), np.int64)
    for child in range(count):
        rest = child
        for i in range(walk.above - 1, -1, -1):
            if walk.loops[i].kind != TEMPORAL and walk.loops[i].dimension >= P:
                place = rest % walk.loops[i].bound
                offsets[child, walk.loops[i].dimension - P] += place * walk.steps[i].step
                rest //= walk.loops[i].bound
    return Requests(
        offsets, siblings, meet, np.zeros(count, AREA), np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )  # fmt: skip


@allocating
def mixed(a, b):
    """A hash of two integers."""
    value = (a + 1) * -7046029254386353131 + (b + 1) * 7664345821815920749
    value ^= (value >> 29) & 0x7FFFFFFFF
    value *= -4658895280553007687
    return value ^ ((value >> 32) & 0xFFFFFFFF)


@allocating
def distinct_words(boxes, first, last, seen):
    """Words in the union of some boxes, and a key for it.

    `seen` (bool[rows, columns]) is False everywhere and is left so.
    """
    words, key = 0, 0
    for clears in range(2):
        for i in range(first, last):
            box = boxes[i]
            for row in range(box.row, box.row + box.rows):
                for column in range(box.column, box.column + box.columns):
                    if clears == 0 and not seen[row, column]:
                        words += 1
                        key += mixed(row, column)
                    seen[row, column] = clears == 0
    return words, key


@allocating
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


@allocating
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


@allocating
def window_words(walk, window, parent, child, shares, by_word, requests, seen, classes, sums):
    """Input words along the window axes that children ask for at an event.

    Parameters
    ----------
    classes : CLASS[4, :]
    sums : int64[2, levels + 1]
        Filled: ``WHOLE`` tiles or ``NEW`` parts only, words that arrive at each level from the
        parent (what it reads) to the child.
    """
    counts = np.empty(4, np.int64)
    for i in range(4):
        counts[i] = list_classes(walk, P + i, classes[i])
    views = np.empty(2, VIEW)
    for combination in range(counts[0] * counts[1] * counts[2] * counts[3]):
        times, rest = 1, combination
        base = np.empty(4, np.int64)
        for i in range(4):
            chosen = classes[i, rest % counts[i]]
            base[i] = chosen.base
            times *= chosen.times
            rest //= counts[i]
        for which in range(2):
            for i in range(requests.words.shape[0]):
                at = requests.offsets[i]
                look(walk, window, 0, base[0] + at[0], base[2] + at[2], views[0])
                look(walk, window, 1, base[1] + at[1], base[3] + at[3], views[1])
                box = requests.boxes[i]
                requests.words[i] = request(views[0], views[1], which, box)
                requests.key[i] = mixed(mixed(box.row, box.column), mixed(box.rows, box.columns))
            climb(requests, parent, child, shares, by_word, seen, times, sums[which])
