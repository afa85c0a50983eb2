import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcsim.clustering.coding import fixed_index_bits
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import layer_storage, network_storage, worst_case_entropy
from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer

# Published per-layer settings of Wide ResNet 16-4 (Deep k-Means, Section 5.3 and its code).
WRN_SPARSE = [0, 0.3, 0.4, 0.5, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.9, 0.5, 0.75, 0.9]
WRN_K_45 = [144, 90, 80, 50, 30, 30, 100, 50, 10, 50, 50, 30, 7, 12, 7, 7]
WRN_K_47 = [144, 90, 80, 50, 30, 30, 100, 50, 10, 50, 50, 7, 6, 12, 7, 7]


def wide_resnet(k, position_12, index):
    # The published code counts a bias for every convolution.
    layers = [replace(layer, bias=True) for layer in zoo.load("wrn_16_4")]
    sparse = [*WRN_SPARSE[:11], position_12, *WRN_SPARSE[12:]]
    parts = [
        f"{layer.name}:k={clusters},sparse={share}"
        for layer, clusters, share in zip(layers[:-1], k, sparse, strict=True)
    ]
    spec = ";".join([f"row:k=1,index={index}", *parts])
    return network_storage(layers, parse_clustering(spec))


@pytest.mark.parametrize(
    ("k", "position_12", "index", "ratio"),
    [
        (WRN_K_45, 0.62, "entropy", 43.45),
        (WRN_K_47, 0.6, "entropy", 45.38),
        (WRN_K_47, 0.87, "entropy", 48.10),
        (WRN_K_45, 0.62, "fixed", 22.31),
        (WRN_K_47, 0.6, "fixed", 23.50),
        (WRN_K_47, 0.87, "fixed", 23.50),
    ],
)
def test_deep_kmeans_wide_resnet(k, position_12, index, ratio):
    # Bounds below the published 45, 47 and 50, from the largest entropy of each layer.
    storage = wide_resnet(k, position_12, index)
    assert storage.uncompressed_bits == 32 * 2_747_530
    assert storage.ratio() == pytest.approx(ratio, abs=0.005)
    assert storage.is_expectation == (index == "entropy")


@pytest.mark.parametrize(
    ("layer", "k", "ratio"),
    [("conv1", k, 16000 / (160 * k + 100 * math.log2(k))) for k in range(6, 14)]
    + [("conv2", k, 800000 / (160 * k + 5000 * math.log2(k))) for k in range(25, 251, 25)],
)
def test_deep_kmeans_lenet_figure_1(layer, k, ratio):
    storage = network_storage(
        [layer_ for layer_ in zoo.load("lenet5") if layer_.name == layer],
        Clustering("row", k=k, index="entropy"),
    )
    assert storage.ratio(biases=False) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("spec", "ratio"),
    [
        ("son:k=256", 11.98),
        ("son:k=128,transforms=2", 11.99),
        ("son:k=32,transforms=8", 12.00),
        ("son:k=256,scale_bits=8", 17.95),
        ("matsui:k=256", 35.8),
        ("matsui:rate=0.144", 4.84),
    ],
)
def test_vgg16_kernels(spec, ratio):
    storage = network_storage(zoo.load("vgg16_cifar"), parse_clustering(spec))
    places = 0.05 if ratio == 35.8 else 0.005
    assert storage.ratio("clustered", biases=False) == pytest.approx(ratio, abs=places)


def test_matsui_codebook_alone():
    storage = network_storage(zoo.load("vgg16"), parse_clustering("matsui:rate=0.144"))
    (codebook_bits,) = storage.shared_codebook_bits.values()
    assert codebook_bits == 235_367 * 288
    assert 1_634_496 * 288 / codebook_bits == pytest.approx(6.94, abs=0.005)
    assert sum(layer.indexes_bits for layer in storage.layers) == 1_634_496 * 18


@pytest.mark.parametrize(
    ("spec", "ratio"), [("son:k=256", 11.75), ("son:k=32,transforms=8", 11.77)]
)
def test_son_vgg16_cifar_whole_model(spec, ratio):
    # With the rest at 32 bit: biases and four words of batch normalization for every channel.
    network = zoo.load("vgg16_cifar")
    storage = network_storage(network, parse_clustering(spec))
    rest = 32 * 4 * sum(layer.out_channels for layer in network if layer.kind == "conv")
    whole = (storage.uncompressed_bits + rest) / (storage.total_bits + rest)
    assert whole == pytest.approx(ratio, abs=0.005)
    assert (storage.total_bits + rest) / 2**23 == pytest.approx(4.8, abs=0.05)


