"""Distinct entries of tiles: real ones against plain sets, expected ones against their formula."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_clustered import SPECS, random_clustered, zeroed
from random_sharing import SPECS as SMALL_SPECS

from kcsim.clustering.compute import expected_distinct
from kcsim.clustering.precision import StoredValues
from kcsim.clustering.resolve import resolve_layer
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

LAYERS = (
    ConvLayer("grouped", 8, 6, 5, 5, 3, 3, groups=2),
    ConvLayer("wide", 7, 4, 12, 12, 1, 5, stride=2, dilation=(1, 2)),
    ConvLayer("last", 6, 12, 4, 4, 2, 1),
)


def divisors(number):
    return [n for n in range(1, number + 1) if number % n == 0]


def units_of(weights, codebook, without_zeros):
    """Group, filter, block and name of every unit that is not left out, one by one."""
    part = weights.part
    filters = part.layer.out_channels // part.layer.groups
    decoded = weights.decode(codebook)
    channels, height, width = part.unit.shape
    for m, block, row, column in np.ndindex(weights.indexes.shape):
        values = decoded[
            m,
            block * channels : (block + 1) * channels,
            row * height : (row + 1) * height,
            column * width : (column + 1) * width,
        ]
        if without_zeros and not values.any():
            continue
        turned = (
            None if weights.transforms is None else int(weights.transforms[m, block, row, column])
        )
        space = block if part.settings.is_product else None
        name = (int(weights.indexes[m, block, row, column]), turned, space)
        yield m // filters, m % filters, block, name


def check(weights, codebook, without_zeros):
    """Every tile size, by plain sets."""
    found = DistinctEntries.of(weights, codebook, without_zeros=without_zeros)
    layer = weights.part.layer
    filters, blocks = layer.out_channels // layer.groups, weights.indexes.shape[1]
    units = list(units_of(weights, codebook, without_zeros))
    assert found.blocks == blocks
    assert found.units_per_kernel == weights.indexes[0, 0].size
    assert found.zero_share == pytest.approx(1 - len(units) / weights.indexes.size, abs=1e-12)
    assert not found.is_expectation
    for size in divisors(filters):
        tiles = np.empty((layer.groups, filters // size, blocks), object)
        for place in np.ndindex(tiles.shape):
            tiles[place] = set()
        for group, m, block, name in units:
            tiles[group, m // size, block].add(name)
        np.testing.assert_array_equal(found.per_block(size), np.vectorize(len)(tiles))
    for size in divisors(blocks):
        tiles = np.empty((layer.groups, filters, blocks // size), object)
        for place in np.ndindex(tiles.shape):
            tiles[place] = set()
        for group, m, block, name in units:
            tiles[group, m, block // size].add(name)
        np.testing.assert_array_equal(found.per_filter(size), np.vectorize(len)(tiles))
    return found


def with_zeros(weights, codebook, rng):
    """The same weights, where some entries, scales and offsets are zero."""

    def some(stored):
        if stored is None:
            return None
        kept = rng.random((len(stored.values), *(1,) * (stored.values.ndim - 1))) < 0.5
        return StoredValues(stored.values * kept.astype(np.float32), 32)

    weights = replace(weights, scales=some(weights.scales), offsets=some(weights.offsets))
    return weights, replace(codebook, entries=some(codebook.entries))


@pytest.mark.parametrize("spec", sorted({*SPECS, *SMALL_SPECS}))
@pytest.mark.parametrize("without_zeros", [False, True])
def test_real_entries_against_plain_sets(spec, without_zeros):
    spec = spec.split(";")[0].replace("+wide", "+wide+last")
    rng = np.random.default_rng(len(spec))
    everything = random_clustered(Network("three", LAYERS), spec, seed=len(spec))
    assert everything.layers
    for weights in everything.layers.values():
        codebook = everything.codebooks[weights.part.codebook]
        check(*with_zeros(weights, codebook, rng), without_zeros)


@settings(max_examples=40, deadline=None)
@given(
    spec=st.sampled_from(SMALL_SPECS), groups=st.integers(1, 2), channels=st.integers(1, 7),
    filters=st.sampled_from((1, 2, 4, 6)), taps=st.tuples(*[st.integers(1, 3)] * 2),
    seed=st.integers(0, 99), without_zeros=st.booleans(),
)  # fmt: skip
def test_random_layers_against_plain_sets(
    spec, groups, channels, filters, taps, seed, without_zeros
):
    layer = ConvLayer("layer", groups * channels, groups * filters, 4, 4, *taps, groups=groups)
    assume(not (layer.is_pointwise and spec.startswith(("scaled", "linear"))))
    everything = random_clustered(Network("one", (layer,)), spec, seed)
    assume(everything.layers)
    weights = everything.layers["layer"]
    codebook = everything.codebooks[weights.part.codebook]
    found = check(*with_zeros(weights, codebook, np.random.default_rng(seed)), without_zeros)
    for sizes, count in (
        (divisors(filters), found.per_block),
        (divisors(found.blocks), found.per_filter),
    ):
        totals = {size: int(count(size).sum()) for size in sizes}
        # A larger tile shares all that its parts do.
        for size, part in itertools.product(sizes, sizes):
            assert size % part or totals[size] <= totals[part]


def test_a_short_last_sub_vector_has_entries_of_its_own():
    layer = ConvLayer("layer", 7, 4, 3, 3, 1, 1)
    everything = random_clustered(Network("one", (layer,)), "product:k=2,length=3", 1)
    weights = everything.layers["layer"]
    assert weights.indexes.shape == (4, 3, 1, 1)
    found = check(weights, everything.codebooks[weights.part.codebook], False)
    # Sub-spaces share nothing, so that every unit of a filter has an entry of its own.
    np.testing.assert_array_equal(found.per_filter(3), 3)


def test_units_are_zero_where_the_short_end_of_an_entry_is():
    layer = ConvLayer("layer", 4, 4, 3, 3, 1, 1)
    everything = random_clustered(Network("one", (layer,)), "product:k=2,length=3", 1)
    weights = everything.layers["layer"]
    codebook = zeroed(everything.codebooks[weights.part.codebook], np.s_[0, 3:])
    found = check(weights, codebook, True)
    assert 0 < found.zero_share < 1


@pytest.mark.parametrize("without_zeros", [False, True])
def test_all_zero_weights_have_no_entries_where_zeros_are_left_out(without_zeros):
    layer = ConvLayer("layer", 4, 4, 3, 3, 3, 3)
    everything = random_clustered(Network("one", (layer,)), "kernel:k=3", 1)
    weights = everything.layers["layer"]
    codebook = zeroed(everything.codebooks[weights.part.codebook])
    found = DistinctEntries.of(weights, codebook, without_zeros=without_zeros)
    assert (found.per_block(4).sum() == 0) == without_zeros
    assert found.zero_share < 1


@given(
    scheme=st.sampled_from(("scalar", "row", "kernel", "product")), k=st.integers(1, 300),
    groups=st.integers(1, 2), channels=st.integers(1, 12), filters=st.integers(1, 12),
    taps=st.tuples(*[st.integers(1, 3)] * 2), turned=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_expected_entries_follow_their_formula(scheme, k, groups, channels, filters, taps, turned):
    layer = ConvLayer("layer", groups * channels, groups * filters, 4, 4, *taps, groups=groups)
    part = resolve_layer(
        layer,
        Clustering(
            scheme, k=k, length=2 if scheme == "product" else None, scope="layer",
            transforms=4 if turned and scheme == "kernel" else 1,
        ),
    )  # fmt: skip
    assume(part.unit is not None)
    found = DistinctEntries.expected(part)
    assert found.is_expectation
    kinds = part.clusters * part.settings.transforms
    blocks, per_kernel = found.blocks, found.units_per_kernel
    assert blocks * per_kernel * layer.out_channels == part.units
    for size in divisors(filters):
        counted = found.per_block(size)
        assert counted.shape == (groups, filters // size, blocks)
        check_rounded(counted, expected_distinct(kinds, size * per_kernel))
    for size in divisors(blocks):
        counted = found.per_filter(size)
        assert counted.shape == (groups, filters, blocks // size)
        mean = expected_distinct(kinds, size * per_kernel)
        if scheme == "product":
            mean = size * expected_distinct(kinds, per_kernel)
        check_rounded(counted, mean)


def check_rounded(counted, mean):
    """Whole numbers beside a mean, whose total is right to one half."""
    assert np.all(np.abs(counted - mean) < 1 + 1e-9)
    assert abs(counted.sum() - mean * counted.size) <= 0.5 + 1e-9 * counted.size


@given(
    k=st.integers(1, 200), filters=st.sampled_from((1, 4, 12)),
    channels=st.sampled_from((1, 4, 12)), spec=st.sampled_from(("scalar", "kernel", "row")),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_expected_entries_grow_with_the_codebook_and_with_the_tile(k, filters, channels, spec):
    layer = ConvLayer("layer", channels, filters, 4, 4, 3, 3)
    less, more = (
        DistinctEntries.expected(
            resolve_layer(layer, parse_clustering(f"{spec}:k={n},scope=layer"))
        )
        for n in (k, k + 1)
    )
    for sizes, name in ((divisors(filters), "per_block"), (divisors(channels), "per_filter")):
        means = []
        for size in sizes:
            few, many = getattr(less, name)(size), getattr(more, name)(size)
            assert few.sum() <= many.sum()
            means.append(few.mean())
            # Tiles together have what the whole has, or more.
            assert few.sum() >= getattr(less, name)(sizes[-1]).sum() - 0.5
        # Each is right to one half of a unit in total.
        for (size, mean), larger in zip(
            list(zip(sizes, means, strict=True)), means[1:], strict=False
        ):
            assert mean <= larger + 0.5 * size / sizes[-1] + 0.5


def test_expected_zero_units_are_left_out():
    layer = ConvLayer("layer", 4, 64, 4, 4, 3, 3)
    part = resolve_layer(layer, parse_clustering("row:k=9,sparse=0.5"))
    units = 64 * 3
    with_them = DistinctEntries.expected(part)
    without = DistinctEntries.expected(part, without_zeros=True)
    assert (with_them.zero_share, without.zero_share) == (0, 0.5)
    check_rounded(with_them.per_block(64), expected_distinct(9, units))
    check_rounded(without.per_block(64), expected_distinct(8, units // 2))
    assert without.per_block(64).max() <= 8
