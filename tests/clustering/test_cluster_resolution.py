from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcsim.clustering.resolve import resolve_layer, resolve_network
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer

# Wide ResNet 16-4: N = s*c*m of every convolution (Wu et al., Deep k-Means, 2018).
WRN_UNITS = [144, 3072, 12288, 1024, 12288, 12288, 24576, 49152, 8192, 49152, 49152, 98304,
             196608, 32768, 196608, 196608]  # fmt: skip


def conv(name="conv", channels=(6, 4), kernel=(3, 3), groups=1, **settings):
    size = (9, 9)
    return ConvLayer(name, *channels, *size, *kernel, groups=groups, **settings)


@st.composite
def layers(draw):
    groups = draw(st.integers(1, 3))
    side = draw(st.integers(2, 4))
    return conv(
        channels=(groups * draw(st.integers(1, 7)), groups * draw(st.integers(1, 4))),
        kernel=(side, side),
        groups=groups,
    )


@given(layers(), st.sampled_from(["scalar", "row", "kernel", "son", "pq"]), st.integers(1, 5))
def test_units_and_codebooks_against_real_blocks(layer, scheme, length):
    clustering = Clustering(scheme, k=2, length=length if scheme == "pq" else None)
    weights = np.zeros(
        (
            layer.out_channels,
            layer.in_channels // layer.groups,
            layer.kernel_height,
            layer.kernel_width,
        )
    )
    part = resolve_layer(layer, clustering)
    uc, ur, us = part.unit.shape
    _, channels, rows, columns = weights.shape
    blocks = [
        weights[m, c : c + uc, r : r + ur, s : s + us].size
        for m in range(len(weights))
        for c in range(0, channels, uc)
        for r in range(0, rows, ur)
        for s in range(0, columns, us)
    ]
    assert part.units == len(blocks)
    assert sum(blocks) == layer.weight_words
    assert max(blocks) == (min(uc, channels) if scheme == "pq" else part.unit.size)
    # The codebooks hold K blocks, in product quantization K of every position of the channels.
    positions = range(0, channels, uc) if scheme == "pq" else [0]
    words = sum(weights[0, c : c + uc, :ur, :us].size for c in positions)
    assert part.codebook_words == part.clusters * words
    assert part.subspaces == len(positions)


def test_wide_resnet_rows():
    parts = resolve_network(zoo.load("wrn_16_4"), parse_clustering("row:rate=0.05"))
    clustered = [part for part in parts if part.unit]
    assert [part.units for part in clustered] == WRN_UNITS
    assert sum(part.layer.weight_words for part in clustered) == 2_742_704
    assert [part.clusters for part in clustered] == [round(n * 0.05) for n in WRN_UNITS]


def test_vgg16_kernels():
    parts = resolve_network(zoo.load("vgg16"), parse_clustering("matsui:rate=0.144"))
    assert sum(part.units for part in parts) == 1_634_496
    assert {part.codebook_units for part in parts if part.unit} == {1_634_496}
    assert {part.clusters for part in parts if part.unit} == {235_367}


def test_row_of_a_pointwise_filter_is_a_scalar():
    layer = conv(kernel=(1, 1))
    assert resolve_layer(layer, Clustering("row", k=2)).unit.shape == (1, 1, 1)


def test_short_last_sub_vector():
    part = resolve_layer(conv(channels=(7, 4)), Clustering("product", k=5, length=3))
    assert (part.units, part.subspaces, part.codebook_units) == (4 * 9 * 3, 3, 4 * 9)
    assert part.codebook_words == 5 * 7


@pytest.mark.parametrize(
    ("k", "clusters", "clipped"), [(23, 23, False), (24, 24, False), (25, 24, True)]
)
def test_no_more_clusters_than_units(k, clusters, clipped):
    part = resolve_layer(conv(), Clustering("kernel", k=k))
    assert (part.clusters, part.clipped) == (clusters, clipped)


def test_rate_gives_at_least_one_cluster():
    assert resolve_layer(conv(), Clustering("kernel", rate=1e-6)).clusters == 1


