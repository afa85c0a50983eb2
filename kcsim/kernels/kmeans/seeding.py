"""Greedy k-means++: starting centroids far apart (Arthur and Vassilvitskii, SODA 2007).

Of several candidates, drawn with probabilities proportional to the squared distances to the
centroids so far, the one is taken that leaves the least error.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kcsim.kernels.compilation import kernel

helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

LANES = 16


@helper
def nearer_squares(values, orders, candidate, nearest, square, trial):
    """Set `trial` to the squared distances once a vector is a centroid; float32[n] all three."""
    trial[:] = nearest
    for turn in range(orders.shape[0]):
        square[:] = np.float32(0)
        for dimension in range(values.shape[0]):
            centroid = values[orders[turn, dimension], candidate]
            for j in range(square.shape[0]):
                difference = values[dimension, j] - centroid
                square[j] += difference * difference
        for j in range(square.shape[0]):
            trial[j] = min(trial[j], square[j])


@helper
def weighted_sum(weights, squares):
    """Sum of weight times square, in as many lanes as a processor adds up side by side."""
    lanes = np.zeros(LANES)
    whole = squares.shape[0] // LANES * LANES
    for j in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += weights[j + lane] * squares[j + lane]
    total = lanes.sum()
    for j in range(whole, squares.shape[0]):
        total += weights[j] * squares[j]
    return total


@helper
def drawn(weights, squares, target):
    """The first vector at which the running sum of weight times square exceeds `target`."""
    total, last = 0.0, -1
    for j in range(squares.shape[0]):
        share = weights[j] * squares[j]
        if share > 0:
            total += share
            last = j
            if total > target:
                break
    return last


@kernel
def choose_centroids(values, weights, orders, uniforms):
    """Choose vectors as starting centroids.

    Parameters
    ----------
    values : float32[d, n]
        The vectors, dimension by dimension.
    weights : float64[n]
        Not all 0.
    orders : int64[transforms, d]
        How each transform permutes the dimensions; a centroid serves under all of them.
    uniforms : float64[clusters, candidates]
        Independent and uniform in [0, 1).

    Returns
    -------
    int64[clusters]
        Chosen vectors. Once all vectors of positive weight are met exactly, the first repeats.
    """
    n = values.shape[1]
    chosen = np.empty(uniforms.shape[0], np.int64)
    nearest = np.ones(n, np.float32)
    square, trial, best = np.empty_like(nearest), np.empty_like(nearest), np.empty_like(nearest)
    chosen[:] = drawn(weights, nearest, uniforms[0, 0] * weighted_sum(weights, nearest))
    nearest[:] = np.inf
    nearer_squares(values, orders, chosen[0], nearest, square, trial)
    nearest[:] = trial
    for k in range(1, chosen.shape[0]):
        total = weighted_sum(weights, nearest)
        if total <= 0:
            break
        least = np.inf
        for c in range(uniforms.shape[1]):
            candidate = drawn(weights, nearest, uniforms[k, c] * total)
            nearer_squares(values, orders, candidate, nearest, square, trial)
            left = weighted_sum(weights, trial)
            if left < least:
                least = left
                chosen[k] = candidate
                best, trial = trial, best
        nearest[:] = best
    return chosen
