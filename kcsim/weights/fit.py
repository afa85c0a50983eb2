"""A codebook for units of weights, by every scheme of `kcsim.clustering.options.SCHEMES`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.scheme import Clustering
from kcsim.errors import InputError, Problem
from kcsim.weights.k_means import kmeans, transform_orders
from kcsim.weights.lines import fit_lines

Floats = NDArray[np.float32]
Indexes = NDArray[np.int32]
Turns = NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class FittedUnits:
    """Units of weights as offset + scale * transform(entry).

    Attributes
    ----------
    units : float32 array, shape (N, channels, rows, columns)
        The weights that were fitted.
    entries : float32 array, shape (K, channels, rows, columns)
        The codebook.
    indexes : int32 array, shape (N,)
        Entry of each unit.
    transforms : uint8 array, shape (N,), or None
        How it is turned, if there is a choice.
    scales, offsets : float32 array, shape (N,), or None
        What it is multiplied by and what is added, if the scheme has them.
    """

    units: Floats
    entries: Floats
    indexes: Indexes
    transforms: Turns = None
    scales: Floats | None = None
    offsets: Floats | None = None

    def decode(self) -> Floats:
        """The weights that stand for the units: shape (N, channels, rows, columns)."""
        decoded = _turned(_flat(self.entries), self.indexes, self.transforms, self.units.shape)
        if self.scales is not None:
            decoded = decoded * self.scales[:, None]
        if self.offsets is not None:
            decoded = decoded + self.offsets[:, None]
        return decoded.reshape(self.units.shape)

    @cached_property
    def squared_error(self) -> float:
        """Sum over all weights of the squared difference to the decoded ones."""
        return float(np.square(np.subtract(self.decode(), self.units, dtype=np.float64)).sum())


def fit_units(
    units: Floats,
    settings: Clustering,
    clusters: int,
    *,
    seed: int = 0,
    starts: int = 3,
    weights: NDArray[np.float64] | None = None,
) -> FittedUnits:
    """Find the codebook of units that share one.

    ``scalar``, ``row``, ``kernel`` and ``product`` are plain k-means (`kcsim.weights.k_means`).
    With ``sparse``, the floor(p N) units of least norm are tied to entry 0, which is zero, and the
    others share K - 1 entries (Wu et al., Deep k-Means, ICML 2018, Section 5.3). Where zero units
    have no index (`Clustering.positions`), these are all tied.

    ``scaled_kernel`` clusters shapes: kernels over their norm, signed by the centroid tap (Son,
    Nah, Lee, ECCV 2018, Section 3.1). Two things differ from the paper, both for a smaller error
    of the weights at equal storage: shapes weigh as much as the squares of their norms, so that
    the clustering minimizes that error, and a scale is refitted to the entry by least squares.

    ``linear_kernel`` picks the entry of largest absolute Pearson correlation and fits scale and
    offset by least squares (Chen, Chen, Su, ICMV 2018); the entries are those of
    `kcsim.weights.lines`.

    Parameters
    ----------
    units : float32 array, shape (N, channels, rows, columns)
        Finite.
    settings : Clustering
        As it holds for the layers of the units.
    clusters : int
        Entries K, from 1 to N.
    seed, starts : int
        As for `kcsim.weights.k_means`.
    weights : float64 array, shape (N,), optional
        Of the squared errors of units, where the scheme is plain k-means.

    Raises
    ------
    InputError
        If an argument is out of its range.
    """
    units = np.ascontiguousarray(units, np.float32)
    if units.ndim != 4 or units.size == 0:
        shape = "x".join(map(str, units.shape))
        expected = "(N, channels, rows, columns), none of them 0"
        raise InputError(Problem(f"units have the shape {shape}", expected))
    if not np.isfinite(units).all():
        raise InputError(Problem("units hold NaN or infinite values", "finite values"))
    if (settings.sparse or settings.positions != "all") and clusters > 0:
        return _fit_sparse(units, settings, clusters, seed, starts, weights)
    if settings.scheme == "linear_kernel":
        return _fit_linear(units, clusters, seed, starts)
    if settings.scheme == "scaled_kernel":
        return _fit_scaled(units, settings.transforms, clusters, seed, starts)
    found = kmeans(
        _flat(units),
        clusters,
        transforms=settings.transforms,
        kernel_shape=_taps(units),
        seed=seed,
        starts=starts,
        weights=weights,
    )
    return FittedUnits(units, _shaped(found.centroids, units), found.labels, found.transforms)


def _fit_sparse(
    units: Floats,
    settings: Clustering,
    clusters: int,
    seed: int,
    starts: int,
    weights: NDArray[np.float64] | None,
) -> FittedUnits:
    vectors = _flat(units)
    norms = np.square(vectors, dtype=np.float64).sum(axis=1)
    tied = int(settings.sparse * len(units))
    if settings.positions != "all":
        tied = max(tied, len(units) - int(np.count_nonzero(vectors.any(axis=1))))
    others = np.sort(np.argsort(norms, kind="stable")[tied:])
    entries = np.zeros((clusters, vectors.shape[1]), np.float32)
    indexes = np.zeros(len(units), np.int32)
    wanted = min(clusters - 1, len(others))
    if wanted:
        masses = None if weights is None else weights[others]
        found = kmeans(vectors[others], wanted, seed=seed, starts=starts, weights=masses)
        entries[1 : wanted + 1] = found.centroids
        indexes[others] = found.labels + 1
    return FittedUnits(units, _shaped(entries, units), indexes)


def _fit_scaled(
    units: Floats, transforms: int, clusters: int, seed: int, starts: int
) -> FittedUnits:
    vectors = _flat(units).astype(np.float64)
    rows, columns = _taps(units)
    centroid = vectors[:, rows // 2 * columns + columns // 2]
    norms = np.linalg.norm(vectors, axis=1)
    shapes = _divided(vectors, np.where(centroid < 0, -norms, norms))
    found = kmeans(
        shapes,
        clusters,
        transforms=transforms,
        kernel_shape=(rows, columns),
        seed=seed,
        starts=starts,
        weights=norms**2 if norms.any() else None,
    )
    turned = _turned(found.centroids, found.labels, found.transforms, units.shape).astype(float)
    scales = _divided(_products(vectors, turned), _products(turned, turned))
    entries = _shaped(found.centroids, units)
    return FittedUnits(units, entries, found.labels, found.transforms, scales.astype(np.float32))


def _fit_linear(units: Floats, clusters: int, seed: int, starts: int) -> FittedUnits:
    vectors = _flat(units).astype(np.float64)
    means = vectors.mean(axis=1)
    entries, indexes = fit_lines(vectors - means[:, None], clusters, seed, starts)
    used = entries[indexes].astype(np.float64)
    used_means = used.mean(axis=1)
    centered = used - used_means[:, None]
    scales = _divided(_products(vectors, centered), _products(centered, centered))
    offsets = means - scales * used_means
    return FittedUnits(
        units,
        _shaped(entries, units),
        indexes,
        scales=scales.astype(np.float32),
        offsets=offsets.astype(np.float32),
    )


def _products(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner product of each pair of rows."""
    products: NDArray[np.float64] = np.einsum("nd,nd->n", left, right)
    return products


def _divided(values: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values over a divisor for each row; 0 where that is 0."""
    by = by.reshape(-1, *(1,) * (values.ndim - 1))
    quotients: NDArray[np.float64] = np.zeros_like(values)
    return np.divide(values, by, out=quotients, where=by != 0)


def _turned(entries: Floats, indexes: Indexes, transforms: Turns, shape: tuple[int, ...]) -> Floats:
    """The turned entry of each unit: shape (N, d)."""
    if transforms is None:
        return entries[indexes]
    rows, columns = shape[-2:]
    orders = transform_orders(8 if rows == columns else 4, (rows, columns))
    return entries[indexes[:, None], orders[transforms]]


def _flat(units: Floats) -> Floats:
    return units.reshape(len(units), -1)


def _shaped(entries: Floats, units: Floats) -> Floats:
    return entries.reshape(-1, *units.shape[1:])


def _taps(units: Floats) -> tuple[int, int]:
    return (units.shape[1] * units.shape[2], units.shape[3])
