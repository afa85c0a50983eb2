"""Clustering the weights of a network from end to end."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from random_clustered import SMALL, SPECS
from real_weights import real_file

import kcsim
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import network_storage
from kcsim.clustering.units import weights_shape
from kcsim.errors import InputError
from kcsim.weights.clustered_writer import to_bytes


def trained(network=SMALL, seed=0):
    """Weights and biases under the names of torch."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in network:
        tensors[f"{layer.name}.weight"] = rng.normal(size=weights_shape(layer)).astype(np.float32)
        if layer.bias:
            tensors[f"{layer.name}.bias"] = rng.normal(size=layer.out_channels).astype(np.float32)
    return tensors


WEIGHTS = trained()


@pytest.mark.parametrize("spec", SPECS)
def test_every_scheme(spec):
    steps = []
    clustered = kcsim.cluster_network(
        SMALL, WEIGHTS, spec, progress=lambda done, total: steps.append((done, total))
    )
    codebooks = sum(
        max(layer.part.subspaces for layer in clustered.layers.values() if layer.part.codebook == n)
        for n in clustered.codebooks
    )
    assert steps == [(done, codebooks) for done in range(1, codebooks + 1)]
    for name, layer in clustered.layers.items():
        given = WEIGHTS[f"{name}.weight"].astype(np.float64)
        error = ((clustered.decode(name) - given) ** 2).mean()
        assert layer.mean_squared_error == pytest.approx(error, rel=1e-5, abs=1e-12)
        assert layer.variance_kept == pytest.approx(1 - error / given.var(), abs=1e-5)
        assert layer.indexes.dtype == np.int32
        assert layer.indexes.size == layer.part.units
        assert 0 <= layer.indexes.min() <= layer.indexes.max() < layer.part.clusters
    for name, dense in clustered.dense.items():
        np.testing.assert_array_equal(dense, WEIGHTS[f"{name}.weight"])
    assert set(clustered.biases) == {"conv1", "fc"}
    assert set(clustered.dense) | set(clustered.layers) == {layer.name for layer in SMALL}
    formula = network_storage(SMALL, parse_clustering(spec))
    assert clustered.storage().total_bits <= formula.total_bits
    again = kcsim.cluster_network(SMALL, WEIGHTS, spec)
    assert to_bytes(again) == to_bytes(clustered)


@pytest.mark.parametrize("spec", ["scalar:k=2", "row:k=3", "kernel:k=5,scope=layer"])
def test_entries_are_the_means_of_their_units(spec):
    clustered = kcsim.cluster_network(SMALL, WEIGHTS, spec)
    for name, layer in clustered.layers.items():
        entries = clustered.codebooks[name].entries.values
        unit = layer.part.unit
        flat = WEIGHTS[f"{name}.weight"].reshape(-1, unit.size)
        for entry in range(layer.part.clusters):
            own = flat[layer.indexes.ravel() == entry]
            np.testing.assert_allclose(entries[entry].ravel(), own.mean(axis=0), atol=1e-5)


def test_product_quantization_takes_every_sub_space_by_itself():
    clustered = kcsim.cluster_network(SMALL, WEIGHTS, "product:k=4,length=4,dense=first")
    layer = clustered.layers["fc"]
    assert clustered.codebooks["fc"].entries.codes.shape == (4, 10, 1, 1)
    assert layer.indexes.shape == (7, 3, 1, 1)
    entries = clustered.codebooks["fc"].entries.values[:, :, 0, 0]
    weights = WEIGHTS["fc.weight"].reshape(7, 10)
    for block, start in enumerate((0, 4, 8)):
        vectors = weights[:, start : start + 4]
        for entry in np.unique(layer.indexes[:, block]):
            own = vectors[layer.indexes[:, block, 0, 0] == entry]
            np.testing.assert_allclose(
                entries[entry, start : start + 4], own.mean(axis=0), atol=1e-5
            )


def test_as_many_clusters_as_units_lose_nothing():
    clustered = kcsim.cluster_network(SMALL, WEIGHTS, "kernel:k=24,scope=layer")
    assert [layer.part.units for layer in clustered.layers.values()] == [24] * 3
    for name in clustered.layers:
        np.testing.assert_array_equal(clustered.decode(name), WEIGHTS[f"{name}.weight"])


def test_more_clusters_than_some_layers_have_units():
    clustered = kcsim.cluster_network(SMALL, WEIGHTS, "scalar:k=200")
    assert clustered.layers["conv1"].part.clusters == 200
    for name in ("wide", "point", "fc"):
        assert clustered.layers[name].part.clusters == clustered.layers[name].part.units
        np.testing.assert_array_equal(clustered.decode(name), WEIGHTS[f"{name}.weight"])
    assert clustered.notes[0].startswith("Fewer units than clusters: wide, point, fc (3 of 5")