@pytest.mark.parametrize(
    ("spec", "ratio"),
    [
        ("son:k=256,dense=first+pointwise+linear", 11.97),
        ("son:k=1024,dense=first+pointwise+linear", 10.97),
        ("son:k=256,scale_bits=8,dense=first+pointwise+linear", 17.9),
        ("son:k=1024,scale_bits=8,dense=first+pointwise+linear", 15.8),
    ],
)
def test_son_resnet18(spec, ratio):
    storage = network_storage(zoo.load("resnet18"), parse_clustering(spec))
    assert storage.ratio("clustered") == pytest.approx(ratio, abs=0.05)
    assert sum(layer.clustering.units for layer in storage.layers) == 1_220_608


@pytest.mark.parametrize(
    ("k", "bits", "ratio"),
    [(64, 32, 4.11), (128, 32, 4.06), (256, 32, 4.00), (1024, 32, 3.89), (256, 16, 7.2)],
)
def test_linear_representation_without_its_codebook(k, bits, ratio):
    layer = zoo.load("vgg16").layers[1]
    stored = layer_storage(
        layer, Clustering("linear_kernel", k=k, scale_bits=bits, offset_bits=bits)
    )
    rest = stored.weights_bits - stored.codebook_bits
    assert stored.uncompressed_weights_bits / rest == pytest.approx(ratio, abs=0.006)


def test_q_cnn_alexnet():
    # 232.5 -> 12.54 MiB, 18.54x: the dimensions of the released model, weights only.
    spec = "pq:k=128,length=8;fc[67]:k=32,length=4;fc8:k=16,length=1"
    storage = network_storage(zoo.load("alexnet"), parse_clustering(spec))
    plain = sum(layer.uncompressed_weights_bits for layer in storage.layers)
    stored = sum(layer.weights_bits for layer in storage.layers)
    assert plain / 2**23 == pytest.approx(232.5, abs=0.05)
    assert stored / 2**23 == pytest.approx(12.54, abs=0.005)
    assert storage.ratio(biases=False) == pytest.approx(18.54, abs=0.005)
    subspaces = [layer.clustering.subspaces for layer in storage.layers]
    assert subspaces == [1, 6, 32, 24, 24, 2304, 1024, 4096]


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 300), st.integers(1, 64))
def test_deep_compression_formula(inputs, outputs, k, bits):
    # r = n b / (n log2 k + k b), Deep Compression, Section 3.
    layer = ConvLayer.linear("fc", inputs, outputs)
    n = inputs * outputs
    k = min(k, n)
    storage = network_storage([layer], Clustering("scalar", k=k, index="entropy"), weight_bits=bits)
    expected = n * bits / (n * math.log2(k) + k * bits)
    assert storage.ratio(biases=False) == pytest.approx(expected)


@given(st.integers(1, 10**6))
def test_fixed_index_is_the_shortest_that_tells_all_clusters_apart(clusters):
    bits = fixed_index_bits(clusters)
    assert 2**bits >= clusters
    assert clusters == 1 or 2 ** (bits - 1) < clusters


@given(st.integers(2, 60), st.integers(1, 999))
def test_worst_case_entropy_is_that_of_its_distribution(clusters, thousandths):
    sparse = thousandths / 1000
    shares = [sparse] + [(1 - sparse) / (clusters - 1)] * (clusters - 1)
    shannon = -sum(share * math.log2(share) for share in shares)
    assert worst_case_entropy(clusters, sparse, 10**9) == pytest.approx(shannon)


@given(st.integers(1, 1000), st.floats(0, 0.999), st.integers(1, 1000))
def test_worst_case_entropy_is_bounded(clusters, sparse, units):
    clusters = min(clusters, units)
    entropy = worst_case_entropy(clusters, sparse, units)
    assert 0 <= entropy <= math.log2(clusters) + 1e-9


def test_worst_case_entropy_with_fewer_units_than_clusters():
    # Two of four units are tied to zero; the others have an entry each.
    assert worst_case_entropy(10, 0.5, 4) == 0.5 * 1 + 2 * 0.25 * 2


