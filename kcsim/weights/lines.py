"""Lines through the origin that lie close to vectors: clustering by absolute correlation.

Diametrical clustering (Dhillon, Marcotte, Roshan, Bioinformatics 19, 2003): a vector belongs to
the line with which it encloses the smallest angle, and the best line of its vectors is the
leading eigenvector of their second moments. What is left of a vector v is |v|^2 (1 - r^2), for
vectors of zero mean with r the Pearson correlation.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem
from kcsim.weights.lloyd import Samples, lloyd, nearest_centroids, starting_centroids

START_ITERATIONS, ITERATIONS = 50, 50
LEAST_GAIN = 1e-5


def fit_lines(
    vectors: NDArray[np.float64], clusters: int, seed: int, starts: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Find lines of least squared distance to the vectors.

    Parameters
    ----------
    vectors : float64 array, shape (n, d)
    clusters : int
        Lines K, from 1 to n.
    seed, starts : int
        As for `kcsim.weights.k_means`.

    Returns
    -------
    directions : float32 array, shape (K, d)
        Of unit norm.
    labels : int32 array, shape (n,)
        The line of each vector.

    Raises
    ------
    InputError
        If there are more lines than vectors, or none.
    """
    if not 1 <= clusters <= len(vectors):
        expected = f"1 to {len(vectors)}, the number of vectors"
        raise InputError(Problem(f"clusters is {clusters}", expected))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms != 0)
    weights = norms[:, 0] ** 2 if norms.any() else np.ones(len(vectors))
    size = vectors.shape[1]
    # With its negative beside it, a vector is negated by a permutation of its dimensions.
    mirrored = np.ascontiguousarray(np.hstack((units, -units)).T, np.float32)
    places = np.arange(2 * size)
    samples = Samples(mirrored, weights, np.stack((places, np.roll(places, size))))
    generator = np.random.default_rng(seed)
    best = None
    for _ in range(starts):
        centroids = starting_centroids(samples, clusters, generator)
        run = lloyd(samples, centroids, START_ITERATIONS, 0.0)
        directions = run.centroids[:, :size]
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        directions = np.divide(directions, lengths, out=directions.copy(), where=lengths != 0)
        found = _refine(vectors, samples, run.labels // 2, directions)
        if best is None or found[2] < best[2]:
            best = found
    assert best is not None
    return best[0], best[1].astype(np.int32)


def _refine(
    vectors: NDArray[np.float64],
    samples: Samples,
    labels: NDArray[np.int64],
    directions: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int64], float]:
    """Alternate between best lines and nearest lines; returns lines, labels and what is left."""
    total = float(samples.weights.sum())
    left = np.inf
    for _ in range(ITERATIONS):
        directions, held = _best_lines(vectors, labels, directions)
        before, left = left, total - held
        if left > before * (1 - LEAST_GAIN):
            break
        nearest = nearest_centroids(samples, np.hstack((directions, -directions))) // 2
        if np.array_equal(nearest, labels):
            break
        labels = nearest
    return directions, labels, left


def _best_lines(
    vectors: NDArray[np.float64], labels: NDArray[np.int64], directions: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """Leading eigenvector of each cluster's second moments, and the sum of their eigenvalues.

    Clusters of nothing but zeros keep their directions.
    """
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(len(directions) + 1))
    members = [vectors[order[start:stop]] for start, stop in itertools.pairwise(ends)]
    values, bases = np.linalg.eigh(np.stack([part.T @ part for part in members]))
    new = np.where(values[:, -1:] > 0, bases[:, :, -1], directions).astype(np.float32)
    return new, float(values[:, -1].sum())
