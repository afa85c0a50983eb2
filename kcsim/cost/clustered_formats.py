"""The formats that a clustering gives to the weights of every layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from kcsim.clustering.positions import COUNT_BITS
from kcsim.clustering.resolve import (
    check_units,
    resolve_network,
    settings_of,
)
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import LayerStorage
from kcsim.cost.weight_format import WeightFormat, codebook_store, dense_format
from kcsim.hardware.schema import Hardware
from kcsim.weights.clustered import ClusteredWeights, stored_network
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

MOST_ZEROS = math.nextafter(1.0, 0.0)
"""Share of zeros of weights that are all zero: a share is below 1."""


def weight_formats(
    layers: Sequence[ConvLayer],
    hardware: Hardware,
    clustering: Clustering | ClusteredWeights | None,
) -> tuple[WeightFormat, ...]:
    """The format of every layer's weights; of real weights, with the bits of their indexes.

    Raises
    ------
    InputError
        If the hardware has no codebook store, or the clustering does not fit
        the layers.
    """
    value_bits = hardware.precision_bits.weights
    if clustering is None:
        return tuple(dense_format(layer, hardware) for layer in layers)
    decode_level = hardware.level_index(codebook_store(hardware).level)
    loaded: set[str] = set()
    formats = []
    for stored in stored_network(layers, clustering, weight_bits=value_bits).layers:
        name = stored.clustering.codebook
        layer = stored.clustering.layer
        own = layer.precision_bits.weights or value_bits
        formats.append(_format(stored, own, decode_level, name not in loaded))
        loaded.add(name)
    return tuple(formats)


def selected_format(
    network: Network, hardware: Hardware, clustering: Clustering | None
) -> WeightFormat:
    """The format of the weights of one layer that was selected from its network.

    Parameters
    ----------
    network : Network
        As `kcsim.workload.reader.select_layer` returns it.
    hardware : Hardware
    clustering : Clustering, optional
        Of the whole network; dense weights when absent.

    Raises
    ------
    InputError
        As `weight_formats`, or if there are more clusters than units.
    """
    if clustering is not None:
        clustering = settings_of(network, clustering)
        check_units(resolve_network(network.layers, clustering))
    return weight_formats(network.layers, hardware, clustering)[0]


def clustered_zeros(
    layers: Sequence[ConvLayer], clustering: Clustering | ClusteredWeights
) -> tuple[ConvLayer, ...]:
    """The layers with the zeros that their clustered weights have.

    Of real weights that is the share of decoded weights that are exactly zero; of a clustering,
    the share of units that it ties to zero (`Clustering.sparse`). With relative positions, zeros
    that pad them are computed with as all others (Han et al., EIE, ISCA 2016, Section III). Layers
    that stay dense, and those with a share of zero weights of their own, are left as they are.

    Parameters
    ----------
    layers : sequence of ConvLayer
    clustering : Clustering or ClusteredWeights

    Raises
    ------
    InputError
        If the clustering does not fit the layers.
    """
    return tuple(
        layer
        if stored.clustering.unit is None or layer.zeros.weights
        else replace(layer, zeros=replace(layer.zeros, weights=_zero_share(stored, clustering)))
        for layer, stored in zip(layers, stored_network(layers, clustering).layers, strict=True)
    )


def _zero_share(stored: LayerStorage, clustering: Clustering | ClusteredWeights) -> float:
    part = stored.clustering
    if part.settings.positions == "relative":
        entries = (stored.positions_bits - COUNT_BITS) / part.settings.position_bits
        return min(max(1 - entries / part.units, 0.0), MOST_ZEROS)
    if isinstance(clustering, Clustering):
        return part.settings.sparse
    weights = clustering.decode(part.layer.name)
    return min(np.count_nonzero(weights == 0) / weights.size, MOST_ZEROS)


def _format(stored: LayerStorage, value_bits: int, decode_level: int, first: bool) -> WeightFormat:
    part = stored.clustering
    if part.unit is None:
        return WeightFormat(value_bits)
    bits = Fraction(stored.indexes_bits) + stored.transforms_bits
    bits += part.units * part.settings.extras_bits
    bits += Fraction(stored.positions_bits) + stored.outliers_bits
    bits += part.layer.out_channels * (part.settings.filter_scale_bits or 0)
    return WeightFormat(
        value_bits, part.unit.shape, bits / part.units, decode_level, part.codebook_words,
        part.codebook_words * (part.settings.codebook_bits or value_bits), first,
        int(part.settings.kind.has_scales or part.settings.filter_scale_bits is not None),
        part.settings.kind.has_offsets + part.settings.stages - 1,
        unit_filters=part.unit.filters, stages=part.settings.stages,
        leaves_out_zeros=part.settings.positions != "all",
    )  # fmt: skip
