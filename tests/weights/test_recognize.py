"""Weights that are clustered already: found again without loss."""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_weights import real_file

import kcsim
from kcsim.errors import InputError
from kcsim.weights.matching import match_weights
from kcsim.weights.recognize import distinct_values

NETWORK = kcsim.Network(
    "small",
    (
        kcsim.ConvLayer("conv1", 3, 32, 9, 9, 3, 3),
        kcsim.ConvLayer("conv2", 32, 32, 9, 9, 3, 3, bias=True),
        kcsim.ConvLayer("last", 32, 64, 9, 9, 1, 1),
    ),
)
SHAPES = {"conv1": (32, 3, 3, 3), "conv2": (32, 32, 3, 3), "last": (64, 32, 1, 1)}


def dense(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def found(weights, **options):
    clustered = kcsim.cluster_network(NETWORK, weights, "found", **options)
    for name in SHAPES:
        decoded = clustered.decode(name)
        # The same bits, of zeros of either sign as well.
        assert decoded.tobytes() == weights[name].tobytes()
    return clustered


def test_dense_weights_are_not_found():
    with pytest.raises(InputError, match="no layer has few distinct values, rows, kernels"):
        kcsim.cluster_network(NETWORK, dense(), "found")


@given(st.integers(1, 256), st.integers(0, 100))
@settings(max_examples=20)
def test_scalars(k, seed):
    rng = np.random.default_rng(seed)
    codebook = rng.normal(size=k).astype(np.float32)
    weights = dense() | {"conv2": codebook[rng.integers(k, size=SHAPES["conv2"])]}
    layers = found(weights).layers
    assert list(layers) == ["conv2"]
    part = layers["conv2"].part
    # Of one or two values, longer units may take fewer bits still.
    assert part.settings.scheme == "scalar" or k < 8
    assert part.clusters == len(np.unique(weights["conv2"])) or k < 8


def test_zeros_of_both_signs_are_two_values():
    weights = dense()
    weights["conv2"] = np.zeros(SHAPES["conv2"], np.float32)
    weights["conv2"][::2] = -0.0
    assert distinct_values(weights["conv2"]) == 2
    found(weights)


@pytest.mark.parametrize("axis", ["row", "kernel"])
def test_rows_and_kernels(axis):
    rng = np.random.default_rng(1)
    weights = dense()
    size = {"row": (1, 3), "kernel": (3, 3)}[axis]
    codebook = rng.normal(size=(20, *size)).astype(np.float32)
    chosen = codebook[rng.integers(20, size=(32, 32, 3 // size[0], 1))]
    weights["conv2"] = chosen.swapaxes(3, 4).reshape(SHAPES["conv2"])
    (layer,) = found(weights).layers.values()
    assert (layer.part.settings.scheme, layer.part.clusters) == (axis, 20)
    assert layer.mean_squared_error == 0
    assert layer.variance_kept == 1


def test_a_codebook_for_all_layers():
    # conv1 has no kernel twice on average, but no other kernels than conv2.
    rng = np.random.default_rng(2)
    codebook = rng.normal(size=(90, 3, 3)).astype(np.float32)
    numbers = np.concatenate([np.arange(90), rng.integers(90, size=32 * 35 - 90)])
    kernels = codebook[numbers].reshape(32, 35, 3, 3)
    weights = dense() | {"conv1": kernels[:, :3].copy(), "conv2": kernels[:, 3:].copy()}
    clustered = found(weights)
    assert list(clustered.layers) == ["conv1", "conv2"]
    (book,) = clustered.codebooks.values()
    assert book.clusters == 90
    assert {layer.part.settings.scope for layer in clustered.layers.values()} == {"network"}
    assert len(clustered.storage().shared_codebook_bits) == 1


def test_sub_vectors():
    rng = np.random.default_rng(3)
    weights = dense()
    codebook = rng.normal(size=(8, 6, 4)).astype(np.float32)
    chosen = np.stack([codebook[block][rng.integers(6, size=64)] for block in range(8)], axis=1)
    weights["last"] = chosen.reshape(64, 32, 1, 1)
    (layer,) = found(weights).layers.values()
    assert layer.part.settings.is_product
    assert (layer.part.settings.length, layer.part.clusters, layer.part.subspaces) == (4, 6, 8)


def test_scaled_shapes():
    rng = np.random.default_rng(4)
    weights = dense()
    shapes = rng.normal(size=(25, 3, 3)).astype(np.float32)
    scales = rng.normal(size=(32, 32, 1, 1)).astype(np.float32)
    scales[0, 0] = 0
    weights["conv2"] = (scales * shapes[rng.integers(25, size=(32, 32))]).astype(np.float32)
    clustered = kcsim.cluster_network(NETWORK, weights, "found")
    (layer,) = clustered.layers.values()
    assert layer.part.settings.scheme == "scaled_kernel"
    # Kernels of nothing have a shape of their own.
    assert layer.part.clusters == 26
    error = np.abs(clustered.decode("conv2") - weights["conv2"]).max(axis=(2, 3))
    assert (error <= 1e-6 * np.abs(weights["conv2"]).max(axis=(2, 3))).all()
    noisy = weights | {"conv2": weights["conv2"] + rng.normal(0, 1e-3, SHAPES["conv2"])}
    with pytest.raises(InputError, match="no layer has few"):
        kcsim.cluster_network(NETWORK, noisy, "found")


def test_huffman_codes_for_what_was_found():
    weights = dense()
    weights["conv2"] = np.where(np.abs(weights["conv2"]) > 1.5, np.float32(1), np.float32(0))
    fixed = found(weights)
    clustered = kcsim.cluster_network(NETWORK, weights, "found:index=huffman")
    assert clustered.clustering == "found:index=huffman"
    assert clustered.storage().total_bits <= fixed.storage().total_bits + 5 * 512
    for text, message in {
        "found:k=3": "found has no setting 'k'; expected index",
        "found:index=hufman": "did you mean 'huffman'?",
    }.items():
        with pytest.raises(InputError) as caught:
            kcsim.cluster_network(NETWORK, weights, text)
        assert message in str(caught.value)


PRUNED_AND_SHARED = Path(__file__).parent.parent / "data" / "pruned_and_shared.npz"


def coded_bits(counts, index):
    """Bits of the indexes of entries with these counts, tables aside."""
    counts = counts[counts > 0]
    if index == "fixed" or len(counts) == 1:
        return counts.sum() * int(np.ceil(np.log2(len(counts))))
    if index == "entropy":
        return float(-(counts * np.log2(counts / counts.sum())).sum())
    heap, total = counts.tolist(), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        pair = heapq.heappop(heap) + heapq.heappop(heap)
        total += pair
        heapq.heappush(heap, pair)
    return total


def bits_of_units(weights, scheme, index):
    """What a tensor takes as distinct scalars, rows or kernels; ``inf`` if they hardly repeat."""
    size = {"scalar": 1, "row": weights.shape[3], "kernel": weights[0, 0].size}[scheme]
    units = weights.reshape(-1, size)
    entries, counts = np.unique(units, axis=0, return_counts=True)
    if 2 * len(entries) > len(units) or (scheme == "scalar" and len(entries) > 256):
        return np.inf
    table = 5 * len(entries) if index == "huffman" else 0
    return 32 * entries.size + table + coded_bits(counts, index)


@pytest.mark.parametrize("index", ["fixed", "huffman", "entropy"])
def test_the_units_that_are_found_take_the_fewest_bits_as_they_are_coded(index):
    (weights,) = np.load(PRUNED_AND_SHARED).values()
    layer = kcsim.ConvLayer("conv1", 32, 64, 16, 16, 3, 3, padding=1)
    clustered = kcsim.cluster_network(
        kcsim.Network("one", (layer,)), {"conv1": weights}, f"found:index={index}"
    )
    bits = {s: bits_of_units(weights, s, index) for s in ("scalar", "row", "kernel")}
    assert clustered.storage().total_bits == pytest.approx(min(bits.values()))
    # Rows at equal lengths, scalars where zeros take less than other values.
    best = "row" if index == "fixed" else "scalar"
    assert clustered.layers["conv1"].part.settings.scheme == min(bits, key=bits.get) == best
    assert round(clustered.storage().total_bits) == {
        "fixed": 73248, "huffman": 28625, "entropy": 18565
    }[index]  # fmt: skip


@given(
    st.sampled_from(["fixed", "huffman", "entropy"]),
    st.sampled_from([(1, 1), (1, 3), (3, 3)]),
    st.integers(1, 60),
    st.floats(0, 0.95),
    st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_no_units_take_fewer_bits_than_those_that_are_found(index, unit, k, zeros, seed):
    rng = np.random.default_rng(seed)
    codebook = rng.choice(rng.normal(size=20), size=(k, *unit)).astype(np.float32)
    codebook[rng.random(k) < zeros] = 0
    blocks = codebook[rng.integers(k, size=(16, 8, 3 // unit[0], 3 // unit[1]))]
    weights = blocks.transpose(0, 1, 2, 4, 3, 5).reshape(16, 8, 3, 3)
    layer = kcsim.ConvLayer("c", 8, 16, 5, 5, 3, 3)
    clustered = kcsim.cluster_network(
        kcsim.Network("one", (layer,)), {"c": weights}, f"found:index={index}"
    )
    bits = min(bits_of_units(weights, s, index) for s in ("scalar", "row", "kernel"))
    part = clustered.layers["c"].part
    stored = clustered.storage().total_bits
    assert stored == pytest.approx(bits) or (part.settings.is_product and stored < bits)
    assert part.settings.index == index
    assert clustered.decode("c").tobytes() == weights.tobytes()


def test_sub_vectors_of_all_channels():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(8, 4)).astype(np.float32)
    weights = vectors[rng.integers(8, size=64)].reshape(64, 4, 1, 1)
    layer = kcsim.ConvLayer("c", 4, 64, 5, 5, 1, 1)
    clustered = kcsim.cluster_network(kcsim.Network("one", (layer,)), {"c": weights}, "found")
    part = clustered.layers["c"].part
    assert (part.settings.length, part.subspaces, part.clusters) == (4, 1, 8)
    # Less than the 32 scalars, of which each vector is told by 4 indexes.
    assert clustered.storage().total_bits == 8 * 4 * 32 + 64 * 3


@pytest.mark.parametrize("index", ["fixed", "huffman", "entropy"])
def test_layers_share_kernels_though_scalars_would_be_best_alone(index):
    # Kernels of 8-bit values: a small layer alone takes less as scalars than with a codebook of
    # kernels, but next to nothing with that of the large one.
    rng = np.random.default_rng(6)
    codebook = rng.integers(-99, 99, size=(150, 3, 3)).astype(np.float32)
    layers = (kcsim.ConvLayer("small", 20, 20, 9, 9, 3, 3),
              kcsim.ConvLayer("large", 64, 64, 9, 9, 3, 3))  # fmt: skip
    network = kcsim.Network("two", layers)
    weights = {
        layer.name: codebook[rng.integers(150, size=(layer.out_channels, layer.in_channels))]
        for layer in layers
    }
    alone = kcsim.cluster_network(network.select("small"), weights, f"found:index={index}")
    assert alone.layers["small"].part.settings.scheme == "scalar"
    clustered = kcsim.cluster_network(network, weights, f"found:index={index}")
    assert len(clustered.codebooks) == 1
    apart = sum(
        kcsim.cluster_network(network.select(name), weights, f"found:index={index}")
        .storage().total_bits for name in weights
    )  # fmt: skip
    assert clustered.storage().total_bits < apart
    for name, given_weights in weights.items():
        assert clustered.decode(name).tobytes() == given_weights.tobytes()


def test_a_note_about_weights_that_need_no_clustering():
    weights = dense()
    weights["conv2"] = np.sign(weights["conv2"])
    clustered = kcsim.cluster_network(NETWORK, weights, "kernel:k=4")
    (note,) = clustered.notes
    assert note.startswith("Layer conv2 has only 2 distinct values; 'found'")


def test_the_genuine_deep_compression_of_squeezenet():
    path = real_file("imagenet_squeezenet1_0_deepcompression.npz")
    clustered = kcsim.cluster_network("squeezenet1_0", path, "found:index=huffman")
    given = match_weights(clustered.network, kcsim.load_weights(path))
    assert len(clustered.layers) == len(clustered.network) == 26
    codes = np.load(path, allow_pickle=False)
    for layer in clustered.network:
        weight = given[layer.name]
        assert clustered.decode(layer.name).tobytes() == weight.weight.tobytes()
        assert clustered.layers[layer.name].part.settings.scheme == "scalar"
        name = weight.tensor.removesuffix(".weight")
        used = np.unique(codes[f"{name}.codebook"][codes[f"{name}.codes"]])
        assert clustered.layers[layer.name].part.clusters == len(used)
    # 8 bits for each of 1,244,448 weights of 32, and 26 codebooks of 256.
    fixed = kcsim.cluster_network("squeezenet1_0", path, "found").storage()
    assert fixed.ratio("all", biases=False) == pytest.approx(
        32 * 1_244_448 / (8 * 1_244_448 + 26 * 256 * 32), rel=1e-3
    )
    assert clustered.storage().total_bits < 0.5 * fixed.total_bits
