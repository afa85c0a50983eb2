"""Weights that are clustered already, taken over without loss.

Tools that share weights write dense tensors in which few distinct values, rows, kernels or
sub-vectors occur. Here these become indexes and codebooks again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import TABLE_ENTRY_BITS, code_lengths
from kcsim.clustering.precision import StoredValues
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.scheme import Clustering, Unit
from kcsim.clustering.units import cut_units
from kcsim.errors import InputError
from kcsim.weights.clustered import ClusteredLayer, ClusteredWeights, Codebook
from kcsim.weights.matching import LayerWeights
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

FOUND = "found"
"""The word for clusters that are in the weights, in place of a specification."""
MAX_SCALARS = 256
"""Distinct values of a layer up to which it counts as clustered: a byte for each index."""
_LOSSLESS = (0.0, 1.0)
_LENGTHS = (2, 4, 8, 16)
_SAMPLE = 4096
_DIRECTION_TOLERANCE = 1e-5
_ROUNDING = 1e-6

Floats = NDArray[np.float32]


def recognize_network(
    network: Network, weights: Mapping[str, LayerWeights], index: str = "fixed"
) -> ClusteredWeights:
    """Find the clusters that are in weights.

    A layer is taken as clustered if its entries are used twice or more on average, and scalars
    only up to 256 of them. Of several units, the one that takes the fewest bits under `index` is
    chosen. Layers share a codebook where that takes fewer bits than a codebook for each.

    Parameters
    ----------
    network : Network
    weights : mapping of str to LayerWeights
        By layer.
    index : str
        As `Clustering.index`.

    Returns
    -------
    ClusteredWeights
        Decodes to the given weights, bit for bit; kernels that are scaled shapes (Son, Nah, Lee,
        ECCV 2018) to within 1e-6 of their largest value. Other layers stay dense.

    Raises
    ------
    InputError
        If no layer has such clusters.
    """
    found = {
        layer.name: best
        for layer in network.trained_layers
        if (best := _best(layer, weights[layer.name].weight, index)) is not None
    }
    if not found:
        raise InputError("no layer has few distinct values, rows, kernels or sub-vectors")
    found = _shared(network, weights, found)
    layers = {layer.name: found[layer.name].clustered for layer in network if layer.name in found}
    return ClusteredWeights(
        network,
        FOUND if index == "fixed" else f"{FOUND}:index={index}",
        layers,
        {each.codebook.name: each.codebook for each in found.values()},
        {name: given.weight.copy() for name, given in weights.items() if name not in found},
        {name: given.bias.copy() for name, given in weights.items() if given.bias is not None},
    )


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


@dataclass(frozen=True, eq=False)
class _Found:
    """Clusters found in a layer."""

    clustered: ClusteredLayer
    codebook: Codebook


def _bits(found: Sequence[_Found]) -> float:
    """What the weights of layers take that have one codebook, which counts once."""
    settings, codebook = found[0].clustered.part.settings, found[0].codebook
    counts = np.sum([each.clustered.counts for each in found], axis=0)
    bits = 32 * codebook.entries.codes.size + math.fsum(
        counts * code_lengths(counts, settings.index)
    )
    if settings.index == "huffman":
        bits += TABLE_ENTRY_BITS * counts.size
    return bits + sum(32 * each.clustered.scales.codes.size for each in found
                      if each.clustered.scales is not None)  # fmt: skip


def _best(layer: ConvLayer, weights: Floats, index: str) -> _Found | None:
    """The clusters that take the fewest bits."""
    found = list(_equal_units(layer, weights, index))
    for length in _LENGTHS:
        if length <= weights.shape[1]:
            fewest = min((_bits([each]) for each in found), default=math.inf)
            found += _equal_subvectors(layer, weights, length, fewest, index)
    found = found or list(_scaled(layer, weights, index))
    return min(found, key=lambda each: _bits([each]), default=None)


def _equal_units(layer: ConvLayer, weights: Floats, index: str) -> Iterator[_Found]:
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
        if repeated := _repeated(blocks.reshape(-1, unit.size)):
            entries, indexes = repeated
            settings = Clustering(scheme, k=len(entries), scope="layer", dense="none", index=index)
            yield _found(layer, settings, entries, indexes.reshape(blocks.shape[:4]))


def _equal_subvectors(
    layer: ConvLayer, weights: Floats, length: int, fewest: float, index: str
) -> Iterator[_Found]:
    """Clusters of sub-vectors of that many channels, if they may take less than `fewest` bits."""
    filters, channels, rows, columns = weights.shape
    codebooks, indexes = [], []
    # No code for all sub-spaces takes less than the entropy in each.
    least, bound = 0.0, "fixed" if index == "fixed" else "entropy"
    for start in range(0, channels, length):
        vectors = np.moveaxis(weights[:, start : start + length], 1, -1)
        repeated = _repeated(vectors.reshape(-1, vectors.shape[-1]))
        if repeated is None:
            return
        entries, chosen = repeated
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
    yield _found(layer, settings, entries, np.stack(indexes, axis=1))


def _scaled(layer: ConvLayer, weights: Floats, index: str) -> Iterator[_Found]:
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
    yield _found(layer, settings, entries, labels.reshape(shape), scales.reshape(shape))


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


def _repeated(rows: Floats) -> tuple[Floats, NDArray[np.int32]] | None:
    """As `_distinct`, if rows occur twice or more on average."""
    keys = _keys(rows)
    return None if 2 * len(np.unique(keys)) > len(rows) else _distinct(rows)


def _distinct(rows: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """The distinct rows, told apart bit by bit, in ascending order; and the number of each row."""
    _, first, numbers = np.unique(_keys(rows), return_index=True, return_inverse=True)
    entries = rows[first]
    if not np.array_equal(entries.view(np.uint32)[numbers], rows.view(np.uint32)):
        bits = rows.view(np.uint32)
        _, first, numbers = np.unique(bits, axis=0, return_index=True, return_inverse=True)
        entries = rows[first]
    order = np.lexsort(entries.T[::-1])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return entries[order], rank[numbers.ravel()]


def _keys(rows: Floats) -> NDArray[np.uint64]:
    """A number for each row, which differs for all but a few different rows."""
    factors = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], np.uint64) | np.uint64(1)
    keys = np.zeros(len(rows), np.uint64)
    for column, factor in zip(rows.view(np.uint32).T, factors, strict=True):
        # Wrapping around is meant.
        keys += column * factor
    return keys


def _found(
    layer: ConvLayer,
    settings: Clustering,
    entries: Floats,
    indexes: NDArray[np.int32],
    scales: Floats | None = None,
) -> _Found:
    """Clusters with a codebook of the layer's own."""
    part = _part(layer, settings, len(entries), layer.name)
    assert part.unit is not None
    stored_scales = None if scales is None else StoredValues(scales, 32)
    clustered = ClusteredLayer(part, indexes, None, stored_scales, None, *_LOSSLESS)
    return _Found(clustered, _codebook(layer.name, entries, part.unit))


