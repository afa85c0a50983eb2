"""Layouts of codebooks: their grids, what they take, and positions of indexes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kcsim
from kcsim.clustering.positions import (
    expected_padding,
    from_relative,
    padding_entries,
    to_relative,
)
from kcsim.clustering.resolve import resolve_layer
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import layer_storage, network_storage
from kcsim.errors import InputError

CONV = kcsim.ConvLayer("conv", 16, 32, 10, 10, 3, 3)


def stored(text, layer=CONV):
    return layer_storage(layer, parse_clustering(text))


# --- published sums


@pytest.mark.parametrize(
    "text",
    [
        "kernel:k=256,scope=layer,codebook_bits=16,dense=first;"
        "pointwise:scheme=block,shape=4x1x1;linear:scheme=block,shape=4x1x1,k=2048",
        "block:k=256,shape=1xRxS,codebook_bits=16,dense=first;"
        "pointwise:shape=4x1x1;linear:shape=4x1x1,k=2048",
    ],
)
def test_resnet18_of_the_bit_goes_down(text):
    # Stock et al., ICLR 2020: kernels in 3x3 layers, vectors of 4 channels in 1x1 layers and fc.
    network = kcsim.load_network("resnet18")
    bits = network_storage(network, parse_clustering(text)).total_bits
    bits += 32 * network.norm_parameters
    assert bits == 12_927_232
    assert 374_064_384 / bits == pytest.approx(28.94, abs=0.005)


def test_a_codebook_for_each_group_of_filters():
    layer = kcsim.ConvLayer("conv1", 32, 64, 16, 16, 3, 3)
    assert stored("scalar:k=16,codebook_filters=16", layer).weights_bits == 75_776
    assert stored("scalar:k=16,codebook_filters=1", layer).weights_bits == 106_496


def test_outliers_beside_a_codebook():
    assert stored(f"scalar:k=16,outliers={23 / 4608}").weights_bits == 19_979
    assert stored(f"scalar:k=16,outliers={400 / 4608}").weights_bits == 36_944


# --- bits, part by part


@pytest.mark.parametrize(
    ("text", "codebook", "indexes", "scales"),
    [
        ("block:k=16,shape=4x1x1", 16 * 4 * 32, 4608 // 4 * 4, 0),
        ("block:k=16,shape=2x3x3", 16 * 18 * 32, 4608 // 18 * 4, 0),
        ("block:k=16,shape=8x1x1x1", 16 * 8 * 32, 4608 // 8 * 4, 0),
        ("block:k=5,shape=2x2xRxS", 5 * 36 * 32, 4608 // 36 * 3, 0),
        ("block:k=16,shape=CxRxS", 16 * 144 * 32, 32 * 4, 0),
        ("scalar:k=4,codebook_channels=5", 4 * 4 * 32, 4608 * 2, 0),
        ("scalar:k=4,codebook_filters=8,codebook_channels=4", 4 * 4 * 4 * 32, 4608 * 2, 0),
        ("row:k=4,codebook_filters=1", 32 * 4 * 3 * 32, 4608 // 3 * 2, 0),
        ("scalar:k=16,stages=3", 3 * 16 * 32, 3 * 4608 * 4, 0),
        ("block:k=16,shape=4x1x1,stages=2,codebook_filters=16", 4 * 16 * 4 * 32, 4608 // 2 * 4, 0),
        ("scalar:k=16,filter_scale_bits=16", 16 * 32, 4608 * 4, 32 * 16),
        ("scalar:k=16,filter_scale_bits=8", 16 * 32, 4608 * 4, 32 * 8 + 32),
        ("product:k=16,length=4,filter_scale_bits=32", 4 * 16 * 4 * 32, 4608 // 4 * 4, 32 * 32),
    ],
)
def test_bits_of_a_layout(text, codebook, indexes, scales):
    found = stored(text)
    assert (found.codebook_bits, found.indexes_bits, found.scales_bits) == (
        codebook, indexes, scales,
    )  # fmt: skip
    assert found.weights_bits == codebook + indexes + scales


def test_bits_of_a_bitmask():
    found = stored("scalar:k=17,sparse=0.75,positions=bitmask")
    assert (found.codebook_bits, found.indexes_bits) == (16 * 32, 1152 * 4)
    assert (found.positions_bits, found.is_expectation) == (4608, False)


def test_bits_of_relative_positions_are_expected_ones():
    found = stored("scalar:k=16,sparse=0.75,positions=relative,position_bits=2")
    padding = 1152 * 0.75**4 / (1 - 0.75**4)
    assert found.indexes_bits == pytest.approx((1152 + padding) * 4)
    assert found.positions_bits == pytest.approx((1152 + padding) * 2 + 32)
    assert found.is_expectation
    assert stored("scalar:k=16,positions=relative").positions_bits == 4608 * 4 + 32


def test_scalars_in_blocks_of_one_are_scalars():
    assert stored("block:k=16,shape=1x1x1").weights_bits == stored("scalar:k=16").weights_bits


def test_product_quantization_is_a_block_with_a_codebook_for_its_channels():
    one, other = stored("product:k=8,length=4"), stored("block:k=8,shape=4x1x1,codebook_channels=4")
    assert one.weights_bits == other.weights_bits
    assert (one.clustering.codebook_numbers == other.clustering.codebook_numbers).all()


# --- grids


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.data())
def test_every_unit_has_the_codebook_of_its_place(filters, channels, across, along, data):
    layer = kcsim.ConvLayer("c", channels * along, filters * across, 3, 3, 1, 1)
    served = data.draw(st.integers(1, filters)) * across
    wide = data.draw(st.integers(1, channels)) * along
    part = resolve_layer(
        layer,
        parse_clustering(
            f"block:k=1,shape={across}x{along}x1x1,codebook_filters={served},"
            f"codebook_channels={wide}"
        ),
    )
    rows, columns = part.codebook_grid
    assert (rows, columns) == (
        math.ceil(filters * across / served), math.ceil(channels * along / wide),
    )  # fmt: skip
    for m in range(filters):
        for c in range(channels):
            place = m * across // served * columns + c * along // wide
            assert part.codebook_numbers[m, c] == place
    counts = np.bincount(part.codebook_numbers.ravel(), minlength=part.subspaces)
    assert (counts.size, counts.max()) == (part.subspaces, part.codebook_units)


# --- settings for some layers


def test_words_for_kinds_of_layers_choose_them():
    network = kcsim.Network(
        "n",
        (
            kcsim.ConvLayer("conv", 8, 8, 9, 9, 3, 3),
            kcsim.ConvLayer("p", 8, 8, 9, 9, 1, 1),
            kcsim.ConvLayer.linear("fc", 8, 8),
        ),
    )
    text = "kernel:k=4,scope=layer;pointwise:scheme=block,shape=2x1x1;linear:scheme=scalar,k=2"
    parts = network_storage(network, parse_clustering(text)).layers
    units = [part.clustering.unit.extents for part in parts]
    assert units == [(1, 3, 3), (2, 1, 1), (1, 1, 1)]
    assert [part.clustering.clusters for part in parts] == [4, 4, 2]


def test_a_layer_that_is_named_as_a_kind_is_meant_by_its_name():
    network = kcsim.Network(
        "n", (kcsim.ConvLayer.linear("fc", 8, 8), kcsim.ConvLayer.linear("linear", 8, 8))
    )
    parts = network_storage(network, parse_clustering("scalar:k=8;linear:k=2")).layers
    assert [part.clustering.clusters for part in parts] == [8, 2]


def test_another_scheme_keeps_settings_that_cannot_differ():
    clustering = parse_clustering(
        "row:rate=0.5,outliers=0.1,codebook_bits=16,index=huffman;conv:scheme=scalar"
    )
    settings = clustering.for_layer(CONV)
    assert str(settings) == "scalar:rate=0.5,codebook_bits=16,index=huffman,dense=linear"


# --- mistakes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("block:k=4", "block has no shape of its units; expected shape, as shape=2x3x3"),
        ("block:k=4,shape=4", "shape is '4'; expected channels x rows x columns as 2x3x3, or"),
        ("block:k=4,shape=0x1x1", "shape is '0x1x1'"),
        ("scalar:k=4,stages=2,sparse=0.5", "stages cannot be combined with sparse or positions"),
        ("kernel:k=4,stages=2,transforms=2", "stages cannot be combined with transforms"),
        ("kernel:k=4,transforms=2,positions=bitmask", "transforms cannot be combined with"),
        ("kernel:k=4,scope=network,codebook_filters=2", "codebook_filters divides the codebooks"),
        ("scalar:k=4,position_bits=3", "position_bits are those of relative positions"),
        ("scalar:k=4,outliers=0.6", "outliers is 0.6; expected a share from 0 to 0.5"),
        ("scalar:k=4;conv:scheme=block", "block has no shape of its units"),
        ("scalar:k=4;conv:scheme=blok", "scheme is 'blok'; expected a scheme"),
        ("scaled_kernel:k=4,stages=2", "scaled_kernel has no setting 'stages'"),
    ],
)
def test_mistakes_in_a_layout(text, message):
    with pytest.raises(InputError) as caught:
        parse_clustering(text)
    assert message in str(caught.value)
    assert all(problem.mark for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("block:k=2,shape=3x1x1", "32x16x3x3 weights are not cut into units of 3x1x1"),
        ("block:k=2,shape=5x1x1x1", "are not cut into units of 5x1x1x1"),
        (
            "block:k=2,shape=4x1x1x1,codebook_filters=6",
            "codebook_filters is 6, but units span 4 filters; expected a multiple of 4",
        ),
    ],
)
def test_units_that_do_not_fit_a_layer(text, message):
    with pytest.raises(InputError) as caught:
        stored(text)
    assert message in str(caught.value)


# --- relative positions


def test_the_example_of_eie():
    # Han et al., ISCA 2016, Section III: 18 zeros do not fit 4 bits.
    units = np.array([0, 0, 1, 2, *[0] * 18, 3], np.int32)
    indexes, gaps = to_relative(units, 4)
    assert indexes.tolist() == [1, 2, 0, 3]
    assert gaps.tolist() == [2, 0, 15, 2]
    assert padding_entries(units == 0, 4) == 1


@given(st.lists(st.integers(0, 2), max_size=80), st.integers(1, 5))
def test_relative_positions_come_back(units, bits):
    units = np.array(units, np.int32)
    indexes, gaps = to_relative(units, bits)
    assert (from_relative(indexes, gaps, len(units)) == units).all()
    assert gaps.max(initial=0) < 2**bits
    assert len(indexes) == np.count_nonzero(units) + padding_entries(units == 0, bits)
    # Step by step: an entry stands behind the zeros that it counts.
    place = -1
    for index, gap in zip(indexes.tolist(), gaps.tolist(), strict=True):
        place += gap + 1
        assert units[place] == index
        assert index or gap == 2**bits - 1


@pytest.mark.parametrize(("share", "bits"), [(0.5, 1), (0.7, 2), (0.9, 3), (0.95, 4)])
def test_expected_padding_is_the_mean(share, bits):
    random = np.random.default_rng(0)
    zeros = random.random((40, 20_000)) < share
    mean = np.mean([padding_entries(each, bits) for each in zeros])
    assert expected_padding(20_000, share, bits) == pytest.approx(mean, rel=0.05)


def test_positions_beyond_the_last_unit_are_refused():
    with pytest.raises(InputError, match="relative positions lead to unit 4 of 4"):
        from_relative(np.array([1], np.int32), np.array([4], np.uint32), 4)
