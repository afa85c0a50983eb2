"""Arrays that several results share, or that something was derived from, do not change."""

from __future__ import annotations

import numpy as np
import pytest
from random_clustered import SMALL, SPECS, random_clustered

import kcsim
from kcsim.clustering.units import weights_shape
from kcsim.weights.weight_files import load_weights


def arrays_of(clustered):
    for codebook in clustered.codebooks.values():
        yield codebook.entries.codes
        yield codebook.entries.values
    for layer in clustered.layers.values():
        yield layer.indexes
        yield layer.counts
        if layer.transforms is not None:
            yield layer.transforms
        for stored in (layer.scales, layer.offsets):
            if stored is not None:
                yield stored.codes
                yield stored.values
    yield from clustered.dense.values()
    yield from clustered.biases.values()


def tensors_of(network, clusters=None):
    generator = np.random.default_rng(0)
    shapes = {f"{layer.name}.weight": weights_shape(layer) for layer in network}
    shapes |= {f"{layer.name}.bias": (layer.out_channels,) for layer in network if layer.bias}
    values = {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    if clusters:
        values = {name: np.round(value * clusters).clip(-9, 9) for name, value in values.items()}
    return values


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_is_changed_through_clustered_weights(spec, tmp_path):
    made = random_clustered(SMALL, spec)
    kcsim.save_clustered(made, tmp_path / "weights")
    for clustered in (made, kcsim.load_clustered(tmp_path / "weights")):
        for array in arrays_of(clustered):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


@pytest.mark.parametrize("spec", ["kernel:k=4", "found"])
def test_clustered_weights_share_no_memory_with_the_given_tensors(spec):
    tensors = tensors_of(SMALL, clusters=2 if spec == "found" else None)
    clustered = kcsim.cluster_network(SMALL, tensors, spec)
    before = {layer.name: clustered.decode(layer.name) for layer in SMALL}
    biases = {name: np.array(bias) for name, bias in clustered.biases.items()}
    for tensor in tensors.values():
        tensor *= -1
    for name, weights in before.items():
        np.testing.assert_array_equal(clustered.decode(name), weights)
    for name, bias in biases.items():
        np.testing.assert_array_equal(clustered.biases[name], bias)
        assert bias.any()


def test_clustering_leaves_the_given_tensors_as_they_are():
    tensors = tensors_of(SMALL)
    before = {name: tensor.copy() for name, tensor in tensors.items()}
    clustered = kcsim.cluster_network(SMALL, tensors, "linear_kernel:k=4")
    kcsim.estimate("eyeriss", weights=clustered)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, before[name])
        assert tensor.flags.writeable


@pytest.mark.parametrize("spec", ["kernel:k=4", "product:k=3,length=5", "scalar:k=2"])
def test_decoded_weights_are_an_array_of_their_own(spec):
    clustered = random_clustered(SMALL, spec)
    for layer in SMALL:
        decoded = clustered.decode(layer.name)
        expected = decoded.copy()
        decoded *= 0
        np.testing.assert_array_equal(clustered.decode(layer.name), expected)


def test_two_readings_of_a_file_share_nothing(tmp_path):
    tensors = tensors_of(SMALL)
    np.savez(tmp_path / "weights.npz", **tensors)
    first, second = (load_weights(tmp_path / "weights.npz") for _ in range(2))
    for name, tensor in first.items():
        assert not np.shares_memory(tensor, second[name])
