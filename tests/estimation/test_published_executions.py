"""Figures that papers print for shared products, counted for whole tiles."""

from __future__ import annotations

import pytest
from shared_layers import on_one_level

from kcsim.clustering.compute import expected_distinct, table_compute
from kcsim.clustering.resolve import resolve_network
from kcsim.clustering.spec import parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.hardware.reader import load_hardware
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.workload import zoo

SIMPLE = load_hardware("simple")
Q_CNN = "pq:k=128,length=8;fc[67]:k=32,length=4;fc8:k=16,length=1"


def whole_layers(network, spec, sharing="share_products"):
    """Every clustered layer as one whole tile, all loops at the outermost level."""
    clustering = parse_clustering(spec)
    parts = resolve_network(network, clustering)
    for part, form in zip(parts, weight_formats(tuple(network), SIMPLE, clustering), strict=True):
        if part.unit is None:
            continue
        distinct = DistinctEntries.expected(part)
        yield on_one_level(part.layer, SIMPLE, distinct, sharing, form)


@pytest.mark.parametrize(
    ("k", "reduction"), [(32, 6.2), (64, 3.6), (128, 2.3), (256, 1.6), (512, 1.3), (1024, 1.15)]
)
def test_son_vgg16_cifar_multiplies(k, reduction):
    # Son, Nah, Lee, ECCV 2018: one codebook of 3x3 kernels for all convolutions of VGG-16.
    dense = multiplies = adds = gathered = 0
    for found in whole_layers(zoo.load("vgg16_cifar"), f"kernel:k={k},scope=network,dense=linear"):
        layer = found.layer
        assert layer.kernel_height == layer.kernel_width == 3
        dense += layer.macs
        multiplies += found.operations.multiplies
        adds += found.operations.adds
        # Kernels that are gathered, one for each pair of channels and each output pixel.
        gathers = layer.out_channels * layer.in_channels * layer.out_height * layer.out_width
        assert found.gather.counts.macs == gathers
        # Each product of 9 taps takes 8 adds, and is gathered where it is used.
        products = found.intermediate.words
        assert found.operations.multiplies == 9 * products
        assert found.operations.adds == 8 * products + gathers
        assert found.intermediate.is_expectation
        gathered += gathers
    assert dense == 9 * gathered
    assert dense / multiplies == pytest.approx(reduction, rel=0.03)
    # What the ratio leaves out: each of the dense layers' adds was one a multiply.
    assert adds == 8 * multiplies // 9 + dense // 9


def test_son_sums_take_more_multiplies_where_filters_are_more_than_channels():
    network = zoo.load("vgg16_cifar")
    spec = "kernel:k=128,scope=network,dense=linear"
    products, sums = (
        {found.layer.name: found for found in whole_layers(network, spec, sharing)}
        for sharing in ("share_products", "share_sums")
    )
    for name, found in products.items():
        layer = found.layer
        more = sums[name].operations.multiplies >= found.operations.multiplies
        assert more == (layer.out_channels >= layer.in_channels)


def covered(size, taps, stride, padding):
    """Rows of a padded image that some window needs: from the first to the last."""
    padded = size + sum(padding)
    return padded - (padded - taps) % stride


def test_q_cnn_alexnet_tables_differ_by_padding_and_rows_that_no_window_needs():
    # Wu et al., CVPR 2016: 4.156x, with a table for every pixel of the unpadded image.
    network = zoo.load("alexnet")
    tables = {
        part.layer.name: (part, table_compute(part))
        for part in resolve_network(network, parse_clustering(Q_CNN))
    }
    macs = published = counted = surplus = 0
    for found in whole_layers(network, Q_CNN):
        layer = found.layer
        part, compute = tables.pop(layer.name)
        more = surplus_of(layer, part)
        assert found.intermediate.width == part.clusters
        assert found.operations.multiplies - compute.table_macs == more
        # A table entry of d products takes d - 1 adds; every lookup is one add, as in the paper.
        length = part.unit.channels
        assert found.gather.counts.macs == compute.lookup_adds
        inner_adds = found.operations.multiplies // length * (length - 1)
        assert found.operations.adds == compute.lookup_adds + inner_adds
        macs += layer.macs
        published += compute.total
        counted += found.operations.multiplies + found.gather.counts.macs
        surplus += more
    assert not tables
    assert macs / published == pytest.approx(4.156, abs=5e-4)
    assert counted - published == surplus > 0


def surplus_of(layer, part):
    """Products that the phases compute and the paper does not count."""
    top, bottom, left, right = layer.padding
    rows = covered(layer.in_height, layer.kernel_height, layer.stride[0], (top, bottom))
    columns = covered(layer.in_width, layer.kernel_width, layer.stride[1], (left, right))
    padding = layer.batch * (rows * columns - layer.in_height * layer.in_width)
    more = padding * layer.in_channels * part.clusters
    # A last sub-vector that is short is filled up to full length: conv1 has three channels.
    length, channels = part.unit.channels, layer.in_channels // layer.groups
    places = layer.batch * rows * columns
    filled = layer.groups * (-channels % length)
    assert (filled > 0) == (layer.name == "conv1")
    more += filled * part.clusters * places
    # Entries that no unit is expected to have: one of conv5's, of 6144.
    blocks = layer.groups * -(-channels // length)
    draws = layer.out_channels // layer.groups * layer.kernel_height * layer.kernel_width
    unused = part.clusters * blocks - round(blocks * expected_distinct(part.clusters, draws))
    assert unused == (layer.name == "conv5")
    more -= unused * length * places
    assert layer.kind != "linear" or more == 0
    return more
