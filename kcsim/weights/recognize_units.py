"""Scalars, rows, kernels and sub-vectors that occur again and again in the weights of a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import code_lengths
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.unit import Unit
from kcsim.clustering.units import cut_units
from kcsim.weights.found import Found, Storing, found_layer, repeated, zero_first
from kcsim.workload.layer import ConvLayer

MAX_SCALARS = 256
"""Distinct values of a layer up to which it counts as clustered: a byte for each index."""
_SAMPLE = 4096
_DIRECTION_TOLERANCE = 1e-5
_ROUNDING = 1e-6

Floats = NDArray[np.float32]


def distinct_values(weights: Floats) -> int | None:
    """How many values occur in weights that look clustered; ``None`` in others.

    Parameters
    ----------
    weights : float32 array
    """
    flat = weights.ravel().view(np.uint32)
    if len(np.unique(flat[:_SAMPLE])) > MAX_SCALARS:
        return None
    count = len(np.unique(flat))
    return count if count <= MAX_SCALARS and 2 * count <= flat.size else None


def equal_units(layer: ConvLayer, weights: Floats, storing: Storing) -> Iterator[Found]:
    """Clusters of equal scalars, rows and kernels."""
    rows, columns = weights.shape[2:]
    units = {"scalar": Unit(1, 1, 1), "row": Unit(1, 1, columns), "kernel": Unit(1, rows, columns)}
    tried = set()
    for scheme, unit in units.items():
        if unit.size in tried:
            continue
        tried.add(unit.size)
        blocks = cut_units(weights, unit)
        if scheme == "scalar" and distinct_values(weights) is None:
            continue
        if again := repeated(blocks.reshape(-1, unit.size)):
            entries, indexes = again
            if storing.positions != "all":
                entries, indexes = zero_first(entries, indexes)
            settings = Clustering(
                scheme, k=len(entries), scope="layer", dense="none", **storing.settings
            )
            yield found_layer(layer, settings, entries, indexes.reshape(blocks.shape[:4]))


def equal_subvectors(
    layer: ConvLayer, weights: Floats, length: int, fewest: float, index: str
) -> Iterator[Found]:
    """Clusters of sub-vectors of that many channels, if they may take less than `fewest` bits."""
    filters, channels, rows, columns = weights.shape
    codebooks, indexes = [], []
    # No code for all sub-spaces takes less than the entropy in each.
    least, bound = 0.0, "fixed" if index == "fixed" else "entropy"
    for start in range(0, channels, length):
        vectors = np.moveaxis(weights[:, start : start + length], 1, -1)
        again = repeated(vectors.reshape(-1, vectors.shape[-1]))
        if again is None:
            return
        entries, chosen = again
        counts = np.bincount(chosen)
        least += 32 * entries.size + math.fsum(counts * code_lengths(counts, bound))
        if least > fewest:
            return
        codebooks.append(entries)
        indexes.append(chosen.reshape(filters, rows, columns))
    clusters = max(map(len, codebooks))
    # Sub-spaces with fewer entries have zeros at the end, which no index stands for.
    padded = [np.pad(entries, ((0, clusters - len(entries)), (0, 0))) for entries in codebooks]
    settings = Clustering("product", k=clusters, length=length, index=index)
    entries = np.concatenate(padded, axis=1)
    yield found_layer(layer, settings, entries, np.stack(indexes, axis=1))


def scaled_kernels(layer: ConvLayer, weights: Floats, index: str) -> Iterator[Found]:
    """Clusters of kernels that are one shape times a scale for each."""
    filters, channels, rows, columns = weights.shape
    kernels = weights.reshape(-1, rows * columns).astype(np.float64)
    if kernels.shape[1] == 1:
        return
    largest = kernels[np.arange(len(kernels)), np.abs(kernels).argmax(axis=1)]
    norms = np.linalg.norm(kernels, axis=1) * np.where(largest < 0, -1, 1)
    shapes = kernels / np.where(norms == 0, 1, norms)[:, None]
    labels = _close(shapes)
    if labels is None:
        return
    clusters = int(labels.max()) + 1
    sums = np.zeros((clusters, kernels.shape[1]))
    np.add.at(sums, labels, shapes)
    entries = (sums / np.bincount(labels)[:, None]).astype(np.float32)
    shapes = entries[labels].astype(np.float64)
    lengths = np.square(shapes).sum(axis=1)
    scales = ((kernels * shapes).sum(axis=1) / np.where(lengths == 0, 1, lengths)).astype("f4")
    error = np.abs(entries[labels] * scales[:, None] - kernels).max(axis=1)
    if (error > _ROUNDING * np.abs(largest)).any():
        return
    settings = Clustering(
        "scaled_kernel", k=clusters, scope="layer", scale_bits=32, dense="none", index=index
    )
    shape = (filters, channels, 1, 1)
    yield found_layer(layer, settings, entries, labels.reshape(shape), scales.reshape(shape))


def _close(points: NDArray[np.float64]) -> NDArray[np.int32] | None:
    """Labels that are equal for points of which one leads to the next in tiny steps.

    Gaps are looked for along a few random lines, one after the other; whether the points of a
    label are really close is left to the caller. ``None`` for labels of less than two points on
    average.
    """
    labels = np.zeros(len(points), np.int32)
    for line in np.random.default_rng(0).normal(size=(4, points.shape[1])):
        along = points @ line
        order = np.lexsort((along, labels))
        gaps = np.diff(along[order]) > _DIRECTION_TOLERANCE
        starts = np.append(True, gaps | (np.diff(labels[order]) != 0))
        labels[order] = np.cumsum(starts, dtype=np.int32) - 1
        if 2 * np.count_nonzero(starts) > len(points):
            return None
    return labels
