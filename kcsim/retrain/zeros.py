"""Sharing what pruning left: zeros get an entry of their own, which stays zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.precision import quantize
from kcsim.clustering.units import cut_units
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.weights.k_means import kmeans

Floats = NDArray[np.float32]


def keep_zeros(
    clustered: ClusteredWeights,
    weights: Mapping[str, Floats],
    *,
    seed: int = 0,
    starts: int = 3,
) -> ClusteredWeights:
    """Clustered weights of which the units that are zero stay zero.

    Entry 0 of each codebook that serves such units is zero, and the other K - 1 are the k-means of
    the units that are not (Han et al., Deep Compression, ICLR 2016, Section 3: weights that were
    pruned take no part in sharing). Other codebooks stay as they are, as do schemes with a scale
    for each unit, which is zero there and which `kcsim.retrain.tie` keeps so.

    Parameters
    ----------
    clustered : ClusteredWeights
    weights : mapping of str to float32[M, C, R, S]
        What they stand for, by layer.
    seed, starts : int
        As for `kcsim.cluster_network`.
    """
    layers, codebooks = dict(clustered.layers), dict(clustered.codebooks)
    for name, codebook in clustered.codebooks.items():
        own = [each for each in clustered.layers.values() if each.part.codebook == name]
        settings = own[0].part.settings
        if settings.kind.has_scales or settings.is_product or codebook.clusters < 2:
            continue
        units = [_units(each, weights[each.part.layer.name]) for each in own]
        found = _shared(np.concatenate(units), codebook, seed, starts)
        if found is None:
            continue
        entries, indexes = found
        stored = quantize(entries, settings.codebook_bits or 32, f"codebook {name!r}")
        codebooks[name] = Codebook(name, stored)
        starts_at = 0
        for each, cut in zip(own, units, strict=True):
            new = indexes[starts_at : starts_at + len(cut)].reshape(each.indexes.shape)
            starts_at += len(cut)
            turned = None if each.transforms is None else np.zeros_like(each.transforms)
            layer = replace(each, indexes=new, transforms=turned)
            layers[each.part.layer.name] = layer
    return replace(clustered, layers=layers, codebooks=codebooks)


def _units(layer: ClusteredLayer, weights: Floats) -> Floats:
    assert layer.part.unit is not None
    return cut_units(weights, layer.part.unit).reshape(layer.indexes.size, -1)


def _shared(
    units: Floats, codebook: Codebook, seed: int, starts: int
) -> tuple[Floats, NDArray[np.int32]] | None:
    """Entries, of which the first is zero, and indexes; ``None`` where no unit is zero."""
    left = np.flatnonzero(units.any(axis=1))
    if len(left) == len(units):
        return None
    entries = np.zeros((codebook.clusters, units.shape[1]), np.float32)
    indexes = np.zeros(len(units), np.int32)
    clusters = min(codebook.clusters - 1, len(left))
    if clusters:
        found = kmeans(units[left], clusters, seed=seed, starts=starts)
        entries[1 : clusters + 1] = found.centroids
        indexes[left] = found.labels + 1
    return entries.reshape(codebook.entries.codes.shape), indexes
