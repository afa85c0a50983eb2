"""Lloyd's algorithm on arrays: iterations, empty clusters, transforms and threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from kcsim.kernels.kmeans.lloyd import SPAN, Centroids, Vectors, assign, squared_distances
from kcsim.kernels.kmeans.seeding import choose_centroids

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
Map = Callable[[Callable[[int], int], Iterable[int]], Iterable[int]]

CHUNK = 65536
"""Vectors that one thread takes at a time; fixed, so that sums do not depend on threads."""

GROUP_SIZE, MOST_GROUPS = 64, 32
"""Centroids that share their bounds, found by timing; groups, for the memory of the bounds."""

SEEDING_SAMPLE, SEEDING_PER_CLUSTER = 131072, 16
"""Starting centroids are chosen among so many vectors, or so many for each cluster if more."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What is clustered.

    Attributes
    ----------
    values : float32 array, shape (d, n)
        Vectors, dimension by dimension.
    weights : float64 array, shape (n,)
        At least 0, not all 0.
    orders : int64 array, shape (T, d)
        How each transform permutes the dimensions; the identity first.
    """

    values: Array
    weights: Floats
    orders: Indexes


@dataclass(frozen=True, eq=False)
class Lloyd:
    """Where the algorithm ended.

    Attributes
    ----------
    centroids : float32 array, shape (K, d)
    labels : int64 array, shape (n,)
        Entry times T plus transform: nearest to the vector, the lowest of those as near.
    inertia : float
        Weighted sum of squared distances.
    iterations : int
        Assignments that were followed by an update or by the end.
    converged : bool
        Whether it ended before the iterations were used up.
    """

    centroids: Array
    labels: Indexes
    inertia: float
    iterations: int
    converged: bool


def starting_centroids(samples: Samples, clusters: int, generator: np.random.Generator) -> Array:
    """Starting centroids by greedy k-means++, of large samples on a random part.

    Parameters
    ----------
    samples : Samples
    clusters : int
        At most n.
    generator : numpy.random.Generator

    Returns
    -------
    float32 array, shape (K, d)
    """
    values, weights = samples.values, samples.weights
    size = max(SEEDING_SAMPLE, SEEDING_PER_CLUSTER * clusters)
    positive = np.flatnonzero(weights)
    if size < positive.size:
        positive = np.sort(generator.choice(positive, size, replace=False))
    if positive.size < weights.size:
        values, weights = np.ascontiguousarray(values[:, positive]), weights[positive]
    uniforms = generator.random((clusters, 2 + int(math.log(clusters))))
    return values[:, choose_centroids(values, weights, samples.orders, uniforms)].T


def lloyd(samples: Samples, centroids: Array, iterations: int, tolerance: float) -> Lloyd:
    """Run Lloyd's algorithm from given centroids.

    An entry without vectors is moved to the vector that lies farthest from its own entry.

    Parameters
    ----------
    samples : Samples
    centroids : float32 array, shape (K, d)
    iterations : int
        At least 1.
    tolerance : float
        Ends once the summed squared movement of the centroids is at most this share of the mean
        variance of a dimension; 0 goes on until nothing changes.
    """
    tolerated = 0.0
    if tolerance > 0:
        tolerated = tolerance * float(samples.values.var(axis=1, dtype=np.float64).mean())
    with _threads() as pool:
        state = _State(samples, np.ascontiguousarray(centroids), pool.map)
        done, converged = 0, False
        while done < iterations and not converged:
            changed = state.assign()
            sums, totals = state.sums()
            changed += state.fill_empty(sums, totals)
            done += 1
            # Before the first update, entries are not yet the means of their vectors.
            if changed == 0 and done > 1:
                return state.result(done, True)
            converged = state.update(sums, totals) <= tolerated
        state.assign()
    return state.result(done, converged)


def nearest_centroids(samples: Samples, centroids: Array) -> Indexes:
    """Label of each vector, as in `Lloyd`, for centroids float32[K, d] that stay where they are."""
    with _threads() as pool:
        state = _State(samples, np.ascontiguousarray(centroids), pool.map)
        state.assign()
    return state.labels()


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


class _State:
    """Vectors, centroids and bounds between the steps of one run."""

    def __init__(self, samples: Samples, centroids: Array, run: Map) -> None:
        dimensions, count = samples.values.shape
        self.samples, self.centroids = samples, centroids
        self._run = run
        expanded = self._expanded()
        group = _groups(expanded)
        self._by_group = np.argsort(group, kind="stable").astype(np.int32)
        self._position = np.argsort(self._by_group)
        self._group = group[self._by_group].astype(np.int32)
        groups = int(self._group[-1]) + 1
        self._first = np.searchsorted(self._group, np.arange(groups + 1))
        self._padding = ((0, 0), (0, -dimensions % SPAN))
        self._drift = np.zeros(len(expanded), np.float32)
        # Rounding of a squared distance, with room for that of the bounds themselves.
        self._slack = np.float32((dimensions + 8) * 2.0**-23)
        self._vectors = Vectors(
            samples.values,
            samples.weights,
            np.zeros(count, np.int32),
            np.full(count, np.inf, np.float32),
            np.zeros((groups, count), np.float32),
        )
        chunks = -(-count // CHUNK)
        self._sums = np.empty((chunks, len(expanded), dimensions))
        self._totals = np.empty((chunks, len(expanded)))

    def assign(self) -> int:
        """Assign every vector to its nearest centroid; returns how many labels changed."""
        centroids, count = self._centroids(), len(self._vectors.labels)

        def chunk(i: int) -> int:
            start, stop = i * CHUNK, min((i + 1) * CHUNK, count)
            return int(
                assign(self._vectors, centroids, start, stop, self._sums[i], self._totals[i])
            )

        return sum(self._run(chunk, range(len(self._sums))))

    def sums(self) -> tuple[Floats, Floats]:
        """Weighted sums of the vectors of each entry, turned back, and their weights."""
        clusters, dimensions = self.centroids.shape
        turned = self._sums.sum(axis=0)[self._position].reshape(clusters, -1, dimensions)
        sums = np.zeros((clusters, dimensions))
        for transform, order in enumerate(self.samples.orders):
            sums[:, order] += turned[:, transform]
        totals = self._totals.sum(axis=0)[self._position].reshape(clusters, -1).sum(axis=1)
        return sums, totals

    def fill_empty(self, sums: Floats, totals: Floats) -> int:
        """Move the farthest vectors into empty entries, in place; returns how many."""
        empty = np.flatnonzero(totals == 0)
        if empty.size == 0:
            return 0
        orders, vectors = self.samples.orders, self._vectors
        squares = self._squares()
        moved = 0
        for vector in np.argsort(-squares, kind="stable"):
            if moved == empty.size or squares[vector] == 0:
                break
            weight = vectors.weights[vector]
            old, transform = divmod(int(self._by_group[vectors.labels[vector]]), len(orders))
            if totals[old] <= weight:
                continue
            entry = empty[moved]
            share = weight * vectors.values[:, vector].astype(np.float64)
            sums[old, orders[transform]] -= share
            totals[old] -= weight
            sums[entry], totals[entry] = share, weight
            vectors.labels[vector] = self._position[entry * len(orders)]
            vectors.upper[vector] = np.inf
            vectors.lower[:, vector] = 0
            moved += 1
        return moved

    def update(self, sums: Floats, totals: Floats) -> float:
        """Move the entries to their means; returns the summed squared movement."""
        filled = totals > 0
        new = self.centroids.copy()
        new[filled] = sums[filled] / totals[filled, None]
        squares = np.square(np.subtract(new, self.centroids, dtype=np.float64)).sum(axis=1)
        drift = np.repeat(np.sqrt(squares), len(self.samples.orders))[self._by_group]
        self._drift = (drift * (1 + 1e-6)).astype(np.float32)
        self.centroids = new
        return float(squares.sum())

    def result(self, iterations: int, converged: bool) -> Lloyd:
        """The state as a result."""
        inertia = float(self._squares().sum())
        return Lloyd(self.centroids, self.labels(), inertia, iterations, converged)

    def labels(self) -> Indexes:
        """Entry times T plus transform of every vector."""
        labels: Indexes = self._by_group[self._vectors.labels].astype(np.int64)
        return labels

    def _squares(self) -> Floats:
        squares = np.empty(len(self._vectors.labels))
        squared_distances(self._vectors, self._centroids().values, squares)
        return squares

    def _expanded(self) -> Array:
        """All entries under all transforms: shape (K T, d)."""
        expanded: Array = self.centroids[:, self.samples.orders]
        return expanded.reshape(-1, expanded.shape[-1])

    def _centroids(self) -> Centroids:
        return Centroids(
            np.pad(self._expanded()[self._by_group], self._padding),
            self._by_group,
            self._group,
            self._first,
            self._drift,
            np.maximum.reduceat(self._drift, self._first[:-1]),
            self._slack,
        )


def _groups(centroids: Array) -> Indexes:
    """Group of each centroid: shells around their mean, all with about as many.

    Far centroids serve few vectors and move far, which would loosen the bounds of the near ones.
    """
    groups = min(max(len(centroids) // GROUP_SIZE, 1), MOST_GROUPS)
    radius = np.linalg.norm(centroids - centroids.mean(axis=0, dtype=np.float64), axis=1)
    return np.argsort(np.argsort(radius, kind="stable")) * groups // len(centroids)