def test_later_override_wins_and_replaces_the_rate():
    clustering = parse_clustering("row:rate=0.5,sparse=0.2;conv*:k=9;conv2:k=7,sparse=0;c*1:rate=1")
    settings = [clustering.for_layer(conv(name)) for name in ("conv1", "conv2", "conv3", "x")]
    assert [(s.k, s.rate, s.sparse) for s in settings] == [
        (None, 1.0, 0.2), (7, None, 0.0), (9, None, 0.2), (None, 0.5, 0.2)
    ]  # fmt: skip


def test_network_codebooks_are_shared_by_unit_shape_and_settings():
    network = [
        conv("stem", kernel=(7, 7)),
        conv("a"),
        conv("b"),
        conv("c"),
        conv("point", kernel=(1, 1)),
    ]
    parts = resolve_network(network, parse_clustering("kernel:rate=0.25;c:k=30"))
    stem, a, b, c, point = parts
    assert a.codebook == b.codebook
    assert len({stem.codebook, a.codebook, c.codebook}) == 3
    assert [part.codebook_units for part in parts] == [24, 48, 48, 24, 0]
    assert [part.clusters for part in parts] == [6, 12, 12, 24, 0]
    assert point.unit is None
    assert point.cluster_rate == 1


@pytest.mark.parametrize(
    ("dense", "expected"),
    [
        ("none", []),
        ("first", ["conv1"]),
        ("pointwise", ["point"]),
        ("linear", ["fc1", "fc2"]),
        ("first+fc?", ["conv1", "fc1", "fc2"]),
    ],
)
def test_layers_that_stay_dense(dense, expected):
    network = [
        conv("conv1"),
        conv("conv2"),
        conv("point", kernel=(1, 1)),
        ConvLayer.linear("fc1", 4, 4),
        ConvLayer.linear("fc2", 4, 4),
    ]
    parts = resolve_network(network, Clustering("kernel", k=2, dense=dense))
    assert [part.layer.name for part in parts if part.unit is None] == expected


def test_all_that_does_not_fit_a_network_is_told_at_once():
    network = [conv("conv1", kernel=(3, 1)), conv("conv2"), conv("point", kernel=(1, 1))]
    clustering = parse_clustering("son:k=4,transforms=8,dense=pointwse+conv2;conv2:k=2;conv3:k=2")
    with pytest.raises(InputError) as caught:
        resolve_network(network, clustering)
    assert str(caught.value).splitlines() == [
        "'pointwse' matches no layer; expected a layer's name or pattern; "
        "did you mean 'pointwise'?",
        "settings for 'conv2' have no effect: these layers stay dense; "
        "expected another choice than dense=pointwse+conv2",
        "'conv3' matches no layer; expected a layer's name or pattern; did you mean 'conv2'?",
        "layer 'conv1': a 3x1 kernel cannot be rotated; expected transforms of at most 4, or "
        "dense=conv1",
        "layer 'point': 1x1 kernels have no shape to share beside their scale; expected "
        "pointwise and linear among the dense layers",
    ]


def test_settings_of_a_dense_first_layer_have_no_effect():
    clustering = parse_clustering("kernel:k=4,dense=first;a:k=2")
    with pytest.raises(InputError, match="settings for 'a' have no effect"):
        resolve_network([conv("a"), conv("b")], clustering)
    assert resolve_network([conv("b"), conv("a")], clustering)[1].clusters == 2


def test_settings_of_one_layer_do_not_stop_another_from_being_resolved():
    clustering = parse_clustering("kernel:k=8;elsewhere:k=2")
    assert resolve_layer(conv(), clustering).clusters == 8
    with pytest.raises(InputError, match="'elsewhere' matches no layer"):
        resolve_network([conv()], clustering)


def test_batch_changes_nothing():
    layer = conv()
    clustering = Clustering("row", rate=0.3)
    part = resolve_layer(layer, clustering)
    assert resolve_layer(layer.with_batch(5), clustering) == replace(
        part, layer=layer.with_batch(5)
    )
