"""The file of clustered weights: what is in it, its size, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_clustered import LAYOUT_SPECS, SPECS, random_clustered
from safetensors.numpy import load, save

import kcsim
from kcsim.errors import InputError
from kcsim.weights.clustered_writer import to_bytes

DOCS = Path(__file__).parents[2] / "docs" / "clustered-weights.md"
specs = pytest.mark.parametrize("spec", SPECS + LAYOUT_SPECS)


def header_of(content):
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def payload_of(content):
    return len(content) - 8 - int.from_bytes(content[:8], "little")


def metadata_of(content):
    return json.loads(header_of(content)["__metadata__"]["kcsim"])


@specs
def test_a_file_comes_back_bit_for_bit(spec, tmp_path):
    weights = random_clustered(spec=spec)
    path = tmp_path / "weights.safetensors"
    kcsim.save_clustered(weights, path)
    again = kcsim.load_clustered(path)
    assert again.network == weights.network
    assert again.clustering == weights.clustering
    for layer in weights.network:
        assert (again.decode(layer.name) == weights.decode(layer.name)).all()
    assert again.biases.keys() == weights.biases.keys()
    assert all((again.biases[name] == bias).all() for name, bias in weights.biases.items())
    for name, layer in weights.layers.items():
        assert (again.layers[name].indexes == layer.indexes).all()
        assert again.layers[name].indexes.dtype == np.int32
        assert again.layers[name].mean_squared_error == layer.mean_squared_error
        assert again.layers[name].part.codebook_units == layer.part.codebook_units
        assert again.layers[name].part.cluster_rate == layer.part.cluster_rate
    assert again.storage().total_bits == weights.storage().total_bits
    assert to_bytes(again) == to_bytes(weights)


@specs
def test_the_promised_size_is_that_of_the_file(spec):
    weights = random_clustered(spec=spec)
    content = to_bytes(weights)
    assert payload_of(content) == weights.payload_bytes
    tensors = len(load(content))
    bits = weights.storage().total_bits
    if "entropy" in spec:
        assert weights.payload_bytes * 8 >= bits
    else:
        # Each tensor is padded to whole bytes, and nothing else is.
        assert 0 <= weights.payload_bytes * 8 - bits < 8 * tensors


def test_a_layer_with_the_name_of_a_shared_codebook(tmp_path):
    layers = [kcsim.ConvLayer(name, 3, 8, 9, 9, 3, 3) for name in ("shared0", "b", "shared1")]
    weights = random_clustered(
        kcsim.Network("n", tuple(layers)), "kernel:k=4,codebook_bits=8;shared1:k=3"
    )
    again = read(to_bytes(weights), tmp_path)
    assert {layer.part.codebook for layer in again.layers.values()} == {"shared2", "shared3"}
    for layer in layers:
        assert (again.decode(layer.name) == weights.decode(layer.name)).all()


def test_a_file_is_the_same_every_time():
    assert to_bytes(random_clustered()) == to_bytes(random_clustered())


def test_the_lines_of_the_documentation(tmp_path, monkeypatch):
    """The very code of the page, run on files of the kinds that it names."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    lines = [block for block in blocks if "load_file" in block]
    assert len(lines) == 3
    monkeypatch.chdir(tmp_path)
    network = kcsim.Network("small", (kcsim.ConvLayer("conv1", 3, 16, 12, 12, 3, 3),))
    for block, spec in zip(
        lines, ("scalar:k=256", "kernel:k=20", "scaled_kernel:k=20,scale_bits=16"), strict=True
    ):
        weights = random_clustered(network, f"{spec},scope=layer,dense=none")
        kcsim.save_clustered(weights, "weights.safetensors")
        code = [line for line in block.splitlines() if "=" in line]
        assert len(code) <= 3 + ("scales" in block)
        names = {}
        exec(block, names)
        np.testing.assert_array_equal(names["weights"], weights.decode("conv1"))


def test_torch_reads_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    network = kcsim.Network("small", (kcsim.ConvLayer("conv1", 3, 90, 12, 12, 3, 3),))
    weights = random_clustered(network, "kernel:k=256,scope=layer,dense=none")
    kcsim.save_clustered(weights, tmp_path / "weights.safetensors")
    tensors = load_file(tmp_path / "weights.safetensors")
    decoded = tensors["conv1.codebook"][tensors["conv1.indexes"].long()].reshape(90, 3, 3, 3)
    assert torch.equal(decoded, torch.from_numpy(weights.decode("conv1")))


