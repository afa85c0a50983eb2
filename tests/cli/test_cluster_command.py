"""``kcsim cluster``, and ``kcsim estimate --weights`` with what it wrote."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

import kcsim as package
from kcsim.clustering.units import weights_shape

RNG = np.random.default_rng(0)
LENET = package.load_network("lenet5")
TENSORS = {
    f"{layer.name}.{kind}": RNG.normal(size=shape).astype(np.float32)
    for layer in LENET
    for kind, shape in (("weight", weights_shape(layer)), ("bias", (layer.out_channels,)))
}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "lenet5.npz"
    np.savez(path, **TENSORS)
    return path


def cluster(kcsim, weights, *options, spec="kernel:k=16,dense=linear"):
    return kcsim(
        "cluster", "--weights", weights, "--network", "lenet5", "--cluster", spec, *options
    )


def test_a_table_of_layers_and_one_of_parts(kcsim, weights):
    outcome = cluster(kcsim, weights)
    assert outcome.code == 0
    for text in ("conv1", "ip2", "TOTAL", "variance", "indexes", "biases", "Tensors of the file"):
        assert text in outcome.out
    assert sorted(path.name for path in weights.parent.iterdir()) == ["lenet5.npz"]


def test_the_file_decodes_to_what_was_clustered(kcsim, weights, tmp_path):
    path = tmp_path / "clustered.safetensors"
    assert cluster(kcsim, weights, "-o", path).code == 0
    loaded = package.load_clustered(path)
    expected = package.cluster_network("lenet5", TENSORS, "kernel:k=16,dense=linear")
    for layer in LENET:
        np.testing.assert_array_equal(loaded.decode(layer.name), expected.decode(layer.name))
        np.testing.assert_array_equal(loaded.biases[layer.name], TENSORS[f"{layer.name}.bias"])


def test_json_says_what_the_data_say(kcsim, weights):
    document = json.loads(cluster(kcsim, weights, "--format", "json").out)
    expected = package.cluster_network("lenet5", TENSORS, "kernel:k=16,dense=linear")
    assert document["schema"] == "kcsim.cluster/2"
    assert document["compression_ratio"] == expected.storage().ratio()
    assert document["payload_bytes"] == expected.payload_bytes
    names = [layer["layer"] for layer in document["layers"]]
    assert names == [layer.name for layer in LENET]
    for layer in document["layers"]:
        ours = expected.layers.get(layer["layer"])
        if ours is None:
            assert layer["unit"] is layer["mean_squared_error"] is None
            continue
        assert layer["distinct_per_channel"] == ours.distinct_per_channel.tolist()
        assert layer["distinct_per_filter"] == ours.distinct_per_filter.tolist()
        assert layer["mean_squared_error"] == ours.mean_squared_error
    bits = sum(layer["indexes_bits"] for layer in document["layers"])
    assert bits == document["storage"]["indexes_bits"]
    schema = json.loads(kcsim("schema", "cluster").out)
    assert list(document) == list(schema["properties"])


def test_rows_of_csv_add_up_to_the_weights(kcsim, weights):
    rows = list(csv.DictReader(io.StringIO(cluster(kcsim, weights, "--format", "csv").out)))
    storage = package.cluster_network("lenet5", TENSORS, "kernel:k=16,dense=linear").storage()
    biases = sum(layer.biases_bits for layer in storage.layers)
    assert sum(float(row["weights_bits"]) for row in rows) == storage.total_bits - biases


def test_an_estimate_of_the_file(kcsim, weights, tmp_path):
    path = tmp_path / "clustered.safetensors"
    spec = "kernel:k=16,dense=linear,index=huffman"
    assert cluster(kcsim, weights, "-o", path, spec=spec).code == 0
    arguments = ("estimate", "--hw", "eyeriss", "--weights", path, "--format", "json")
    document = json.loads(kcsim(*arguments).out)
    assert document["network"]["name"] == "lenet5"
    storage = document["runs"][1]["storage"]
    loaded = package.load_clustered(path)
    assert document["runs"][1]["clustering"] == spec.replace("linear,index=huffman", "") \
        .replace("dense=", "index=huffman,dense=linear")  # fmt: skip
    assert storage["indexes_bits"] == sum(layer.indexes_bits for layer in loaded.storage().layers)
    assert not storage["is_expectation"]
    one = json.loads(kcsim(*arguments, "-n", "lenet5", "--layers", "conv2").out)
    assert one["runs"][1]["layers"][0]["weight_format"] == document["runs"][1]["layers"][1][
        "weight_format"
    ] | {"loads_codebook": True}


def test_weights_and_a_scheme_exclude_each_other(kcsim, tmp_path):
    outcome = kcsim(
        "estimate", "--hw", "eyeriss", "--weights", tmp_path / "x", "--cluster", "kernel:k=4"
    )
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == ("error: both --weights and --cluster are given; expected one of them\n")


def test_names_from_a_file(kcsim, tmp_path):
    names = dict(zip("abcd", (layer.name for layer in LENET), strict=True))
    np.savez(
        tmp_path / "w.npz", **{key: TENSORS[f"{layer}.weight"] for key, layer in names.items()}
    )
    (tmp_path / "names.yaml").write_text("".join(f"{v}: {k}\n" for k, v in names.items()))
    outcome = cluster(kcsim, tmp_path / "w.npz", "--names", tmp_path / "names.yaml")
    assert outcome.code == 0


BAD = {
    "no such file": (["--weights", "missing.npz"], "no such file: 'missing.npz'"),
    "no such network": (["-n", "lenet6"], "no network is called 'lenet6'"),
    "another network": (["-n", "alexnet"], "is 20x1x5x5; expected 96x3x11x11 for layer 'conv1'"),
    "a bad scheme": (["--cluster", "kernel:k=0"], "k is 0"),
    "an unknown format": (["--format", "yaml"], "there is no format 'yaml'"),
    "a missing folder": (["-o", "missing/x"], "there is no folder"),
    "no such names": (["--names", "missing.yaml"], "no such file: 'missing.yaml'"),
    "an unknown layer": (["--layers", "conv7"], "no layer 'conv7'"),
    "a ratio too high": (["--cluster", "kernel:ratio=1000"], "no number of clusters gives"),
    "weights that are not clustered": (["--cluster", "found"], "no layer has few distinct"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_one_line_and_no_file_for_mistakes(kcsim, weights, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    arguments = {
        "--weights": weights,
        "-n": "lenet5",
        "--cluster": "kernel:k=16",
        "-o": "out.safetensors",
    } | dict([options])
    outcome = kcsim("cluster", *(text for pair in arguments.items() for text in pair))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert list(tmp_path.iterdir()) == [weights]


def test_weights_that_are_no_clustered_file(kcsim, weights):
    outcome = kcsim("estimate", "--hw", "eyeriss", "--weights", weights)
    assert outcome.code == 2
    assert outcome.err == (
        f"error: '{weights}' is a zip archive, as NumPy and torch write; expected clustered "
        "weights: cluster them first, with kcsim cluster --weights ... -o FILE\n"
    )