@pytest.mark.parametrize(("scope", "most"), [("layer", 24), ("network", 48)])
def test_more_clusters_than_any_codebook_has_units(scope, most):
    with pytest.raises(InputError, match=f"k is 99, but no codebook serves more than {most} units"):
        kcsim.cluster_network(SMALL, WEIGHTS, f"kernel:k=99,scope={scope}")


def test_fewer_bits_for_the_entries_lose_a_little():
    errors = []
    for bits in (32, 16, 8, 4, 2):
        spec = f"kernel:k=8,codebook_bits={bits}"
        layers = kcsim.cluster_network(SMALL, WEIGHTS, spec).layers
        errors.append(sum(layer.mean_squared_error for layer in layers.values()))
    assert errors == sorted(errors)
    assert errors[1] == pytest.approx(errors[0], rel=1e-3)
    assert errors[2] == pytest.approx(errors[0], rel=0.05)


@pytest.mark.parametrize("index", ["fixed", "huffman", "entropy"])
@pytest.mark.parametrize("ratio", [5.0, 9.0])
def test_a_ratio_is_met_with_as_many_clusters_as_possible(index, ratio):
    settings = f"dense=none,index={index}"
    clustered = kcsim.cluster_network(SMALL, WEIGHTS, f"row:ratio={ratio},{settings}")
    spec = parse_clustering(clustered.clustering)
    assert spec.ratio is None
    assert clustered.storage().ratio() >= ratio
    more = kcsim.cluster_network(SMALL, WEIGHTS, replace(spec, k=spec.k + 1))
    assert more.storage().ratio() < ratio


def test_a_ratio_out_of_reach():
    with pytest.raises(InputError) as caught:
        kcsim.cluster_network(SMALL, WEIGHTS, "row:ratio=50,dense=none")
    best = kcsim.cluster_network(SMALL, WEIGHTS, "row:k=1,dense=none").storage().ratio()
    assert str(caught.value) == (
        f"no number of clusters gives a ratio of 50; expected at most {best:.4g}"
    )
    with pytest.raises(InputError, match="no number of clusters gives a ratio of 50"):
        kcsim.cluster_network(SMALL, WEIGHTS, "row:ratio=50,dense=none,index=entropy")


def test_a_ratio_in_an_estimate():
    result = kcsim.estimate("eyeriss", SMALL, "kernel:ratio=1.2")
    spec = parse_clustering(result["decode"].clustering)
    storage = network_storage(SMALL, spec, weight_bits=16)
    assert storage.ratio() >= 1.2
    assert network_storage(SMALL, replace(spec, k=spec.k + 1), weight_bits=16).ratio() < 1.2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kernel:k=4,dense=*", "leaves every layer of 'small' dense"),
        ("kernel:k=4;conv9:k=2", "'conv9' matches no layer"),
        ("colonel:k=4", "no scheme 'colonel'"),
        ("kernel:k=4,codebook_bits=1", "cannot be stored in 1 bits; expected 2 to 32 bits"),
        ("kernel:ratio=4;conv1:k=2,ratio=3", "ratio cannot differ between layers"),
        ("kernel:ratio=4,k=3", "both k and ratio are given"),
    ],
)
def test_specifications_that_cannot_be(spec, message):
    with pytest.raises(InputError) as caught:
        kcsim.cluster_network(SMALL, WEIGHTS, spec)
    assert message in str(caught.value)


@pytest.mark.parametrize("option", [{"seed": -1}, {"seed": 0.5}, {"starts": 0}])
def test_seeds_and_starts_that_cannot_be(option):
    with pytest.raises(InputError, match=f"{next(iter(option))} is .*; expected a whole number"):
        kcsim.cluster_network(SMALL, WEIGHTS, "kernel:k=4", **option)


def test_weights_of_another_network():
    with pytest.raises(InputError, match=r"tensor 'conv1\.weight' is 20x1x5x5; expected 8x3x3x3"):
        kcsim.cluster_network(SMALL, trained(kcsim.load_network("lenet5")), "kernel:k=4")


def test_trained_resnet20(tmp_path):
    path = real_file("cifar10_resnet20.npz")
    clustered = kcsim.cluster_network("resnet20", path, "kernel:k=128,dense=first+linear")
    stored = np.load(path, allow_pickle=False)
    for layer in clustered.network:
        name = re.sub(r"^l(\d)\.(\d)\.c(\d)$", r"layer\1.\2.conv\3", layer.name)
        tensor = stored[f"{name.replace('fc', 'linear')}.weight"].reshape(weights_shape(layer))
        error = np.square(clustered.decode(layer.name) - tensor).sum()
        if layer.name in clustered.dense:
            assert error == 0
        else:
            kept = 1 - error / np.square(tensor - tensor.mean()).sum()
            assert clustered.layers[layer.name].variance_kept == pytest.approx(kept, rel=1e-4)
            assert kept > 0.5
    kcsim.save_clustered(clustered, tmp_path / "resnet20.safetensors")
    size = (tmp_path / "resnet20.safetensors").stat().st_size
    assert clustered.payload_bytes < size < clustered.payload_bytes + 16_000
