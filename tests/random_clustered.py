"""Clustered weights with random values, for tests of everything that does not fit them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kcsim.clustering.precision import quantize
from kcsim.clustering.resolve import resolve_network
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.units import weights_shape
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
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


def random_clustered(network: Network = SMALL, spec: str = "kernel:k=7", seed: int = 0):
    """Random indexes, entries and extras of a network under a specification."""
    rng = np.random.default_rng(seed)
    parts = [part for part in resolve_network(network, parse_clustering(spec)) if part.unit]
    codebooks, layers = {}, {}
    for part in parts:
        settings, unit = part.settings, part.unit
        filters, channels, rows, columns = weights_shape(part.layer)
        depth = channels if settings.is_product else 1
        entries = rng.normal(size=(part.clusters, depth, unit.height, unit.width))
        stored = quantize(entries, settings.codebook_bits or 32, "entries")
        codebooks.setdefault(part.codebook, Codebook(part.codebook, stored))
        shape = (
            filters,
            unit.channel_blocks(part.layer),
            rows // unit.height,
            columns // unit.width,
        )
        # Skewed, so that Huffman codes have words of several lengths.
        skewed = part.clusters * rng.random(shape) ** 2
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


def zeroed(codebook: Codebook, part=...):
    """A codebook in which some entries are zero."""
    codes = codebook.entries.codes.copy()
    codes[part] = 0
    return replace(codebook, entries=replace(codebook.entries, codes=codes))
