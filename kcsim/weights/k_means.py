"""k-means: the optimum for scalars, the best of several runs of Lloyd's algorithm for vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kcsim.clustering.units import transformed
from kcsim.errors import InputError, Problem
from kcsim.kernels.kmeans.scalar import cluster_means, optimal_cuts
from kcsim.weights.lloyd import Samples, lloyd, starting_centroids


@dataclass(frozen=True, eq=False)
class KMeans:
    """Vectors and the few that stand for them.

    Attributes
    ----------
    centroids : float32 array, shape (K, d)
        The entries; those of scalars ascend.
    labels : int32 array, shape (n,)
        Entry of each vector.
    transforms : uint8 array, shape (n,), or None
        How the entry is turned (`kcsim.clustering.units.transformed`), if there is a choice.
    inertia : float
        Weighted sum of the squared distances of the vectors to their turned entries.
    iterations : int
        Of the best run; 0 for scalars.
    converged : bool
        Whether that run ended before its iterations were used up.
    """

    centroids: NDArray[np.float32]
    labels: NDArray[np.int32]
    transforms: NDArray[np.uint8] | None
    inertia: float
    iterations: int
    converged: bool


def kmeans(
    vectors: ArrayLike,
    clusters: int,
    *,
    transforms: int = 1,
    kernel_shape: tuple[int, int] | None = None,
    starts: int = 3,
    seed: int = 0,
    iterations: int = 300,
    tolerance: float = 0.0,
    weights: ArrayLike | None = None,
) -> KMeans:
    """Find entries of least squared distance to the vectors.

    Scalars get the optimum, by a shortest path over the sorted values. Longer vectors get the
    best of several runs of Lloyd's algorithm from starts by greedy k-means++; labels are those
    of nearest entries, ties go to the lowest, and entries without vectors are moved to the
    vectors that are served worst. With transforms (Son, Nah, Lee, ECCV 2018, Section 3.3) each
    vector chooses among the turned entries, and members are turned back before they are averaged;
    a further run starts from the result without transforms, so theirs is never worse. Results do
    not depend on the number of threads (``NUMBA_NUM_THREADS``).

    Parameters
    ----------
    vectors : array_like, shape (n, d)
        Finite values; computed in single precision.
    clusters : int
        Entries K, from 1 to n.
    transforms : {1, 2, 4, 8}
        Flips and rotations to choose from.
    kernel_shape : (int, int), optional
        Rows and columns of a vector, needed with transforms; square for 8 of them.
    starts : int
        Runs from different starts.
    seed : int
        Of the starts; without effect on scalars.
    iterations : int
        At most so many in one run.
    tolerance : float
        A run ends once its entries move, in summed squares, by at most this share of the mean
        variance of a dimension, as in scikit-learn; 0 goes on until nothing changes.
    weights : array_like, shape (n,), optional
        At least 0, not all 0; ``None`` for ones.

    Raises
    ------
    InputError
        If an argument is out of its range.

    Examples
    --------
    >>> found = kmeans([[0.0], [0.1], [1.0], [1.2]], 2)
    >>> found.labels.tolist()
    [0, 0, 1, 1]
    """
    values = np.ascontiguousarray(vectors, np.float32)
    shares = np.ones(len(values)) if weights is None else np.array(weights, np.float64)
    _check(values, clusters, shares)
    for name, count in (("starts", starts), ("iterations", iterations)):
        if count < 1:
            raise InputError(Problem(f"{name} is {count}", "at least 1"))
    if not 0 <= tolerance < np.inf:
        raise InputError(Problem(f"tolerance is {tolerance}", "at least 0"))
    orders = transform_orders(transforms, kernel_shape or (1, values.shape[1]))
    if orders.shape[1] != values.shape[1]:
        expected = f"{values.shape[1]} values"
        raise InputError(Problem(f"kernel_shape is {kernel_shape}", expected))
    if values.shape[1] == 1:
        return _scalars(values[:, 0], clusters, shares, transforms)
    # A power of two changes no digit, and keeps squares from overflow and underflow.
    exponent = int(np.frexp(np.abs(values).max())[1])
    columns = np.ascontiguousarray(np.ldexp(values, -exponent).T)
    found = _best_run(
        Samples(columns, shares, orders[:1]), clusters, starts, seed, iterations, tolerance, None
    )
    if transforms > 1:
        found = _best_run(
            Samples(columns, shares, orders), clusters, starts, seed, iterations, tolerance, found
        )
    return replace(
        found,
        centroids=np.ldexp(found.centroids, exponent),
        inertia=float(np.ldexp(found.inertia, 2 * exponent)),
    )


def transform_orders(transforms: int, kernel_shape: tuple[int, int]) -> NDArray[np.int64]:
    """Where each value of a turned kernel comes from.

    Parameters
    ----------
    transforms : {1, 2, 4, 8}
    kernel_shape : (int, int)
        Rows and columns; square for 8 transforms.

    Returns
    -------
    int64 array, shape (transforms, rows * columns)
        ``entry[order]`` is the turned entry, both flat.

    Raises
    ------
    InputError
        If there are no such transforms of such kernels.
    """
    rows, columns = kernel_shape
    if transforms not in (1, 2, 4, 8):
        raise InputError(Problem(f"transforms is {transforms}", "1, 2, 4 or 8"))
    if transforms == 8 and rows != columns:
        raise InputError(
            Problem(f"a {rows}x{columns} kernel cannot be rotated", "transforms of at most 4")
        )
    places = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    orders = np.stack([transformed(places, kind).ravel() for kind in range(transforms)])
    return orders.astype(np.int64)


def _check(values: NDArray[np.float32], clusters: int, weights: NDArray[np.float64]) -> None:
    if values.ndim != 2 or values.size == 0:
        shape = "x".join(map(str, values.shape))
        raise InputError(Problem(f"vectors have the shape {shape}", "(n, d), neither of them 0"))
    if not np.isfinite(values).all():
        raise InputError(Problem("vectors hold NaN or infinite values", "finite values"))
    if not 1 <= clusters <= len(values):
        expected = f"1 to {len(values)}, the number of vectors"
        raise InputError(Problem(f"clusters is {clusters}", expected))
    if weights.shape != (len(values),):
        raise InputError(Problem(f"{weights.size} weights", f"{len(values)}, one for each vector"))
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise InputError(Problem("weights are out of range", "at least 0, finite, not all 0"))


def _scalars(
    values: NDArray[np.float32], clusters: int, weights: NDArray[np.float64], transforms: int
) -> KMeans:
    distinct, places = np.unique(values, return_inverse=True)
    merged = np.bincount(places, weights)
    points, masses = distinct[merged > 0].astype(np.float64), merged[merged > 0]
    cuts = optimal_cuts(points, masses, min(clusters, len(points)))
    means = cluster_means(points, masses, cuts).astype(np.float32)
    centroids = np.pad(means, (0, clusters - len(means)), mode="edge")
    middles = (centroids[1:].astype(np.float64) + centroids[:-1]) / 2
    labels = np.searchsorted(middles, distinct).astype(np.int32)
    errors = np.subtract(distinct, centroids[labels], dtype=np.float64)
    return KMeans(
        centroids[:, None],
        labels[places],
        None if transforms == 1 else np.zeros(len(values), np.uint8),
        float((merged * errors**2).sum()),
        0,
        True,
    )


def _best_run(
    samples: Samples,
    clusters: int,
    starts: int,
    seed: int,
    iterations: int,
    tolerance: float,
    plain: KMeans | None,
) -> KMeans:
    """The best of several runs, and of a result without transforms and what Lloyd makes of it."""
    count = len(samples.orders)
    generator = np.random.default_rng(seed)
    best = None
    if plain is not None:
        best = replace(plain, transforms=np.zeros(len(plain.labels), np.uint8))
    for start in range(starts + (plain is not None)):
        if plain is not None and start == 0:
            centroids = plain.centroids
        else:
            centroids = starting_centroids(samples, clusters, generator)
        run = lloyd(samples, centroids, iterations, tolerance)
        if best is None or run.inertia < best.inertia:
            labels, kinds = np.divmod(run.labels, count)
            best = KMeans(
                run.centroids,
                labels.astype(np.int32),
                None if count == 1 else kinds.astype(np.uint8),
                run.inertia,
                run.iterations,
                run.converged,
            )
    assert best is not None
    return best
