"""Convolution that shares sums: inputs that meet the same entry of a filter are added first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.conv.planes import aligned, helper, kept_words, needed_words, put
from kcsim.kernels.conv.vectors import SPAN, load, plus, store, times, word


class Sums(NamedTuple):
    """Units of every filter that have the same entry.

    Attributes
    ----------
    planes : int64[planes]
        Distance of each part of the inputs that the taps of a unit meet.
    reach : int64[planes, 2]
        Rows and columns that are needed of it beyond those of the map.
    taps : int64[T, 2]
        Part that each tap meets, and the distance within it.
    filter : int64[M + 1]
        First sum of each filter.
    unit : int64[sums + 1]
        First unit of each sum.
    entry : int64[sums]
        Entry that the sum is multiplied by; -1 for ones, where only adds are left.
    tap_count, part_count : int64[sums]
        Taps and parts of a unit.
    weights : array of words, [entries, T]
    origins : int64[units]
        Word of the image that the unit at output 0 meets first.
    scales : array of words, [units] or [0]
    """

    planes: np.ndarray
    reach: np.ndarray
    taps: np.ndarray
    filter: np.ndarray
    unit: np.ndarray
    entry: np.ndarray
    tap_count: np.ndarray
    part_count: np.ndarray
    weights: np.ndarray
    origins: np.ndarray
    scales: np.ndarray


@helper
def add_inputs(x, origins, scales, first, last, sums, to, length):
    """Add up the inputs of some units, scaled if there are scales."""
    if len(scales) > 0:
        for p in range(0, length, SPAN):
            a = times(load(x, origins[first] + p), scales[first])
            for u in range(first + 1, last):
                a = plus(a, times(load(x, word(origins, u) + p), word(scales, u)))
            store(sums, to + p, a)
    else:
        for p in range(0, length, SPAN):
            a = load(x, origins[first] + p)
            for u in range(first + 1, last):
                a = plus(a, load(x, word(origins, u) + p))
            store(sums, to + p, a)


@helper
def add_taps(sums, taps, count, sum_length, weights, entry, totals, length):
    """Add the sums of one entry, multiplied by its taps; by ones, if it has no number."""
    for p in range(0, length, SPAN):
        a = load(totals, p)
        for t in range(count):
            v = load(sums, taps[t, 0] * sum_length + taps[t, 1] + p)
            a = plus(a, v if entry < 0 else times(v, weights[entry, t]))
        store(totals, p, a)


@kernel
def share_sums(images, work, bias, planes, tiles, outputs, first, last):
    """Convolve with filters `first` to `last` of all images.

    `tiles` has a single tile: the whole map. `images` is word[N, words], `bias` word[M] and
    `outputs` word[N, M, P, Q].

    Returns
    -------
    multiplies, adds : int
    """
    sums = aligned(len(work.planes) * tiles.row_length, images)
    # The last span that is read may begin before the end of the totals and end behind it.
    totals = aligned(tiles.length + SPAN, images)
    flat = outputs.reshape(-1)
    map_words = outputs.shape[2] * outputs.shape[3]
    end = tiles.first[1]
    words, lines = kept_words(planes, 0, end)
    scaled = len(work.scales) > 0
    multiplies, adds = 0, 0
    for task in range(first, last):
        image, m = task // outputs.shape[1], task % outputs.shape[1]
        x = images[image]
        totals[:] = 0
        for s in range(work.filter[m], work.filter[m + 1]):
            units, count = work.unit[s + 1] - work.unit[s], work.tap_count[s]
            entry = work.entry[s]
            for part in range(work.part_count[s]):
                shifted = x[work.planes[part] :]
                add_inputs(
                    shifted, work.origins, work.scales, work.unit[s], work.unit[s + 1],
                    sums, part * tiles.row_length, tiles.row_length,
                )  # fmt: skip
                needed = needed_words(words, lines, work.reach[part], planes)
                multiplies += scaled * units * needed
                adds += (units - 1) * needed
            add_taps(
                sums, work.taps, count, tiles.row_length, work.weights, entry,
                totals, tiles.length,
            )  # fmt: skip
            multiplies += (entry >= 0) * count * words
            adds += count * words
        put(totals, 0, bias[m], flat, task * map_words, planes, 0, end)
    return multiplies, adds
