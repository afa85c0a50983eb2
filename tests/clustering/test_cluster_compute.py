import itertools
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcsim.clustering.compute import expected_distinct, expected_product_share, table_compute
from kcsim.clustering.resolve import resolve_layer, resolve_network
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer


@pytest.mark.parametrize("clusters", range(1, 5))
@pytest.mark.parametrize("draws", range(6))
def test_expected_distinct_by_enumeration(clusters, draws):
    outcomes = list(itertools.product(range(clusters), repeat=draws))
    mean = sum(len(set(outcome)) for outcome in outcomes) / len(outcomes)
    assert expected_distinct(clusters, draws) == pytest.approx(mean)


@given(st.integers(1, 2**62), st.integers(0, 300))
def test_expected_distinct_against_exact_fractions(clusters, draws):
    exact = clusters * (1 - (1 - Fraction(1, clusters)) ** draws)
    assert expected_distinct(clusters, draws) == pytest.approx(float(exact), rel=1e-12)


@given(st.integers(1, 10**6), st.integers(0, 10**9))
def test_expected_distinct_is_bounded(clusters, draws):
    expected = expected_distinct(clusters, draws)
    assert 0 <= expected <= min(clusters, draws) * (1 + 1e-12)
    assert draws == 0 or expected >= 1 - 1e-12


@pytest.mark.parametrize(
    ("k", "reduction"), [(32, 6.2), (64, 3.6), (128, 2.3), (256, 1.6), (512, 1.3), (1024, 1.15)]
)
def test_son_vgg16_cifar_reduction(k, reduction):
    # Derived, Son et al. 2018: min of shared and summed products over one global codebook.
    dense = reduced = 0.0
    for layer in zoo.load("vgg16_cifar"):
        if layer.kind == "conv":
            taps = 9 * layer.out_height * layer.out_width
            inputs, outputs = layer.in_channels, layer.out_channels
            dense += taps * inputs * outputs
            reduced += taps * min(
                inputs * expected_distinct(k, outputs), outputs * expected_distinct(k, inputs)
            )
    assert dense / reduced == pytest.approx(reduction, rel=0.03)


def alexnet_tables():
    spec = "pq:k=128,length=8;fc[67]:k=32,length=4;fc8:k=16,length=1"
    return resolve_network(zoo.load("alexnet"), parse_clustering(spec))


def test_q_cnn_alexnet_speed_up():
    # README of the released model: 4.15x in theory.
    parts = alexnet_tables()
    ratios = [part.layer.macs / table_compute(part).total for part in parts]
    assert ratios == pytest.approx([1.92, 6.06, 6.17, 5.02, 4.24, 3.88, 3.88, 0.98], abs=0.005)
    macs = sum(part.layer.macs for part in parts)
    assert macs / sum(table_compute(part).total for part in parts) == pytest.approx(4.156, abs=5e-4)
    conv = parts[:5]
    ratio = sum(p.layer.macs for p in conv) / sum(table_compute(p).total for p in conv)
    assert ratio == pytest.approx(4.266, abs=5e-4)


def test_q_cnn_formula_parts_scale_with_the_batch():
    layer = ConvLayer("conv", 16, 24, 10, 8, 3, 3, padding=1, stride=2, batch=2)
    compute = table_compute(resolve_layer(layer, Clustering("product", k=32, length=8)))
    assert compute.table_macs == 2 * 10 * 8 * 16 * 32
    assert compute.lookup_adds == 2 * 5 * 4 * 9 * 24 * 2


def test_tables_need_product_quantization():
    layer = ConvLayer("conv", 16, 24, 10, 8, 3, 3)
    with pytest.raises(InputError, match="'conv' is not in product quantization"):
        table_compute(resolve_layer(layer, Clustering("scalar", k=32)))


def pixels(tap, dilation, stride):
    return frozenset(tap * dilation + stride * i for i in range(99)) & frozenset(range(40, 60))


@given(
    st.sampled_from(["scalar", "row", "kernel", "pq"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 40),
)
def test_product_share_against_the_pixels_that_units_meet(scheme, stride, dilation, groups, k):
    layer = ConvLayer("conv", 4, 6, 12, 12, 4, 4, stride=stride, dilation=dilation, groups=groups)
    clustering = Clustering(scheme, k=k, length=2 if scheme == "pq" else None, scope="layer")
    part = resolve_layer(layer, clustering)
    _, ur, us = part.unit.shape
    meeting = Counter(
        (pixels(r, dilation, stride), pixels(s, dilation, stride))
        for _ in range(layer.out_channels // groups)
        for r in range(0, 4, ur)
        for s in range(0, 4, us)
    )
    left = sum(expected_distinct(part.clusters, count) for count in meeting.values())
    assert expected_product_share(part) == pytest.approx(left / meeting.total())


def test_transforms_share_no_products():
    layer = ConvLayer("conv", 8, 512, 8, 8, 3, 3)
    plain = resolve_layer(layer, Clustering("son", k=256))
    turned = resolve_layer(layer, Clustering("son", k=32, transforms=8))
    assert expected_product_share(turned) == expected_product_share(plain)


def test_dense_layer_shares_nothing():
    part = resolve_layer(ConvLayer.linear("fc", 9, 9), Clustering("kernel", k=1))
    assert expected_product_share(part) == 1
    assert math.isclose(float(part.cluster_rate), 1)