def test_entropy_of_a_shared_codebook_counts_the_units_of_all_layers():
    network = [ConvLayer(name, 1, 2, 8, 8, 1, 3) for name in ("a", "b")]
    clustering = parse_clustering("row:k=10,sparse=0.5,scope=network,index=entropy")
    storage = network_storage(network, clustering)
    assert [layer.clustering.clusters for layer in storage.layers] == [4, 4]
    assert [layer.indexes_bits for layer in storage.layers] == [2 * 1.5, 2 * 1.5]


@given(
    st.sampled_from(["scalar", "row", "kernel", "scaled_kernel", "linear_kernel", "product"]),
    st.floats(0.001, 1),
    st.sampled_from(["fixed", "entropy"]),
)
def test_parts_sum_to_the_total(scheme, rate, index):
    length = 4 if scheme == "product" else None
    clustering = Clustering(scheme, rate=rate, index=index, length=length)
    storage = network_storage(zoo.load("resnet20"), clustering, weight_bits=16, bias_bits=32)
    parts = sum(
        layer.codebook_bits
        + layer.indexes_bits
        + layer.transforms_bits
        + layer.scales_bits
        + layer.offsets_bits
        + layer.dense_weights_bits
        + layer.biases_bits
        for layer in storage.layers
    ) + sum(storage.shared_codebook_bits.values())
    assert storage.total_bits == pytest.approx(parts)
    assert storage.ratio() == pytest.approx(storage.uncompressed_bits / parts)
    if index == "fixed":
        assert isinstance(storage.total_bits, int)


@given(st.integers(2, 500))
def test_shared_codebook_counts_once(k):
    network = zoo.load("resnet20")
    shared = network_storage(network, Clustering("kernel", k=k))
    own = network_storage(network, Clustering("kernel", k=k, scope="layer"))
    assert list(shared.shared_codebook_bits.values()) == [k * 9 * 32]
    assert not own.shared_codebook_bits
    assert sum(layer.codebook_bits for layer in own.layers) == sum(
        layer.clustering.clusters * 9 * 32 for layer in own.layers
    )


def test_single_layer_holds_its_codebook():
    layer = ConvLayer("conv", 8, 16, 8, 8, 3, 3, bias=True)
    stored = layer_storage(
        layer, parse_clustering("son:k=20,transforms=4,codebook_bits=8"), weight_bits=16
    )
    # The integers of the codebook have one step, a float32.
    assert stored.codebook_bits == 20 * 9 * 8 + 32
    assert stored.indexes_bits == 128 * 5
    assert stored.transforms_bits == 128 * 2
    assert stored.scales_bits == 128 * 16
    assert stored.offsets_bits == stored.dense_weights_bits == 0
    assert stored.biases_bits == 16 * 16
    assert stored.bits_per_weight == (1440 + 32 + 640 + 256 + 2048) / 1152
    assert not stored.is_expectation


def test_layer_that_stays_dense():
    stored = layer_storage(ConvLayer.linear("fc", 10, 5), Clustering("row", k=2, index="entropy"))
    assert stored.total_bits == stored.uncompressed_bits == 55 * 32
    assert stored.bits_per_weight == 32
    assert not stored.is_expectation


def test_ratio_of_the_convolutions():
    network = [ConvLayer("conv", 4, 4, 8, 8, 3, 3), ConvLayer.linear("fc", 100, 10, bias=False)]
    storage = network_storage(network, Clustering("kernel", k=4))
    stored = 4 * 288 + 16 * 2
    assert storage.ratio("conv") == storage.ratio("clustered") == 16 * 288 / stored
    assert storage.ratio() == (16 * 288 + 32000) / (stored + 32000)


def test_ratio_of_the_convolutions_leaves_other_codebooks_out():
    network = [ConvLayer("conv", 4, 4, 8, 8, 3, 3), ConvLayer.linear("fc", 100, 10)]
    storage = network_storage(network, Clustering("kernel", k=4, dense="none"))
    assert len(storage.shared_codebook_bits) == 2
    assert storage.ratio("conv") == 16 * 288 / (4 * 288 + 16 * 2)


def test_ratio_of_an_unknown_or_empty_part():
    storage = network_storage([ConvLayer.linear("fc", 10, 5)], Clustering("kernel", k=4))
    with pytest.raises(InputError, match="did you mean 'conv'"):
        storage.ratio("convs")
    with pytest.raises(InputError, match="no layer to compute the ratio of part 'clustered'"):
        storage.ratio("clustered")
