"""Weights that are clustered already: found again without loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_weights import real_file

import kcsim
from kcsim.clustering.matching import match_weights
from kcsim.clustering.recognise import distinct_values
from kcsim.errors import InputError

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