def _part(layer: ConvLayer, settings: Clustering, clusters: int, codebook: str) -> LayerClustering:
    unit = settings.unit(layer)
    assert unit is not None
    subspaces = unit.channel_blocks(layer) if settings.is_product else 1
    return LayerClustering(
        layer,
        settings,
        unit,
        units=unit.count(layer),
        subspaces=subspaces,
        clusters=clusters,
        codebook=codebook,
        codebook_units=unit.count(layer) // subspaces,
    )


def _codebook(name: str, entries: Floats, unit: Unit) -> Codebook:
    return Codebook(
        name, StoredValues(entries.reshape(len(entries), -1, unit.height, unit.width), 32)
    )


def _shared(
    network: Network, weights: Mapping[str, LayerWeights], found: dict[str, _Found]
) -> dict[str, _Found]:
    """The same with codebooks for several layers, where that takes fewer bits."""
    groups: dict[tuple[str, Unit], list[str]] = {}
    for name, each in found.items():
        part = each.clustered.part
        if part.settings.scheme in ("row", "kernel") and part.unit is not None:
            groups.setdefault((part.settings.scheme, part.unit), []).append(name)
    result = dict(found)
    for (scheme, unit), names in groups.items():
        own = {name: found[name].codebook.entries.values.reshape(-1, unit.size) for name in names}
        entries, _ = _distinct(np.concatenate([*own.values()]))
        # Layers that are not taken for clustered by themselves, or with other units, may have no
        # other entries than these.
        others = [
            layer.name
            for layer in network.trained_layers
            if layer.name not in names
            and _cuts(unit, layer)
            and not (layer.name in result and _shares(result[layer.name]))
            and _adds_none(entries, _units(weights[layer.name].weight, unit))
        ]
        index = found[names[0]].clustered.part.settings.index
        settings = Clustering(scheme, k=len(entries), scope="network", dense="none", index=index)
        apart = {
            name: _bits([result[name]]) if name in result else 32 * network.layer(name).weight_words
            for name in (*names, *others)
        }
        best, fewest = {}, sum(apart.values())
        dense = [name for name in others if name not in result]
        for sharing in dict.fromkeys(((*names, *dense), (*names, *others))):
            layers = [network.layer(name) for name in sharing]
            shared = _with_codebook(layers, weights, settings, entries)
            bits = _bits([*shared.values()])
            bits += sum(apart[name] for name in apart if name not in sharing)
            if bits < fewest:
                best, fewest = shared, bits
        result |= best
    return result


def _shares(found: _Found) -> bool:
    return found.clustered.part.settings.scope == "network"


def _adds_none(entries: Floats, units: Floats) -> bool:
    """Whether units are all among the entries."""
    return len(_distinct(np.concatenate([entries, units]))[0]) == len(entries)


def _cuts(unit: Unit, layer: ConvLayer) -> bool:
    """Whether a layer consists of such rows or kernels."""
    rows_fit = unit.height in (1, layer.kernel_height)
    return unit.size > 1 and unit.width == layer.kernel_width and rows_fit


def _units(weights: Floats, unit: Unit) -> Floats:
    return cut_units(weights, unit).reshape(-1, unit.size)


def _with_codebook(
    layers: Sequence[ConvLayer],
    weights: Mapping[str, LayerWeights],
    settings: Clustering,
    entries: Floats,
) -> dict[str, _Found]:
    """Layers with one codebook, which has all of their units."""
    name = f"shared {settings}"
    parts = [_part(layer, settings, len(entries), name) for layer in layers]
    served = sum(part.units for part in parts)
    result = {}
    for part in parts:
        assert part.unit is not None
        blocks = cut_units(weights[part.layer.name].weight, part.unit)
        units = blocks.reshape(-1, part.unit.size)
        numbers = _distinct(np.concatenate([entries, units]))[1]
        indexes = numbers[len(entries) :].reshape(blocks.shape[:4])
        clustered = ClusteredLayer(
            replace(part, codebook_units=served), indexes, None, None, None, *_LOSSLESS
        )
        result[part.layer.name] = _Found(clustered, _codebook(name, entries, part.unit))
    return result
