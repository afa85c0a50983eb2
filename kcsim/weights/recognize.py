"""Weights that are clustered already, taken over without loss.

Tools that share weights write dense tensors in which few distinct values, rows, kernels or
sub-vectors occur. Here these become indexes and codebooks again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.unit import Unit
from kcsim.clustering.units import cut_units
from kcsim.errors import InputError
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer
from kcsim.weights.found import (
    LOSSLESS,
    Found,
    Storing,
    distinct_rows,
    found_bits,
    found_codebook,
    found_part,
    zero_first,
)
from kcsim.weights.matching import LayerWeights
from kcsim.weights.recognize_layouts import (
    divided_codebooks,
    frequent_values,
    scaled_filters,
    shared_blocks,
)
from kcsim.weights.recognize_units import distinct_values as distinct_values
from kcsim.weights.recognize_units import equal_subvectors, equal_units, scaled_kernels
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

FOUND = "found"
"""The word for clusters that are in the weights, in place of a specification."""
_LENGTHS, _CLEARLY_FEWER = (2, 4, 8, 16), 0.9

Floats = NDArray[np.float32]


def recognize_network(
    network: Network,
    weights: Mapping[str, LayerWeights],
    storing: Storing | None = None,
) -> ClusteredWeights:
    """Find the clusters that are in weights.

    A layer is taken as clustered if its entries are used twice or more on average, and scalars
    only up to 256 of them. Of several units and layouts, the one that takes the fewest bits is
    chosen: one codebook for a layer, for some of its filters or channels, with a scale for each
    filter, or beside a few exact weights. Layers share a codebook where that takes fewer bits
    than a codebook for each.

    Parameters
    ----------
    network : Network
    weights : mapping of str to LayerWeights
        By layer.
    storing : Storing, optional
        How the indexes are stored.

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
    storing = storing or Storing()
    found = {
        layer.name: best
        for layer in network.trained_layers
        if (best := _best(layer, weights[layer.name], storing)) is not None
    }
    if not found:
        raise InputError("no layer has few distinct values, rows, kernels or sub-vectors")
    found = _shared(network, weights, found, storing)
    layers = {layer.name: found[layer.name].clustered for layer in network if layer.name in found}
    return ClusteredWeights(
        network,
        _name(storing),
        layers,
        {each.codebook.name: each.codebook for each in found.values()},
        {name: given.weight.copy() for name, given in weights.items() if name not in found},
        {name: given.bias.copy() for name, given in weights.items() if given.bias is not None},
    )


def _name(storing: Storing) -> str:
    settings = ",".join(f"{name}={value}" for name, value in storing.settings.items())
    return f"{FOUND}:{settings}" if settings else FOUND


def _best(layer: ConvLayer, given: LayerWeights, storing: Storing) -> Found | None:
    """The clusters that take the fewest bits; of equal ones, the simplest."""
    weights = given.weight
    found = list(equal_units(layer, weights, storing))
    if storing.positions == "all":
        for length in _LENGTHS:
            if length <= weights.shape[1]:
                fewest = min((found_bits([each]) for each in found), default=math.inf)
                found += equal_subvectors(layer, weights, length, fewest, storing.index)
    if given.layout is not None and storing.positions == "all":
        found.append(_stored(given.layout, storing))
    found += _layouts(layer, weights, storing, found)
    if not found and storing.positions == "all":
        found += scaled_kernels(layer, weights, storing.index)
    return min(found, key=lambda each: found_bits([each]), default=None)


def _stored(found: Found, storing: Storing) -> Found:
    """What a file says, under a coding of indexes."""
    part = found.clustered.part
    settings = replace(part.settings, **{**storing.settings, "positions": part.settings.positions})
    return replace(found, clustered=replace(found.clustered, part=replace(part, settings=settings)))


def _layouts(
    layer: ConvLayer, weights: Floats, storing: Storing, found: Sequence[Found]
) -> Iterator[Found]:
    """Clusters in other layouts than one codebook of scalars, rows or kernels for the layer."""
    plain = [found_bits([each]) for each in found]
    # What happens to take a few bits less is no layout that somebody chose.
    fewest = _CLEARLY_FEWER * min(plain) if plain else 32.0 * weights.size
    for search in (shared_blocks, divided_codebooks, frequent_values, scaled_filters):
        for each in search(layer, weights, storing, fewest):
            bits = found_bits([each])
            if bits < fewest:
                fewest = bits
                yield each


def _shared(
    network: Network,
    weights: Mapping[str, LayerWeights],
    found: dict[str, Found],
    storing: Storing,
) -> dict[str, Found]:
    """The same with codebooks for several layers, where that takes fewer bits."""
    groups: dict[tuple[str, Unit], list[str]] = {}
    for name, each in found.items():
        part = each.clustered.part
        if part.unit and _may_share(part, storing):
            groups.setdefault((part.settings.scheme, part.unit), []).append(name)
    result = dict(found)
    for (scheme, unit), names in groups.items():
        own = {name: found[name].codebook.entries.values.reshape(-1, unit.size) for name in names}
        entries, _ = distinct_rows(np.concatenate([*own.values()]))
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
        if storing.positions != "all":
            entries, _ = zero_first(entries, np.zeros(0, np.int32))
        settings = Clustering(
            scheme, k=len(entries), scope="network", dense="none", **storing.settings
        )
        apart = {
            name: found_bits([result[name]])
            if name in result
            else 32 * network.layer(name).weight_words
            for name in (*names, *others)
        }
        best, fewest = {}, sum(apart.values())
        dense = [name for name in others if name not in result]
        for sharing in dict.fromkeys(((*names, *dense), (*names, *others))):
            layers = [network.layer(name) for name in sharing]
            shared = _with_codebook(layers, weights, settings, entries)
            bits = found_bits([*shared.values()])
            bits += sum(apart[name] for name in apart if name not in sharing)
            if bits < fewest:
                best, fewest = shared, bits
        result |= best
    return result


def _may_share(part: LayerClustering, storing: Storing) -> bool:
    """Whether the entries are rows or kernels of which other layers may have some."""
    settings = part.settings
    is_plain = settings.stages == 1 and part.subspaces == 1 and settings.filter_scale_bits is None
    return (
        settings.scheme in ("row", "kernel")
        and is_plain
        and (settings.positions == storing.positions)
    )


def _shares(found: Found) -> bool:
    return found.clustered.part.settings.scope == "network"


def _adds_none(entries: Floats, units: Floats) -> bool:
    """Whether units are all among the entries."""
    return len(distinct_rows(np.concatenate([entries, units]))[0]) == len(entries)


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
) -> dict[str, Found]:
    """Layers with one codebook, which has all of their units."""
    name = f"shared {settings}"
    parts = [found_part(layer, settings, len(entries), name) for layer in layers]
    served = sum(part.units for part in parts)
    result = {}
    for part in parts:
        assert part.unit is not None
        blocks = cut_units(weights[part.layer.name].weight, part.unit)
        units = blocks.reshape(-1, part.unit.size)
        numbers = distinct_rows(np.concatenate([entries, units]))[1]
        # Entries need not be in ascending order.
        entry = np.empty(len(entries), np.int32)
        entry[numbers[: len(entries)]] = np.arange(len(entries), dtype=np.int32)
        indexes = entry[numbers[len(entries) :]].reshape(blocks.shape[:4])
        clustered = ClusteredLayer(
            replace(part, codebook_units=served), indexes, None, None, None, *LOSSLESS
        )
        result[part.layer.name] = Found(clustered, found_codebook(name, entries, part.unit))
    return result