def read(content, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    return kcsim.load_clustered(path)


@pytest.mark.parametrize("spec", [SPECS[3], SPECS[6], SPECS[9]])
def test_a_file_that_ends_early(spec, tmp_path):
    content = to_bytes(random_clustered(spec=spec))
    for length in range(0, len(content), 10):
        with pytest.raises(InputError) as caught:
            read(content[:length], tmp_path)
        assert "weights.safetensors" in str(caught.value)


@settings(max_examples=150)
@given(st.sampled_from(SPECS), st.data())
def test_damage_is_an_input_error_or_harmless(tmp_path_factory, spec, data):
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(to_bytes(random_clustered(spec=spec)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        weights = read(bytes(content), folder)
    except InputError:
        return
    for layer in weights.network:
        assert weights.decode(layer.name).shape[0] == layer.out_channels
    weights.storage()


def changed(content, metadata=None, **tensors):
    """A file with other metadata or tensors; ``None`` removes a tensor."""
    found = load(content) | tensors
    found = {name: tensor for name, tensor in found.items() if tensor is not None}
    old = metadata_of(content)
    return save(found, {"kcsim": json.dumps(old | (metadata or {}))})


def in_layers(content, layer, **values):
    layers = metadata_of(content)["layers"]
    return {"layers": layers | {layer: layers[layer] | values}}


KERNELS = to_bytes(random_clustered(spec="kernel:k=7"))
ROWS = to_bytes(random_clustered(spec="row:k=5,scope=layer,codebook_bits=9,index=huffman"))
SON = to_bytes(random_clustered(spec="son:k=6,scale_bits=8"))
HOSTILE = {
    "index behind the codebook": (
        lambda: changed(KERNELS, **{"conv1.indexes": np.full(9, 255, np.uint8)}),
        "tensor 'conv1.indexes' holds 7; expected 0 to 6",
    ),
    "too many indexes": (
        lambda: changed(KERNELS, **{"conv1.indexes": np.zeros(10, np.uint8)}),
        "tensor 'conv1.indexes' has 10 bytes; expected 9, for 24 words of 3 bits",
    ),
    "indexes of another type": (
        lambda: changed(KERNELS, **{"conv1.indexes": np.zeros(9, np.float32)}),
        "tensor 'conv1.indexes' is 9 of float32; expected bytes of uint8",
    ),
    "no indexes": (
        lambda: changed(KERNELS, **{"conv1.indexes": None}),
        "there is no tensor 'conv1.indexes'",
    ),
    "no codebook": (
        lambda: changed(KERNELS, **{"shared0.codebook": None}),
        "there is no tensor 'shared0.codebook'",
    ),
    "codebook of another shape": (
        lambda: changed(KERNELS, **{"shared0.codebook": np.zeros((7, 1, 3, 4), np.float32)}),
        "tensor 'shared0.codebook' is 7x1x3x4 of float32; expected 7x1x3x3 of float32",
    ),
    "codebook that is not finite": (
        lambda: changed(KERNELS, **{"shared0.codebook": np.full((7, 1, 3, 3), np.nan, "f4")}),
        "tensor 'shared0.codebook' has values that are not finite",
    ),
    "dense weights of another shape": (
        lambda: changed(KERNELS, **{"fc.weight": np.zeros((7, 10), np.float32)}),
        "tensor 'fc.weight' is 7x10 of float32; expected 7x10x1x1",
    ),
    "a tensor too many": (
        lambda: changed(KERNELS, **{"extra": np.zeros(3, np.float32)}),
        "tensor 'extra' belongs to no layer",
    ),
    "an unknown layer": (
        lambda: changed(KERNELS, {"layers": {"conv9": metadata_of(KERNELS)["layers"]["conv1"]}}),
        "its network has no layer 'conv9'",
    ),
    "a codebook that nobody uses": (
        lambda: changed(KERNELS, {"codebooks": metadata_of(KERNELS)["codebooks"]
                                  | {"spare": [2, 1, 3, 3]}}),
        "no layer uses codebook 'spare'",
    ),
    "a layer's codebook for two layers": (
        lambda: changed(KERNELS, in_layers(KERNELS, "conv1", clustering="kernel:k=7,scope=layer")),
        "layers 'conv1' and 'conv2' cannot share codebook 'shared0'",
    ),
    "entries of another shape": (
        lambda: changed(KERNELS, in_layers(KERNELS, "conv1", clustering="row:k=7")),
        "codebook 'shared0' has entries of 1x3x3; expected 1x1x3 for layer 'conv1'",
    ),
    "no such codebook": (
        lambda: changed(KERNELS, in_layers(KERNELS, "conv1", codebook="none")),
        "layer 'conv1' has no codebook 'none'",
    ),
    "a scheme that does not exist": (
        lambda: changed(KERNELS, in_layers(KERNELS, "conv1", clustering="colonel:k=7")),
        "no scheme 'colonel'; expected scalar",
    ),
    "a huge codebook": (
        lambda: changed(KERNELS, {"codebooks": metadata_of(KERNELS)["codebooks"]
                                  | {"shared0": [2**30, 1, 3, 3]}}),
        "tensor 'shared0.codebook' is 7x1x3x3 of float32; expected 1073741824x1x3x3",
    ),
    "an error that is no number": (
        lambda: changed(KERNELS, in_layers(KERNELS, "conv1", variance_kept="good")),
        "'layers.conv1.variance_kept' must be a number",
    ),
    "another version": (
        lambda: changed(KERNELS, {"format": "kcsim.clustered/9"}),
        "'format' is 'kcsim.clustered/9'; expected 'kcsim.clustered/1'",
    ),
    "a network that is none": (
        lambda: changed(KERNELS, {"network": "name: [x"}),
        "network of the file:1:9: not valid YAML",
    ),
    "metadata that are not JSON": (
        lambda: save(load(KERNELS), {"kcsim": "{" * 100_000}),
        "its metadata are not valid JSON",
    ),
    "nested metadata": (
        lambda: save(load(KERNELS), {"kcsim": "[" * 100_000 + "]" * 100_000}),
        "its metadata are not valid JSON",
    ),
    "other tensors": (
        lambda: save(load(KERNELS)),
        "holds weights that are not clustered; expected clustered weights: cluster them first",
    ),
    "no Huffman code": (
        lambda: changed(ROWS, **{"conv1.code_lengths": np.zeros(4, np.uint8)}),
        "the code lengths are those of no complete prefix code",
    ),
    "Huffman codes that end early": (
        lambda: changed(ROWS, **{"conv1.indexes": load(ROWS)["conv1.indexes"][:-2]}),
        "Huffman code words",
    ),
    "Huffman codes with something behind": (
        lambda: changed(ROWS, **{"conv1.indexes": np.append(load(ROWS)["conv1.indexes"],
                                                            np.zeros(3, np.uint8))}),
        "Huffman code words",
    ),
    "a step of nothing": (
        lambda: changed(ROWS, **{"conv1.codebook.step": np.zeros(1, np.float32)}),
        "tensor 'conv1.codebook' has 9 bits and steps of 0.0",
    ),
    "scales of another type": (
        lambda: changed(SON, **{"conv1.scales": np.zeros((8, 3, 1, 1), np.float16)}),
        "tensor 'conv1.scales' is 8x3x1x1 of float16; expected 8x3x1x1 of int8",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_file_cannot_say(content, message, tmp_path):
    with pytest.raises(InputError) as caught:
        read(content(), tmp_path)
    assert message in str(caught.value)


def test_one_entry_for_a_layer_of_any_size(tmp_path):
    """No index takes a bit, so no file backs the size that the network states."""
    name = "conv1"
    network = kcsim.Network("n", (kcsim.ConvLayer(name, 1, 2**16, 9, 9, 1, 1),))
    content = to_bytes(random_clustered(network, "scalar:k=1"))
    huge = metadata_of(content)["network"].replace(str(2**16), str(2**31))
    loaded = read(changed(content, {"network": huge}), tmp_path)
    assert loaded.layers[name].part.units == 2**31


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        kcsim.save_clustered(random_clustered(), tmp_path / "missing" / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_missing_or_folders(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        kcsim.load_clustered(tmp_path / "missing.safetensors")
    with pytest.raises(InputError):
        kcsim.load_clustered(tmp_path)
