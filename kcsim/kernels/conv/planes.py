"""Images as planes that taps read in order, sums of taps over them, and the dense convolution.

For each channel, an image has one plane for every pair of remainders that a stride leaves of
padded rows and columns. Each tap then reads consecutive words of one plane for consecutive
outputs, whatever stride and dilation are, and a map of outputs is one long vector. Its lines are
as long as those of a plane; what falls behind the last output column is computed and left out.

Counts of multiplies and adds are kept where the work is done, for the positions that are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from kcsim.kernels.compilation import kernel
from kcsim.kernels.conv.vectors import SPAN, load, plus, plus_word, store, store_some, times, word

LINE_BYTES = 64
SHORT = 16

helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Planes(NamedTuple):
    """Where the words of an image and of a map of outputs lie.

    Attributes
    ----------
    stride_rows, stride_columns : int
        A channel has a plane for each pair of remainders.
    top, left : int
        Padding.
    rows, columns : int
        Of a plane; lines of a map of outputs are as long.
    out_columns : int
        Words of a line that are kept.
    """

    stride_rows: int
    stride_columns: int
    top: int
    left: int
    rows: int
    columns: int
    out_columns: int


class Tiles(NamedTuple):
    """Parts of a map of outputs that are worked on at once.

    Attributes
    ----------
    first : int64[tiles + 1]
        Where each starts in the map, and the end of the map.
    length, row_length : int
        Words of the longest, and with what shifted reads need beyond; in whole spans.
    """

    first: np.ndarray
    length: int
    row_length: int


class Filters(NamedTuple):
    """Dense weights.

    Attributes
    ----------
    taps : int64[T]
        Distance of each tap of a filter from its first, over all channels of a group.
    groups : int
    group_words : int
        Words of an image that a group has.
    weights : array of words
        For each group, those of four filters at a time, tap by tap, then filter by filter.
    """

    taps: np.ndarray
    groups: int
    group_words: int
    weights: np.ndarray


@kernel
def pack(inputs, images, planes, first, last):
    """Put channels `first` to `last` of all images, word[N, C, H, W], into word[N, words]."""
    _, channels, height, width = inputs.shape
    high, wide = planes.stride_rows, planes.stride_columns
    for task in range(first, last):
        image, channel = task // channels, task % channels
        target = images[image]
        at = channel * high * wide * planes.rows * planes.columns
        for up in range(high):
            for across in range(wide):
                # Columns of the plane that lie within the image.
                low = min(planes.columns, max(0, -((across - planes.left) // wide)))
                end = max(low, min(planes.columns, (width - 1 + planes.left - across) // wide + 1))
                for i in range(planes.rows):
                    line = target[at : at + planes.columns]
                    at += planes.columns
                    row = up + i * high - planes.top
                    if row < 0 or row >= height:
                        line[:] = 0
                        continue
                    line[:low] = 0
                    line[end:] = 0
                    start = across - planes.left + low * wide
                    source = inputs[image, channel, row, start:]
                    line = line[low:end]
                    if wide == 1:
                        for j in range(len(line)):
                            line[j] = source[j]
                    else:
                        for j in range(len(line)):
                            line[j] = source[j * wide]


@helper
def aligned(words, like):
    """Zeros of the type of an array, from the start of a cache line on."""
    room = np.zeros(words + LINE_BYTES // like.itemsize, like.dtype)
    start = -room.ctypes.data % LINE_BYTES // like.itemsize
    return room[start : start + words]


@helper
def multiply(x, start, taps, count, weights, at, height, rows, to, row_length, length):
    """Rows of products, sums over taps of weight times input: four at a time, then one by one.

    All of it is one function, as calls with arrays cost atomic operations.
    """
    fours = height // 4 * 4
    for row in range(0, fours, 4):
        first = at + row * count
        for p in range(0, length, SPAN):
            v = load(x, start + p + word(taps, 0))
            a, b = times(v, word(weights, first)), times(v, word(weights, first + 1))
            c, d = times(v, word(weights, first + 2)), times(v, word(weights, first + 3))
            for t in range(1, count):
                v = load(x, start + p + word(taps, t))
                w = first + 4 * t
                a = plus(a, times(v, word(weights, w)))
                b = plus(b, times(v, word(weights, w + 1)))
                c = plus(c, times(v, word(weights, w + 2)))
                d = plus(d, times(v, word(weights, w + 3)))
            place = to + row * row_length + p
            store(rows, place, a)
            store(rows, place + row_length, b)
            store(rows, place + 2 * row_length, c)
            store(rows, place + 3 * row_length, d)
    for row in range(fours, height):
        first = at + row * count
        for p in range(0, length, SPAN):
            a = times(load(x, start + p + word(taps, 0)), word(weights, first))
            for t in range(1, count):
                v = load(x, start + p + word(taps, t))
                a = plus(a, times(v, word(weights, first + t)))
            store(rows, to + row * row_length + p, a)


@helper
def add_up(x, start, taps, count, rows, to, length):
    """One row of sums over taps of inputs."""
    for p in range(start, start + length, SPAN):
        a = load(x, p + word(taps, 0))
        for t in range(1, count):
            a = plus(a, load(x, p + word(taps, t)))
        store(rows, to + p - start, a)


@helper
def whole_spans(words):
    """A number of words rounded up to spans."""
    return (words + SPAN - 1) // SPAN * SPAN


@helper
def kept_words(planes, first, last):
    """Positions from `first` to `last` that are outputs, and the rows that they lie in."""
    words, pitch = 0, planes.columns
    for row in range(first // pitch, (last - 1) // pitch + 1):
        words += max(0, min(last - row * pitch, planes.out_columns) - max(0, first - row * pitch))
    return words, (last - 1) // pitch + 1 - first // pitch


@helper
def put(sums, at, bias, outputs, to, planes, first, last):
    """Write what is kept of the sums of one filter to its map, which starts at word `to`."""
    pitch, wide = planes.columns, planes.out_columns
    for row in range(first // pitch, (last - 1) // pitch + 1):
        start = at + row * pitch - first
        high = min(last - row * pitch, wide)
        low = max(0, first - row * pitch)
        target = to + row * wide
        if high - low < SHORT:
            for column in range(low, high):
                outputs[target + column] = word(sums, start + column) + bias
        else:
            for column in range(low, high, SPAN):
                span = plus_word(load(sums, start + column), bias)
                store_some(outputs, target + column, span, min(SPAN, high - column))


@helper
def needed_words(words, lines, reach, planes):
    """Positions of a map of `words` outputs in some lines, with those that lie beyond."""
    if reach[0] == 0 and reach[1] == 0:
        return words
    return (lines + reach[0]) * (planes.out_columns + reach[1])


@kernel
def convolve(images, filters, bias, planes, tiles, outputs, first, last):
    """Convolve tiles `first` to `last` of all images with dense weights.

    Parameters
    ----------
    images : word[N, words]
    bias : word[M]
    outputs : word[N, M, P, Q]

    Returns
    -------
    multiplies, adds : int
    """
    count, groups = len(filters.taps), filters.groups
    height = outputs.shape[1] // groups
    # The last span that is read may begin before the end of the sums and end behind it.
    sums = aligned(height * tiles.length + SPAN, images)
    flat = outputs.reshape(-1)
    map_words = outputs.shape[2] * outputs.shape[3]
    done = 0
    for task in range(first, last):
        image, tile = task // (len(tiles.first) - 1), task % (len(tiles.first) - 1)
        start, end = tiles.first[tile], tiles.first[tile + 1]
        for g in range(groups):
            multiply(
                images[image], g * filters.group_words + start, filters.taps, count,
                filters.weights, g * height * count, height,
                sums, 0, tiles.length, whole_spans(end - start),
            )  # fmt: skip
            for m in range(height):
                channel = g * height + m
                to = (image * outputs.shape[1] + channel) * map_words
                put(sums, m * tiles.length, bias[channel], flat, to, planes, start, end)
        done += groups * height * kept_words(planes, start, end)[0]
    return done * count, done * (count - 1)
