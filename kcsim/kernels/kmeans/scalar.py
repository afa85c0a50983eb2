"""Optimal k-means of scalars.

Clusters of an optimum are intervals of the sorted values, so it is a shortest path from 0 to n
with K edges, an edge (i, j) standing for a cluster of the values i to j - 1. Edge costs fulfill
the quadrangle inequality. The path with any number of edges and a penalty for each then takes
O(n log n) time and O(n) space (`cheapest_path`); the cost F(K) is convex, so a suitable penalty
yields K edges, and where several numbers of edges tie, two paths can be crossed into one between
them (Aggarwal, Schieber, Tokuyama, Discrete and Computational Geometry 12, 1994).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from kcsim.kernels.compilation import kernel

helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

GUESSES = 8


class Moments(NamedTuple):
    """Sums over the first i values, which are centered: float64[n + 1] each.

    Attributes
    ----------
    weights, firsts, seconds : float64[n + 1]
        Of the weights, of weight times value, and of weight times its square.
    """

    weights: np.ndarray
    firsts: np.ndarray
    seconds: np.ndarray


@helper
def running_sums(terms):
    """Sums over the first i terms, each rounded as if added up in twice the precision."""
    sums = np.zeros(terms.shape[0] + 1)
    total, lost = 0.0, 0.0
    for i in range(terms.shape[0]):
        new = total + terms[i]
        virtual = new - total
        lost += (total - (new - virtual)) + (terms[i] - virtual)
        total = new
        sums[i + 1] = total + lost
    return sums


@helper
def cluster_cost(moments, i, j):
    """Weighted squared error of the values i to j - 1 around their mean."""
    weight = moments.weights[j] - moments.weights[i]
    first = moments.firsts[j] - moments.firsts[i]
    second = moments.seconds[j] - moments.seconds[i]
    return max(0.0, second - first * first / weight)


@helper
def try_edges(moments, penalty, costs, before, start, stop, end):
    """Let the path to `end` come from any of `start` to `stop`, if that is cheaper."""
    cost, best = costs[end], before[end]
    for i in range(start, stop + 1):
        through = costs[i] + cluster_cost(moments, i, end) + penalty
        if through < cost:
            cost, best = through, i
    costs[end], before[end] = cost, best


@helper
def cheapest_path(moments, penalty, costs, before):
    """The cheapest path with any number of edges, each at a penalty.

    Divide and conquer: of an interval (left, right] with its candidates up to `left` known, the
    middle's best lies between those of the ends; then the left half is finished and becomes the
    candidates of the right end.

    Parameters
    ----------
    moments : Moments
    penalty : float64
    costs : float64[n + 1]
        Set to the costs of the cheapest paths, penalties included.
    before : int64[n + 1]
        Set to the last vertex before each.

    Returns
    -------
    int64
        Number of edges on the path to n.
    """
    n = costs.shape[0] - 1
    costs[:] = np.inf
    costs[0] = 0.0
    before[:] = 0
    try_edges(moments, penalty, costs, before, 0, 0, n)
    stack = np.empty((130, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, n, 0
    depth = 1
    while depth > 0:
        depth -= 1
        left, right, half_done = stack[depth, 0], stack[depth, 1], stack[depth, 2]
        if right - left == 1:
            continue
        middle = (left + right) // 2
        if half_done:
            start = max(left + 1, before[middle])
            try_edges(moments, penalty, costs, before, start, middle, right)
            stack[depth, 0], stack[depth, 1], stack[depth, 2] = middle, right, 0
            depth += 1
            continue
        try_edges(moments, penalty, costs, before, before[left], before[right], middle)
        stack[depth, 2] = 1
        stack[depth + 1, 0], stack[depth + 1, 1], stack[depth + 1, 2] = left, middle, 0
        depth += 2
    edges, vertex = 0, n
    while vertex > 0:
        vertex = before[vertex]
        edges += 1
    return edges


@helper
def path_vertices(before, edges):
    """The vertices of a path with so many edges: int64[edges + 1]."""
    vertices = np.empty(edges + 1, np.int64)
    vertex = before.shape[0] - 1
    for i in range(edges, -1, -1):
        vertices[i] = vertex
        vertex = before[vertex]
    return vertices


@helper
def path_cost(moments, vertices):
    """Cost of a path without penalties."""
    cost = 0.0
    for i in range(vertices.shape[0] - 1):
        cost += cluster_cost(moments, vertices[i], vertices[i + 1])
    return cost


@helper
def crossed_paths(few, many, edges):
    """A path with `edges` edges from the start of one path and the end of another.

    Some edge of `few` contains the edge of `many` that is `extra` further on. By the quadrangle
    inequality, exchanging the ends of the two there costs nothing.
    """
    extra = edges - (few.shape[0] - 1)
    i = 0
    while few[i + 1] < many[i + extra + 1]:
        i += 1
    return np.concatenate((many[: i + extra + 1], few[i + 1 :]))


@kernel
def optimal_cuts(values, weights, clusters):
    """Cut sorted values into clusters of least squared error.

    Exact up to rounding: costs carry errors of about 1e-16 of the total squared deviation from
    the mean of all values.

    Parameters
    ----------
    values : float64[n]
        Ascending and distinct.
    weights : float64[n]
        Above 0.
    clusters : int64
        From 1 to n.

    Returns
    -------
    int64[clusters + 1]
        First value of each cluster, then n.
    """
    n = values.shape[0]
    few, many = np.array([0, n]), np.arange(n + 1)
    if clusters == 1:
        return few
    if clusters == n:
        return many
    centered = values - (values * weights).sum() / weights.sum()
    moments = Moments(
        running_sums(weights),
        running_sums(weights * centered),
        running_sums(weights * centered * centered),
    )
    few_cost, many_cost = path_cost(moments, few), 0.0
    costs, before = np.empty(n + 1), np.empty(n + 1, np.int64)
    # F(K) falls about as 1/K^2, hence the penalty that gives K as 1/K^3.
    least, most = 0.0, np.inf
    guess = 2 * few_cost / clusters**3
    step = 0
    while True:
        is_guess = step < GUESSES and least < guess < most
        penalty = guess
        if not is_guess:
            penalty = (few_cost - many_cost) / (many.shape[0] - few.shape[0])
        edges = cheapest_path(moments, penalty, costs, before)
        vertices = path_vertices(before, edges)
        if edges == clusters:
            return vertices
        is_between = few.shape[0] - 1 < edges < many.shape[0] - 1
        if not (is_between or is_guess):
            return crossed_paths(few, many, clusters)
        if edges < clusters:
            most = min(most, penalty)
        else:
            least = max(least, penalty)
        if is_between and edges < clusters:
            few, few_cost = vertices, path_cost(moments, vertices)
        elif is_between:
            many, many_cost = vertices, path_cost(moments, vertices)
        guess = penalty * (edges / clusters) ** 3
        step += 1


@kernel
def cluster_means(values, weights, cuts):
    """Weighted mean of each cluster: float64[clusters]."""
    means = np.empty(cuts.shape[0] - 1)
    for k in range(means.shape[0]):
        first, weight, base = 0.0, 0.0, values[cuts[k]]
        for i in range(cuts[k], cuts[k + 1]):
            first += weights[i] * (values[i] - base)
            weight += weights[i]
        means[k] = base + first / weight
    return means
