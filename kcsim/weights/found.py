"""Clusters that are found in weights: rows that occur again and again, and what they take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import TABLE_ENTRY_BITS, code_lengths
from kcsim.clustering.precision import StoredValues
from kcsim.clustering.resolve import LayerClustering, cut_layer
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import outliers_bits
from kcsim.clustering.unit import Unit
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook, Outliers
from kcsim.workload.layer import ConvLayer

Floats = NDArray[np.float32]
Indexes = NDArray[np.int32]

LOSSLESS = (0.0, 1.0)
"""Squared error and variance kept of what is found."""


@dataclass(frozen=True)
class Storing:
    """How what is found is to be stored: settings of `Clustering`.

    Attributes
    ----------
    index, positions : str
    position_bits : int
    """

    index: str = "fixed"
    positions: str = "all"
    position_bits: int = 4

    @property
    def settings(self) -> dict[str, Any]:
        """Those that differ from the defaults."""
        default = Storing()
        return {
            name: value for name, value in vars(self).items() if value != getattr(default, name)
        }


@dataclass(frozen=True, eq=False)
class Found:
    """Clusters found in a layer."""

    clustered: ClusteredLayer
    codebook: Codebook


def found_bits(found: Sequence[Found]) -> float:
    """What the weights of layers take that have one codebook, which counts once."""
    part, codebook = found[0].clustered.part, found[0].codebook
    index = part.settings.index
    counts = np.sum([each.clustered.stored_counts for each in found], axis=0)
    left_out = counts.size - part.stored_entries
    values = codebook.entries.codes.size // counts.size * part.stored_entries
    kept = counts[left_out:]
    bits: float = 32 * values + math.fsum(kept * code_lengths(kept, index))
    if index == "huffman":
        bits += TABLE_ENTRY_BITS * counts.size
    for each in found:
        layer = each.clustered
        bits += layer.positions_bits
        for values_of in (layer.scales, layer.filter_scales):
            bits += 0 if values_of is None else 32 * values_of.codes.size
        if layer.outliers is not None:
            words = layer.part.layer.weight_words
            bits += outliers_bits(len(layer.outliers.positions), words, 32)
    return bits


def found_layer(
    layer: ConvLayer,
    settings: Clustering,
    entries: Floats,
    indexes: Indexes,
    scales: Floats | None = None,
    filter_scales: Floats | None = None,
    outliers: Outliers | None = None,
) -> Found:
    """Clusters with codebooks of the layer's own.

    Parameters
    ----------
    layer : ConvLayer
    settings : Clustering
    entries : float32[K, ...]
        In the order of `Codebook.entries`.
    indexes : int32 array
        In the shape of the units, with stages first.
    scales : float32 array, optional
        Of the units, in their shape.
    filter_scales : float32[M], optional
    outliers : Outliers, optional
    """
    part = found_part(layer, settings, len(entries), layer.name)
    assert part.unit is not None
    stored, filters = (
        None if each is None else StoredValues(each, 32) for each in (scales, filter_scales)
    )
    clustered = ClusteredLayer(
        part, indexes, None, stored, None, *LOSSLESS, filter_scales=filters, outliers=outliers
    )
    return Found(clustered, found_codebook(layer.name, entries, part.unit))


def found_part(
    layer: ConvLayer, settings: Clustering, clusters: int, codebook: str
) -> LayerClustering:
    """The layer cut into units of known clusters."""
    unit = settings.unit(layer)
    assert unit is not None
    return replace(cut_layer(layer, unit, settings, codebook), clusters=clusters)


def found_codebook(name: str, entries: Floats, unit: Unit) -> Codebook:
    """A codebook of exact entries."""
    shaped = entries.reshape(len(entries), -1, unit.height, unit.width)
    return Codebook(name, StoredValues(np.ascontiguousarray(shaped), 32))


def repeated(rows: Floats) -> tuple[Floats, Indexes] | None:
    """As `distinct_rows`, if rows occur twice or more on average."""
    keys = row_keys(rows)
    return None if 2 * len(np.unique(keys)) > len(rows) else distinct_rows(rows)


def distinct_rows(rows: Floats) -> tuple[Floats, Indexes]:
    """The distinct rows, told apart bit by bit, in ascending order; and the number of each row."""
    _, first, numbers = np.unique(row_keys(rows), return_index=True, return_inverse=True)
    entries = rows[first]
    if not np.array_equal(entries.view(np.uint32)[numbers], rows.view(np.uint32)):
        bits = rows.view(np.uint32)
        _, first, numbers = np.unique(bits, axis=0, return_index=True, return_inverse=True)
        entries = rows[first]
    order = np.lexsort(entries.T[::-1])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return entries[order], rank[numbers.ravel()]


def row_keys(rows: Floats) -> NDArray[np.uint64]:
    """A number for each row, which differs for all but a few different rows."""
    factors = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], np.uint64) | np.uint64(1)
    keys = np.zeros(len(rows), np.uint64)
    for column, factor in zip(rows.view(np.uint32).T, factors, strict=True):
        # Wrapping around is meant.
        keys += column * factor
    return keys


def zero_first(entries: Floats, indexes: Indexes) -> tuple[Floats, Indexes]:
    """The same with entry 0 of zeros, added if there is none."""
    zero = np.flatnonzero((entries.view(np.uint32) == 0).all(axis=1))
    if not zero.size:
        return np.concatenate([np.zeros_like(entries[:1]), entries]), indexes + np.int32(1)
    at = int(zero[0])
    order = np.concatenate([[at], np.delete(np.arange(len(entries)), at)])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return entries[order], rank[indexes]
