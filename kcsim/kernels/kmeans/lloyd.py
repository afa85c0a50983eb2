"""k-means of many short vectors: Lloyd's algorithm without the distances that cannot matter.

The assignment follows Yinyang k-means (Ding et al., ICML 2015): centroids are put in groups, and
a vector keeps an upper bound of the distance to its centroid and, for each group, a lower bound
of the distance to all others. Only groups whose bound is not above are looked at; vectors that
need the same group are gathered, so that distances run over vectors side by side. All bounds
have room for rounding: labels and centroids are those of the plain algorithm in single precision,
squares of differences added up by fused multiply-adds in the order of the dimensions, ties to
the lowest index.

Vectors lie dimension by dimension, float32[d, n]; centroids are rows, padded with zeros to a
multiple of `SPAN` dimensions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import intrinsic

from kcsim.kernels.compilation import kernel

helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

SPAN, BLOCK, TILE = 9, 128, 4096


def _fused(typing_context, a, b, c):
    """The sum a * b + c, rounded once on every machine."""

    def generate(context, builder, types, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), generate


fused: Any = intrinsic(_fused)


@helper
def plus_square(t0, t1, t2, square):
    """The square plus those of three differences, in their order."""
    return fused(t2, t2, fused(t1, t1, fused(t0, t0, square)))


class Vectors(NamedTuple):
    """What is clustered, and what is known of each vector.

    Attributes
    ----------
    values : float32[d, n]
    weights : float64[n]
    labels : int32[n]
        Rows of the centroids.
    upper : float32[n]
        At least the distance to the own centroid.
    lower : float32[groups, n]
        At most the distance to any other centroid of the group.
    """

    values: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


class Centroids(NamedTuple):
    """Centroids in the order of their groups.

    Attributes
    ----------
    values : float32[centroids, padded]
    rank : int32[centroids]
        Index that decides ties; ascending within a group.
    group : int32[centroids]
    first : int64[groups + 1]
        First centroid of each group.
    drift : float32[centroids]
        At least the distance that a centroid moved since the bounds were last brought up to date.
    group_drift : float32[groups]
        Its maximum in each group.
    slack : float32
        Relative room for rounding.
    """

    values: np.ndarray
    rank: np.ndarray
    group: np.ndarray
    first: np.ndarray
    drift: np.ndarray
    group_drift: np.ndarray
    slack: np.float32


class Block(NamedTuple):
    """Vectors side by side and what was found for them.

    Attributes
    ----------
    values : float32[padded, BLOCK]
    partial : float32[BLOCK]
        Squares of the dimensions before the last `SPAN`.
    other_partial : float32[BLOCK]
        The same for another centroid.
    best, second : float32[BLOCK]
        Squared distances to the two nearest centroids.
    bounds : float32[BLOCK]
        Lower bounds of the distance to the nearest.
    label : int32[BLOCK]
    """

    values: np.ndarray
    partial: np.ndarray
    other_partial: np.ndarray
    best: np.ndarray
    second: np.ndarray
    bounds: np.ndarray
    label: np.ndarray


@helper
def new_block(padded):
    """An empty block; what the padding and `partial` hold stays zero unless it is used."""
    return Block(
        np.zeros((padded, BLOCK), np.float32),
        np.zeros(BLOCK, np.float32),
        np.zeros(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.int32),
    )


@helper
def add_squares(x, centroid, partial):
    """Squares of all dimensions but the last `SPAN`, for every vector of a block."""
    for j in range(BLOCK):
        partial[j] = np.float32(0)
    for i in range(0, centroid.shape[0] - SPAN, SPAN):
        c0, c1, c2 = centroid[i], centroid[i + 1], centroid[i + 2]
        c3, c4, c5 = centroid[i + 3], centroid[i + 4], centroid[i + 5]
        c6, c7, c8 = centroid[i + 6], centroid[i + 7], centroid[i + 8]
        for j in range(BLOCK):
            t0, t1, t2 = x[i, j] - c0, x[i + 1, j] - c1, x[i + 2, j] - c2
            t3, t4, t5 = x[i + 3, j] - c3, x[i + 4, j] - c4, x[i + 5, j] - c5
            t6, t7, t8 = x[i + 6, j] - c6, x[i + 7, j] - c7, x[i + 8, j] - c8
            square = plus_square(t0, t1, t2, partial[j])
            square = plus_square(t3, t4, t5, square)
            partial[j] = plus_square(t6, t7, t8, square)


@helper
def find_nearest(block, centroids, start, stop):
    """The two smallest squared distances to centroids from `start` to before `stop`.

    Two centroids at a time share the loads of the vectors.
    """
    x, partial, other_partial = block.values, block.partial, block.other_partial
    best, second, label = block.best, block.second, block.label
    for j in range(BLOCK):
        best[j] = second[j] = np.float32(np.inf)
        label[j] = start
    i = centroids.shape[1] - SPAN
    for k in range(start, stop, 2):
        other = min(k + 1, stop - 1)
        if i > 0:
            add_squares(x, centroids[k], partial)
            add_squares(x, centroids[other], other_partial)
        # The last of an odd number has no partner.
        apart = np.float32(0 if other > k else np.inf)
        c0, c1, c2 = centroids[k, i], centroids[k, i + 1], centroids[k, i + 2]
        c3, c4, c5 = centroids[k, i + 3], centroids[k, i + 4], centroids[k, i + 5]
        c6, c7, c8 = centroids[k, i + 6], centroids[k, i + 7], centroids[k, i + 8]
        d0, d1, d2 = centroids[other, i], centroids[other, i + 1], centroids[other, i + 2]
        d3, d4, d5 = centroids[other, i + 3], centroids[other, i + 4], centroids[other, i + 5]
        d6, d7, d8 = centroids[other, i + 6], centroids[other, i + 7], centroids[other, i + 8]
        row, other_row = np.int32(k), np.int32(other)
        for j in range(BLOCK):
            x0, x1, x2 = x[i, j], x[i + 1, j], x[i + 2, j]
            x3, x4, x5 = x[i + 3, j], x[i + 4, j], x[i + 5, j]
            x6, x7, x8 = x[i + 6, j], x[i + 7, j], x[i + 8, j]
            square = plus_square(x0 - c0, x1 - c1, x2 - c2, partial[j])
            square = plus_square(x3 - c3, x4 - c4, x5 - c5, square)
            square = plus_square(x6 - c6, x7 - c7, x8 - c8, square)
            other_square = plus_square(x0 - d0, x1 - d1, x2 - d2, other_partial[j] + apart)
            other_square = plus_square(x3 - d3, x4 - d4, x5 - d5, other_square)
            other_square = plus_square(x6 - d6, x7 - d7, x8 - d8, other_square)
            nearest, next_nearest, nearest_row = best[j], second[j], label[j]
            next_nearest = min(next_nearest, max(nearest, square))
            nearest_row = row if square < nearest else nearest_row
            nearest = min(nearest, square)
            second[j] = min(next_nearest, max(nearest, other_square))
            label[j] = other_row if other_square < nearest else nearest_row
            best[j] = min(nearest, other_square)


class Tile(NamedTuple):
    """Work space for neighboring vectors, by their place in the tile.

    Attributes
    ----------
    low : float32[TILE]
        Smallest lower bound over all groups.
    own : float32[TILE]
        Squared distance to the centroid at the start.
    best, second : float32[TILE]
        Squared distances to the nearest centroid so far and to the next one in its group; `second`
        is negative where that group was not searched.
    label : int32[TILE]
        The nearest centroid so far.
    open : int64[TILE]
        Places that are to be searched.
    chosen : int64[TILE]
        Those that are to be searched in one group.
    """

    low: np.ndarray
    own: np.ndarray
    best: np.ndarray
    second: np.ndarray
    label: np.ndarray
    open: np.ndarray
    chosen: np.ndarray


@helper
def new_tile():
    """An empty tile."""
    return Tile(
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.int32),
        np.empty(TILE, np.int64),
        np.empty(TILE, np.int64),
    )


@helper
def loosen_bounds(vectors, centroids, start, size, tile):
    """Let the bounds follow the centroids; returns how many vectors they leave open."""
    one = np.float32(1)
    grow, shrink = one + centroids.slack, one - centroids.slack
    low, lower = tile.low, vectors.lower
    low[:size] = np.float32(np.inf)
    for g in range(lower.shape[0]):
        drift = centroids.group_drift[g]
        for j in range(size):
            bound = (lower[g, start + j] - drift) * shrink
            lower[g, start + j] = bound
            low[j] = bound if bound < low[j] else low[j]
    count = 0
    for j in range(size):
        bound = (vectors.upper[start + j] + centroids.drift[vectors.labels[start + j]]) * grow
        vectors.upper[start + j] = bound
        tile.open[count] = j
        count += bound >= low[j]
    return count


@helper
def tighten_bounds(vectors, centroids, start, count, tile):
    """Measure the distances of open vectors to their centroids; returns how many stay open."""
    grow = np.float32(1) + centroids.slack
    dimensions = vectors.values.shape[0]
    still_open = 0
    for i in range(count):
        j = tile.open[i]
        centroid = vectors.labels[start + j]
        square = np.float32(0)
        for dimension in range(dimensions):
            difference = (
                vectors.values[dimension, start + j] - centroids.values[centroid, dimension]
            )
            square = fused(difference, difference, square)
        bound = np.sqrt(square) * grow
        vectors.upper[start + j] = bound
        tile.own[j] = tile.best[j] = square
        tile.second[j] = np.float32(-1)
        tile.label[j] = centroid
        tile.open[still_open] = j
        still_open += bound >= tile.low[j]
    return still_open


@helper
def search_group(vectors, centroids, group, start, count, tile, block):
    """Measure the distances of open vectors to a group, where its bound does not forbid it."""
    shrink = np.float32(1) - centroids.slack
    chosen, rank, bounds = tile.chosen, centroids.rank, block.bounds
    chosen_count = 0
    for i in range(count):
        j = tile.open[i]
        chosen[chosen_count] = j
        chosen_count += vectors.upper[start + j] >= vectors.lower[group, start + j]
    for begin in range(0, chosen_count, BLOCK):
        size = min(BLOCK, chosen_count - begin)
        for dimension in range(vectors.values.shape[0]):
            for j in range(size):
                block.values[dimension, j] = vectors.values[dimension, start + chosen[begin + j]]
        find_nearest(block, centroids.values, centroids.first[group], centroids.first[group + 1])
        for i in range(BLOCK):
            bounds[i] = np.sqrt(block.best[i]) * shrink
        for i in range(size):
            j = chosen[begin + i]
            vectors.lower[group, start + j] = bounds[i]
            square, label, other = block.best[i], block.label[i], tile.label[j]
            is_tied = (square == tile.best[j]) & (rank[label] <= rank[other])
            is_nearer = (square < tile.best[j]) | is_tied
            tile.best[j] = square if is_nearer else tile.best[j]
            tile.second[j] = block.second[i] if is_nearer else tile.second[j]
            tile.label[j] = label if is_nearer else other


@helper
def settle_labels(vectors, centroids, start, count, tile):
    """Take over the nearest centroids; returns how many labels change."""
    one = np.float32(1)
    grow, shrink = one + centroids.slack, one - centroids.slack
    changed = 0
    for i in range(count):
        j = tile.open[i]
        old, new = vectors.labels[start + j], tile.label[j]
        if tile.second[j] >= 0:
            vectors.lower[centroids.group[new], start + j] = np.sqrt(tile.second[j]) * shrink
        if new != old:
            group = centroids.group[old]
            if group != centroids.group[new]:
                bound = np.sqrt(tile.own[j]) * shrink
                vectors.lower[group, start + j] = min(bound, vectors.lower[group, start + j])
            vectors.labels[start + j] = new
            vectors.upper[start + j] = np.sqrt(tile.best[j]) * grow
            changed += 1
    return changed


@kernel
def assign(vectors, centroids, start, stop, sums, totals):
    """Assign the vectors from `start` to before `stop` to their nearest centroids.

    Parameters
    ----------
    vectors : Vectors
        Labels and bounds are brought up to date.
    centroids : Centroids
    start, stop : int64
    sums : float64[centroids, d]
        Set to the weighted sums of these vectors by their new labels.
    totals : float64[centroids]
        Set to the sums of their weights.

    Returns
    -------
    int64
        How many labels changed.
    """
    tile, block = new_tile(), new_block(centroids.values.shape[1])
    sums[:] = 0.0
    totals[:] = 0.0
    changed = 0
    for begin in range(start, stop, TILE):
        size = min(TILE, stop - begin)
        count = loosen_bounds(vectors, centroids, begin, size, tile)
        count = tighten_bounds(vectors, centroids, begin, count, tile)
        for group in range(vectors.lower.shape[0]):
            search_group(vectors, centroids, group, begin, count, tile, block)
        changed += settle_labels(vectors, centroids, begin, count, tile)
        for j in range(begin, begin + size):
            label, weight = vectors.labels[j], vectors.weights[j]
            totals[label] += weight
            for dimension in range(sums.shape[1]):
                sums[label, dimension] += weight * vectors.values[dimension, j]
    return changed


@kernel
def squared_distances(vectors, centroids, squares):
    """Weighted squared distance of every vector to its own centroid into float64[n]."""
    for j in range(squares.shape[0]):
        label, square = vectors.labels[j], 0.0
        for dimension in range(vectors.values.shape[0]):
            difference = np.float64(vectors.values[dimension, j]) - centroids[label, dimension]
            square += difference * difference
        squares[j] = vectors.weights[j] * square
