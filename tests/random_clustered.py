"""Clustered weights with random values, for tests of everything that does not fit them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kcsim.clustering.precision import quantize
from kcsim.clustering.resolve import resolve_network
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.units import weights_shape
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook, Outliers
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

SMALL = Network(
    "small",
    (
        ConvLayer("conv1", 3, 8, 12, 12, 3, 3, bias=True),
        ConvLayer("conv2", 8, 6, 10, 10, 3, 3, groups=2),
        ConvLayer("wide", 6, 4, 8, 8, 1, 5),
        ConvLayer("point", 6, 10, 8, 8, 1, 1),
        ConvLayer.linear("fc", 10, 7),
    ),
)
SPECS = (
    "scalar:k=5",
    "scalar:k=200",
    "scalar:k=1,codebook_bits=16",
    "row:rate=0.3,index=huffman",
    "row:k=9,sparse=0.4,codebook_bits=6,index=huffman",
    "row:k=9,codebook_bits=8,index=entropy",
    "kernel:k=7",
    "kernel:k=12,codebook_bits=5,transforms=4,index=huffman;conv2:k=3",
    "scaled_kernel:k=6,scale_bits=8,transforms=4",
    "scaled_kernel:k=6,transforms=8,scope=layer,dense=pointwise+linear+wide",
    "linear_kernel:k=4,scale_bits=32,offset_bits=11",
    "product:k=4,length=4",
    "product:k=3,length=5,index=huffman,codebook_bits=16",
)


LAYOUT_SPECS = (
    "block:k=5,shape=2x1x1,dense=conv1",
    "block:k=5,shape=1xRxS,codebook_bits=8,index=huffman;point:shape=5x1x1x1",
    "block:k=6,shape=2x1xRxS,index=huffman,dense=conv2+fc",
    "block:k=3,shape=2xRxS,dense=conv1,stages=3,index=entropy",
    "scalar:k=4,codebook_filters=2",
    "scalar:k=4,codebook_filters=3,codebook_channels=2,codebook_bits=6,index=huffman",
    "row:k=3,codebook_channels=1,dense=none",
    "kernel:k=3,codebook_filters=2,transforms=4",
    "scalar:k=3,stages=2,filter_scale_bits=8",
    "scalar:k=5,outliers=0.05,filter_scale_bits=16,index=huffman",
    "product:k=4,length=4,outliers=0.1,filter_scale_bits=32",
    "scalar:k=6,positions=relative,position_bits=1,codebook_bits=16",
    "scalar:k=6,positions=relative,index=huffman",
    "scalar:k=257,positions=bitmask",
    "row:k=6,positions=bitmask,index=entropy,outliers=0.02,codebook_filters=2",
    "kernel:k=7;linear:scheme=scalar,k=3;point:scheme=product,length=4",
)
"""Layouts that the first format of the file has no words for."""


def random_clustered(network: Network = SMALL, spec: str = "kernel:k=7", seed: int = 0):
    """Random indexes, entries and extras of a network under a specification."""
    rng = np.random.default_rng(seed)
    parts = [part for part in resolve_network(network, parse_clustering(spec)) if part.unit]
    codebooks, layers = {}, {}
    for part in parts:
        settings, unit = part.settings, part.unit
        channels = weights_shape(part.layer)[1]
        depth = settings.stages * part.subspaces * unit.filters * unit.channels
        if settings.is_product:
            depth = channels
        entries = rng.normal(size=(part.clusters, depth, unit.height, unit.width))
        if settings.positions != "all":
            entries[0] = 0
        stored = quantize(entries, settings.codebook_bits or 32, "entries")
        codebooks.setdefault(part.codebook, Codebook(part.codebook, stored))
        shape = unit.grid(part.layer)
        # Skewed, so that Huffman codes have words of several lengths.
        stacked = (settings.stages, *shape) if settings.stages > 1 else shape
        skewed = part.clusters * rng.random(stacked) ** 2
        if settings.positions != "all":
            skewed *= rng.random(stacked) < 0.4
        transforms = rng.integers(settings.transforms, size=shape).astype(np.uint8)
        layers[part.layer.name] = ClusteredLayer(
            part,
            skewed.astype(np.int32),
            transforms if settings.transforms > 1 else None,
            quantize(rng.normal(size=shape), settings.scale_bits, "scales")
            if settings.kind.has_scales
            else None,
            quantize(rng.normal(size=shape), settings.offset_bits, "offsets")
            if settings.kind.has_offsets
            else None,
            0.25,
            0.5,
            None
            if settings.filter_scale_bits is None
            else quantize(
                rng.normal(size=part.layer.out_channels), settings.filter_scale_bits, "scales"
            ),
            _outliers(part, rng) if settings.outliers else None,
        )
    dense = {
        layer.name: rng.normal(size=weights_shape(layer)).astype(np.float32)
        for layer in network
        if layer.name not in layers
    }
    biases = {
        layer.name: rng.normal(size=layer.out_channels).astype(np.float32)
        for layer in network
        if layer.bias
    }
    return ClusteredWeights(network, spec, layers, codebooks, dense, biases)


def _outliers(part, rng):
    words = part.layer.weight_words
    places = np.sort(rng.choice(words, round(part.settings.outliers * words), replace=False))
    return Outliers(places, rng.normal(size=len(places)).astype(np.float32))


def zeroed(codebook: Codebook, part=...):
    """A codebook in which some entries are zero."""
    codes = codebook.entries.codes.copy()
    codes[part] = 0
    return replace(codebook, entries=replace(codebook.entries, codes=codes))
