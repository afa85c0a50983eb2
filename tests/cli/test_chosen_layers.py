"""``--layers``, and numbers of clusters above the units: one rule for all commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kcsim as package
from kcsim.clustering.resolve import resolve_network, settings_of
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import network_storage
from kcsim.clustering.units import weights_shape
from kcsim.errors import InputError

# Wu et al., Deep k-Means: the numbers of clusters, and shares of rows that are tied to one entry,
# of their script for Wide ResNet 16-4 at a ratio of 45.
SCHEME = Path(__file__).parent.parent / "data" / "wrn_16_4_ratio_45.txt"
TINY = """\
name: tiny
input: {channels: 16, height: 1, width: 1}
layers:
  - {name: c, type: conv, out_channels: 1, kernel: 1}
  - {name: d, type: conv, in_channels: 16, in_size: 1, out_channels: 32, kernel: 1}
"""


def weights_of(network, path):
    rng = np.random.default_rng(0)
    arrays = {f"{layer.name}.weight": rng.normal(size=weights_shape(layer)) for layer in network}
    np.savez(path, **{name: array.astype(np.float32) for name, array in arrays.items()})
    return path


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    network = package.load_network(tmp_path / "tiny.yaml")
    return tmp_path / "tiny.yaml", weights_of(network, tmp_path / "w.npz")


# --- layers that are left out


def test_the_ratio_of_deep_kmeans():
    # 32-bit weights, no biases, the entropy of the worst case: what the script is labeled with.
    network = package.load_network("wrn_16_4")
    storage = network_storage(network, parse_clustering(SCHEME.read_text().strip()))
    assert storage.ratio(biases=False) == pytest.approx(45.03, abs=0.005)


@pytest.mark.parametrize("command", ["estimate", "map-network", "compare", "cluster"])
def test_settings_of_layers_that_are_left_out_stay_valid(kcsim, tmp_path, command):
    network = package.load_network("lenet5")
    spec = "row:k=7,dense=ip1;conv1:k=5;conv2:k=9;ip*:k=11"
    given = ("--weights", weights_of(network, tmp_path / "w.npz")) if command == "cluster" else (
        "--hw", "simple")  # fmt: skip
    arguments = (command, *given, "-n", "lenet5", "--layers", "conv2", "--cluster")
    outcome = kcsim(*arguments, spec)
    assert outcome.code == 0, outcome.err
    assert "conv2:k=9" in outcome.out
    assert outcome.out.replace("conv2:k=9", "") == kcsim(
        *arguments, "row:k=7,dense=none;conv2:k=9"
    ).out.replace("conv2:k=9", "")
    # What no layer of the network has is as wrong as ever.
    for wrong, message in {
        "row:k=7;conv3:k=5": "'conv3' matches no layer; expected a layer's name or pattern; did",
        "row:k=7,dense=conv3": "'conv3' matches no layer",
        "row:k=7,dense=ip*;ip1:k=3": "settings for 'ip1' have no effect",
    }.items():
        refused = kcsim(*arguments, wrong)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith(f"error: {message}")


def test_a_layer_by_its_name_has_its_settings(kcsim):
    spec = SCHEME.read_text().strip()
    outcome = kcsim("map", "--hw", "simple", "--layer", "wrn_16_4/g1.b0.sc", "--cluster", spec)
    assert outcome.code == 0, outcome.err


def test_the_first_layer_is_that_of_the_whole_network():
    network = package.load_network("lenet5")
    clustering = parse_clustering("kernel:k=4,dense=first+ip1")
    part = network.select(["conv2", "ip2"])
    assert [each.unit is None for each in resolve_network(part, clustering)] == [False, False]
    assert str(settings_of(part, clustering)) == "kernel:k=4,dense=none"
    part = network.select("conv*")
    assert [each.unit is None for each in resolve_network(part, clustering)] == [True, False]
    # Of a selection of a selection, too; and what leaves nothing out changes nothing.
    again = network.select(["conv1", "conv2"]).select("conv2")
    assert resolve_network(again, clustering)[0].unit is not None
    assert network.select("*") is network
    assert network.select("*").whole == ()


# --- more clusters than units


@pytest.mark.parametrize("spec", ["product:k=16,length=4,dense=none", "scalar:k=64"])
def test_more_clusters_than_units_is_one_rule(kcsim, tiny, spec):
    network, weights = tiny
    most = {"product": 1, "scalar": 16}[spec.split(":")[0]]
    k = 16 if most == 1 else 64
    plural = "s" if most > 1 else ""
    hw, tensors = ("--hw", "weight_stationary"), ("--weights", weights)
    for command, given in {
        "cluster": tensors, "estimate": hw, "compare": hw, "map-network": hw
    }.items():  # fmt: skip
        arguments = (command, *given, "-n", network, "--cluster", spec)
        alone = kcsim(*arguments, "--layers", "c")
        assert (alone.code, alone.out) == (2, "")
        assert alone.err == (
            f"error: k is {k}, but no codebook serves more than {most} unit{plural}; "
            f"expected at most {most}\n"
        )
        both = kcsim(*arguments)
        assert both.code == 0
        assert "Fewer units" not in both.err
        assert (
            "Fewer units than clusters: c (1 of 2 layers). Each unit there keeps an entry of its "
            "own." in " ".join(both.out.split())
        )
    layer = kcsim("map", *hw, "--layer", f"{network}/c", "--cluster", spec)
    assert layer.err == alone.err


def test_the_largest_codebook_is_the_one_that_is_named(tiny):
    network = package.load_network(tiny[0])
    for entry in (
        lambda spec: package.estimate("simple", network, spec),
        lambda spec: package.cluster_network(network, tiny[1], spec),
    ):
        with pytest.raises(InputError) as caught:
            entry("scalar:k=17;d:k=513")
        assert str(caught.value).startswith("k is 513, but no codebook serves more than 512 units")


@pytest.mark.parametrize("index", ["fixed", "huffman", "entropy"])
def test_a_ratio_that_all_numbers_of_clusters_meet(tiny, index):
    network = package.load_network(tiny[0])
    spec = f"scalar:ratio=1.0001,codebook_bits=8,index={index}"
    clustered = package.cluster_network(network, tiny[1], spec)
    assert clustered.storage().ratio() >= 1.0001
    k = parse_clustering(clustered.clustering).k
    assert k == 512 or package.cluster_network(
        network, tiny[1], f"scalar:k={k + 1},codebook_bits=8,index={index}"
    ).storage().ratio() < 1.0001  # fmt: skip
