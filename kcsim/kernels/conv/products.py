"""Convolution that shares products: every block of inputs meets every distinct entry once.

The products are rows of maps; filters gather them by index and add them up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.conv.planes import (
    add_up,
    aligned,
    helper,
    kept_words,
    multiply,
    needed_words,
    put,
    whole_spans,
)
from kcsim.kernels.conv.vectors import SPAN, load, plus, store, times, word


class Products(NamedTuple):
    """Distinct products of every block of inputs, and who gathers them.

    Blocks are ordered by group. Weights of a block are taken four rows at a time, tap by tap;
    those that are left over, row by row.

    Attributes
    ----------
    taps : int64[T]
        Distance of each tap of a unit from its first.
    origin : int64[blocks]
        Word of the image that the first product of a block at output 0 meets.
    tap_count, row_count : int64[blocks]
        Taps of a unit; distinct entries.
    reach : int64[blocks, 2]
        Output rows and columns that are needed beyond those of the map.
    weights_at : int64[blocks]
    weights : array of words
    boxes : int
        1 if each block has a row of sums of its inputs, for offsets; else 0.
    chunk : int64[chunks + 1]
        First block of each chunk, whose products are held at once.
    group : int64[groups + 1]
        First chunk of each group.
    reads_at, read_count : int64[chunks]
        Where the reads of a chunk start, and how many each filter has.
    reads : int32[all reads]
        Words of the products of a chunk, filter by filter.
    scales : array of words, [all reads] or [0]
    """

    taps: np.ndarray
    origin: np.ndarray
    tap_count: np.ndarray
    row_count: np.ndarray
    reach: np.ndarray
    weights_at: np.ndarray
    weights: np.ndarray
    boxes: int
    chunk: np.ndarray
    group: np.ndarray
    reads_at: np.ndarray
    read_count: np.ndarray
    reads: np.ndarray
    scales: np.ndarray


@helper
def gather(rows, reads, at, count, sums, height, pitch, length):
    """Add `count` rows to the sums of each filter, which are `pitch` words apart.

    Two filters at a time hide each other's latency.
    """
    pairs = height // 2 * 2
    twos = length // (2 * SPAN) * 2 * SPAN
    for m in range(0, pairs, 2):
        first, to = at + m * count, m * pitch
        for p in range(0, twos, 2 * SPAN):
            a, b = load(sums, to + p), load(sums, to + pitch + p)
            c, d = load(sums, to + p + SPAN), load(sums, to + pitch + p + SPAN)
            for i in range(first, first + count):
                j, k = word(reads, i) + p, word(reads, i + count) + p
                a = plus(a, load(rows, j))
                c = plus(c, load(rows, j + SPAN))
                b = plus(b, load(rows, k))
                d = plus(d, load(rows, k + SPAN))
            store(sums, to + p, a)
            store(sums, to + pitch + p, b)
            store(sums, to + p + SPAN, c)
            store(sums, to + pitch + p + SPAN, d)
        for p in range(twos, length, SPAN):
            a, b = load(sums, to + p), load(sums, to + pitch + p)
            for i in range(first, first + count):
                a = plus(a, load(rows, word(reads, i) + p))
                b = plus(b, load(rows, word(reads, i + count) + p))
            store(sums, to + p, a)
            store(sums, to + pitch + p, b)
    if pairs < height:
        first, to = at + pairs * count, pairs * pitch
        for p in range(0, length, SPAN):
            a = load(sums, to + p)
            for i in range(first, first + count):
                a = plus(a, load(rows, word(reads, i) + p))
            store(sums, to + p, a)


@helper
def gather_scaled(rows, reads, scales, at, count, sums, height, pitch, length):
    """As `gather`, with a factor for each row."""
    for m in range(height):
        first = at + m * count
        for p in range(0, length, SPAN):
            a = load(sums, m * pitch + p)
            for i in range(first, first + count):
                a = plus(a, times(load(rows, word(reads, i) + p), word(scales, i)))
            store(sums, m * pitch + p, a)


@helper
def fill_rows(x, start, work, first, last, rows, row_length, length, words, lines, planes):
    """The products of blocks `first` to `last`; returns the multiplies and adds they took."""
    to, multiplies, adds = 0, 0, 0
    for block in range(first, last):
        count, height = work.tap_count[block], work.row_count[block]
        origin = work.origin[block] + start
        multiply(
            x, origin, work.taps, count, work.weights, work.weights_at[block], height,
            rows, to, row_length, length,
        )  # fmt: skip
        to += height * row_length
        needed = needed_words(words, lines, work.reach[block], planes)
        multiplies += height * count * needed
        adds += height * (count - 1) * needed
        if work.boxes:
            add_up(x, origin, work.taps, count, rows, to, length)
            to += row_length
            adds += (count - 1) * needed
    return multiplies, adds


@kernel
def share_products(images, work, bias, planes, tiles, outputs, first, last):
    """Convolve tiles `first` to `last` of all images.

    Parameters
    ----------
    images : word[N, words]
    bias : word[M]
    outputs : word[N, M, P, Q]

    Returns
    -------
    multiplies, adds : int
    """
    height = outputs.shape[1] // (len(work.group) - 1)
    most = 0
    for c in range(len(work.chunk) - 1):
        rows_of = work.row_count[work.chunk[c] : work.chunk[c + 1]]
        most = max(most, rows_of.sum() + work.boxes * len(rows_of))
    rows = aligned(most * tiles.row_length, images)
    # The last span that is read may begin before the end of the sums and end behind it.
    sums = aligned(height * tiles.length + SPAN, images)
    flat = outputs.reshape(-1)
    map_words = outputs.shape[2] * outputs.shape[3]
    scaled = len(work.scales) > 0
    multiplies, adds = 0, 0
    for task in range(first, last):
        image, tile = task // (len(tiles.first) - 1), task % (len(tiles.first) - 1)
        start, end = tiles.first[tile], tiles.first[tile + 1]
        words, lines = kept_words(planes, start, end)
        length = whole_spans(end - start)
        row_length = length + tiles.row_length - tiles.length
        for g in range(len(work.group) - 1):
            sums[:] = 0
            for c in range(work.group[g], work.group[g + 1]):
                done = fill_rows(
                    images[image], start, work, work.chunk[c], work.chunk[c + 1],
                    rows, tiles.row_length, row_length, words, lines, planes,
                )  # fmt: skip
                count = work.read_count[c]
                at, pitch = work.reads_at[c], tiles.length
                if scaled:
                    gather_scaled(
                        rows, work.reads, work.scales, at, count, sums, height, pitch, length
                    )
                else:
                    gather(rows, work.reads, at, count, sums, height, pitch, length)
                multiplies += done[0] + scaled * height * count * words
                adds += done[1] + height * count * words
            for m in range(height):
                channel = g * height + m
                to = (image * outputs.shape[1] + channel) * map_words
                put(sums, m * tiles.length, bias[channel], flat, to, planes, start, end)
    return multiplies, adds
