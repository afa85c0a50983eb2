"""Codebooks whose entries add up: residual vector quantization, refined stage by stage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kcsim.weights.k_means import kmeans
from kcsim.weights.lloyd import Samples, lloyd

PASSES, ITERATIONS = 8, 20
LEAST_GAIN = 1e-4

Floats = NDArray[np.float32]


def fit_stages(
    units: Floats,
    stages: int,
    clusters: int,
    *,
    seed: int = 0,
    starts: int = 3,
    weights: NDArray[np.float64] | None = None,
) -> tuple[Floats, NDArray[np.int32]]:
    """Find codebooks of which one entry each adds up to a unit.

    Each stage clusters what those before leave (residual vector quantization; Juang and Gray,
    ICASSP 1982). Then, in turn, each is clustered again for what all others leave, from its own
    entries on, so that the error never grows.

    Parameters
    ----------
    units : float32 array, shape (N, channels, rows, columns)
    stages : int
    clusters : int
        Entries K of each stage, from 1 to N.
    seed, starts : int
        As for `kcsim.weights.k_means`.
    weights : float64 array, shape (N,), optional
        Of the squared errors.

    Returns
    -------
    entries : float32 array, shape (stages, K, channels, rows, columns)
    indexes : int32 array, shape (stages, N)
    """
    flat = units.reshape(len(units), -1)
    # A power of two changes no digit, and keeps squares from overflow and underflow.
    exponent = int(np.frexp(np.abs(flat).max())[1])
    left = np.ldexp(flat, -exponent).astype(np.float32)
    entries = np.zeros((stages, clusters, flat.shape[1]), np.float32)
    indexes = np.zeros((stages, len(units)), np.int32)
    for stage in range(stages):
        found = kmeans(left, clusters, seed=seed + stage, starts=starts, weights=weights)
        entries[stage], indexes[stage] = found.centroids, found.labels
        left = left - entries[stage, indexes[stage]]
    masses = np.ones(len(units)) if weights is None else np.asarray(weights, np.float64)
    error = _error(left, masses)
    for _ in range(PASSES):
        for stage in range(stages):
            wanted = left + entries[stage, indexes[stage]]
            entries[stage], indexes[stage] = _refined(wanted, entries[stage], masses)
            left = wanted - entries[stage, indexes[stage]]
        before, error = error, _error(left, masses)
        if error >= before * (1 - LEAST_GAIN):
            break
    shaped = np.ldexp(entries, exponent).reshape(stages, clusters, *units.shape[1:])
    return shaped, indexes


def _refined(
    wanted: Floats, entries: Floats, masses: NDArray[np.float64]
) -> tuple[Floats, NDArray[np.int32]]:
    """The entries of one stage for what the others leave, and those nearest to it."""
    if wanted.shape[1] == 1:
        best = kmeans(wanted, len(entries), weights=masses)
        return best.centroids, best.labels
    places = np.arange(wanted.shape[1])[None]
    samples = Samples(np.ascontiguousarray(wanted.T), masses, places)
    run = lloyd(samples, entries, ITERATIONS, 0.0)
    return run.centroids, run.labels.astype(np.int32)


def _error(left: Floats, masses: NDArray[np.float64]) -> float:
    return float(masses @ np.square(left, dtype=np.float64).sum(axis=1))
