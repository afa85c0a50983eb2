"""The container of clustered weights, against loops over single weights."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_clustered import SMALL, SPECS, random_clustered

import kcsim
from kcsim.clustering.coding import huffman_lengths
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import network_storage
from kcsim.clustering.unit import Unit
from kcsim.clustering.units import cut_units, join_units, transformed, weights_shape
from kcsim.errors import InputError
from kcsim.workload import zoo

specs = pytest.mark.parametrize("spec", SPECS)


@given(*[st.integers(1, 3)] * 7)
def test_units_are_blocks_of_the_tensor(filters, blocks, high, wide, channels, rows, columns):
    shape = (filters, blocks * channels, high * rows, wide * columns)
    weights = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    units = cut_units(weights, Unit(channels, rows, columns))
    assert units.shape == (filters, blocks, high, wide, channels, rows, columns)
    for m, b, h, w in np.ndindex(units.shape[:4]):
        block = weights[
            m,
            b * channels : (b + 1) * channels,
            h * rows : (h + 1) * rows,
            w * columns : (w + 1) * columns,
        ]
        assert (units[m, b, h, w] == block).all()
    assert (join_units(units) == weights).all()


def test_the_transforms_are_the_eight_of_the_square():
    entry = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    eight = [transformed(entry, kind)[0] for kind in range(8)]
    assert len({each.tobytes() for each in eight}) == 8
    assert (eight[0] == entry[0]).all()
    assert (eight[1] == np.fliplr(entry[0])).all()
    assert (eight[2] == np.flipud(entry[0])).all()
    assert (eight[3] == np.rot90(entry[0], 2)).all()
    for kind in range(4):
        assert (eight[4 + kind] == np.rot90(eight[kind])).all()


def one_weight(weights, layer, m, c, r, s):
    """The formula of the format, for a single weight."""
    part = layer.part
    unit = part.unit
    entries = weights.codebooks[part.codebook].entries.values
    place = (m, c // unit.channels, r // unit.height, s // unit.width)
    entry = entries[layer.indexes[place]]
    if part.settings.is_product:
        return entry[c, 0, 0]
    if layer.transforms is not None:
        entry = transformed(entry, int(layer.transforms[place]))
    value = entry[0, r % unit.height, s % unit.width]
    if layer.scales is not None:
        value = value * layer.scales.values[place]
    if layer.offsets is not None:
        value = value + layer.offsets.values[place]
    return value


@specs
def test_decoding_weight_by_weight(spec):
    weights = random_clustered(spec=spec)
    for name, layer in weights.layers.items():
        decoded = weights.decode(name)
        assert decoded.dtype == np.float32
        assert decoded.shape == weights_shape(layer.part.layer)
        for place in np.ndindex(decoded.shape):
            assert decoded[place] == one_weight(weights, layer, *place)
    for name, dense in weights.dense.items():
        assert (weights.decode(name) == dense).all()


@specs
def test_distinct_entries_by_sets(spec):
    for layer in random_clustered(spec=spec).layers.values():
        groups = layer.part.layer.groups
        filters, blocks = layer.indexes.shape[:2]
        product = layer.part.settings.is_product
        per_channel, per_filter, used = {}, {}, set()
        for m, b, h, w in np.ndindex(layer.indexes.shape):
            turned = 0 if layer.transforms is None else int(layer.transforms[m, b, h, w])
            entry = (int(layer.indexes[m, b, h, w]), b if product else 0)
            channel = m // (filters // groups) * blocks + b
            per_channel.setdefault(channel, set()).add((*entry, turned))
            per_filter.setdefault(m, set()).add((*entry, turned))
            used.add(entry)
        assert layer.used_entries == len(used)
        assert layer.distinct_per_channel.tolist() == [
            len(per_channel[channel]) for channel in range(groups * blocks)
        ]
        assert layer.distinct_per_filter.tolist() == [len(per_filter[m]) for m in range(filters)]


@specs
def test_storage_of_real_indexes(spec):
    weights = random_clustered(spec=spec)
    clustering = parse_clustering(spec)
    real, formula = weights.storage(), network_storage(SMALL, clustering)
    assert not real.is_expectation
    used = Counter()
    for layer in weights.layers.values():
        used.update((layer.part.codebook, int(index)) for index in layer.indexes.ravel())
    served = Counter()
    for (codebook, _), count in used.items():
        served[codebook] += count
    if clustering.index == "fixed":
        assert [each.weights_bits for each in real.layers] == [
            each.weights_bits for each in formula.layers
        ]
    elif clustering.index == "entropy":
        entropy = -sum(n * math.log2(n / served[codebook]) for (codebook, _), n in used.items())
        assert sum(layer.indexes_bits for layer in real.layers) == pytest.approx(entropy)
        assert real.total_bits <= formula.total_bits
    else:
        for name in weights.codebooks:
            counts = weights.counts(name)
            assert counts.sum() == served[name]
            bits = sum(
                layer.indexes_bits for layer in real.layers if layer.clustering.codebook == name
            )
            assert bits == counts @ huffman_lengths(counts)
    assert real.shared_codebook_bits == formula.shared_codebook_bits
    assert [each.codebook_bits for each in real.layers] == [
        each.codebook_bits for each in formula.layers
    ]


@settings(max_examples=10)
@given(st.sampled_from(SPECS), st.integers(0, 1000))
def test_entropy_is_at_most_huffman_is_at_most_fixed(spec, seed):
    base = parse_clustering(spec.replace(",index=huffman", "").replace(",index=entropy", ""))
    bits = {}
    for index in ("entropy", "huffman", "fixed"):
        weights = random_clustered(spec=str(replace(base, index=index)), seed=seed)
        bits[index] = sum(layer.indexes_bits for layer in weights.storage().layers)
    assert bits["entropy"] <= bits["huffman"] + 1e-6
    # A lone used entry takes one bit in a Huffman code, as in a codebook of two.
    assert bits["huffman"] <= bits["fixed"]


def test_only_some_layers_and_another_batch():
    weights = random_clustered()
    some = SMALL.select(["conv*"]).with_batch(4)
    storage = weights.storage(some)
    assert [each.clustering.layer for each in storage.layers] == list(some)
    whole = {each.clustering.layer.name: each for each in weights.storage().layers}
    for each in storage.layers:
        assert each.indexes_bits == whole[each.clustering.layer.name].indexes_bits


def test_layers_that_the_weights_do_not_fit():
    weights = random_clustered()
    other = zoo.load("lenet5")
    with pytest.raises(InputError) as caught:
        weights.storage(other)
    first, *_, last = str(caught.value).splitlines()
    assert first == "layer 'conv1': the clustered weights are 8x3x3x3; expected 20x1x5x5"
    assert last == "the clustered weights of 'small' have no layer 'ip2'"
    with pytest.raises(InputError, match="did you mean 'wide'"):
        weights.decode("widt")


def test_an_estimate_counts_the_real_indexes():
    weights = random_clustered(spec="kernel:k=12,index=huffman,dense=pointwise+linear+wide")
    real = kcsim.estimate("eyeriss", weights=weights)
    assert real["decode"].clustering == weights.clustering
    assert real.network == SMALL
    assert not real["decode"].storage.is_expectation
    assumed = kcsim.estimate("eyeriss", SMALL, weights.clustering)
    for ours, theirs in zip(real["decode"].layers, assumed["decode"].layers, strict=True):
        assert ours.weight_format.codebook_bits == theirs.weight_format.codebook_bits
        if ours.weight_format.unit:
            layer = weights.layers[ours.layer.name]
            lengths = huffman_lengths(weights.counts(layer.part.codebook))
            assert ours.weight_format.unit_bits == Fraction(
                int(layer.counts @ lengths), layer.part.units
            )
            assert ours.weight_format.unit_bits < theirs.weight_format.unit_bits
    assert real["decode"].energy < assumed["decode"].energy


def test_weights_and_a_clustering_exclude_each_other():
    with pytest.raises(InputError, match="'weights' and 'clustering'"):
        kcsim.estimate("eyeriss", SMALL, "kernel:k=4", weights=random_clustered())
    with pytest.raises(InputError, match="neither a network nor clustered weights"):
        kcsim.estimate("eyeriss")
