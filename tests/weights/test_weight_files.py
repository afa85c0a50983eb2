"""Weights from files: every format, and files that are not what they seem."""

from __future__ import annotations

import io
import sys
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save, save_file

import kcsim
from kcsim.errors import InputError
from kcsim.weights import weight_files
from kcsim.weights.matching import match_weights

RNG = np.random.default_rng(0)
CONV = RNG.normal(size=(8, 3, 3, 3)).astype(np.float32)
FC = RNG.normal(size=(10, 8)).astype(np.float32)
BIAS = RNG.normal(size=10).astype(np.float32)
TENSORS = {"conv1.weight": CONV, "fc.weight": FC, "fc.bias": BIAS}
NETWORK = kcsim.Network(
    "small", (kcsim.ConvLayer("conv1", 3, 8, 9, 9, 3, 3), kcsim.ConvLayer.linear("fc", 8, 10))
)


def check(path, tensors=None):
    loaded = kcsim.load_weights(path)
    expected = TENSORS if tensors is None else tensors
    assert set(loaded) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(loaded[name], tensor)
    return loaded


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64])
def test_safetensors_and_npz(tmp_path, type_):
    tensors = {name: tensor.astype(type_) for name, tensor in TENSORS.items()}
    counter = {"bn.num_batches_tracked": np.array(7)}
    save_file(tensors | counter, tmp_path / "w.safetensors")
    check(tmp_path / "w.safetensors", tensors)
    np.savez(tmp_path / "w.npz", **tensors, **counter)
    check(tmp_path / "w.npz", tensors)
    matched = match_weights(NETWORK, kcsim.load_weights(tmp_path / "w.npz"))
    assert matched["fc"].weight.shape == (10, 8, 1, 1)
    assert matched["fc"].weight.dtype == matched["fc"].bias.dtype == np.float32
    np.testing.assert_array_equal(matched["conv1"].weight, tensors["conv1.weight"].astype("f4"))
    assert matched["conv1"].bias is None


def test_the_content_decides(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(save(TENSORS))
    check(path)
    np.savez(tmp_path / "other.npz", **TENSORS)
    (tmp_path / "other.npz").rename(path)
    check(path)


def test_codes_and_codebooks_become_weights(tmp_path):
    codes = RNG.integers(0, 4, (8, 3, 3, 3)).astype(np.uint8)
    codebook = np.array([0, 0.5, -1, 2], np.float32)
    np.savez(tmp_path / "w.npz", **{"c.codes": codes, "c.codebook": codebook, "c.bias": BIAS})
    check(tmp_path / "w.npz", {"c.weight": codebook[codes], "c.bias": BIAS})
    np.savez(tmp_path / "w.npz", **{"c.codes": codes, "c.codebook": codebook[:3]})
    with pytest.raises(InputError, match=r"tensor 'c\.codes' holds 0 to 3; expected 0 to 2"):
        kcsim.load_weights(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", **{"c.codes": codes * 0.5, "c.codebook": codebook})
    with pytest.raises(InputError, match=r"tensor 'c\.codes' has the type float64"):
        kcsim.load_weights(tmp_path / "w.npz")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_torch(tmp_path, nested, legacy):
    torch = pytest.importorskip("torch")
    state = {f"module.{name}": torch.tensor(tensor) for name, tensor in TENSORS.items()}
    state["module.bn.num_batches_tracked"] = torch.tensor(3)
    saved = {"state_dict": state, "epoch": 3} if nested else state
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    check(tmp_path / "w.pth")


def test_bfloat16(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    half = {name: torch.tensor(tensor).bfloat16() for name, tensor in TENSORS.items()}
    expected = {name: tensor.float().numpy() for name, tensor in half.items()}
    save_torch(half, tmp_path / "w.safetensors")
    check(tmp_path / "w.safetensors", expected)
    torch.save(half, tmp_path / "w.pt")
    check(tmp_path / "w.pt", expected)


def test_torch_files_run_no_code(tmp_path):
    torch = pytest.importorskip("torch")

    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"w": Hostile()}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="holds more than tensors"):
        kcsim.load_weights(tmp_path / "w.pt")
    assert not (tmp_path / "written").exists()
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(InputError, match="holds a list; expected a state dict"):
        kcsim.load_weights(tmp_path / "w.pt")


def onnx_model(**options):
    onnx = pytest.importorskip("onnx")
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("Conv", ["x", "conv1.weight"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "fc.weight", "onnx::bias"], ["d"], transB=1),
        helper.make_node("MatMul", ["d", "last"], ["y"]),
    ]
    # In an order of their own, with one that is no weight.
    stored = [
        array(np.eye(10, 4, dtype=np.float32), "last"),
        array(np.ones(3, np.float32), "unused"),
        array(BIAS, "onnx::bias"),
        array(FC, "fc.weight"),
        array(CONV, "conv1.weight"),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 9, 9]), ("y", [1, 4]))
    ]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], stored), **options)


def test_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    onnx.save(onnx_model(), tmp_path / "w.onnx")
    loaded = check(tmp_path / "w.onnx", TENSORS | {"last": np.eye(4, 10, dtype=np.float32)})
    assert list(loaded) == ["conv1.weight", "fc.weight", "fc.bias", "last"]


def test_onnx_with_tensors_in_files(tmp_path):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "w.onnx"
    onnx.save(onnx_model(), path, save_as_external_data=True, location="data.bin", size_threshold=0)
    check(path, TENSORS | {"last": np.eye(4, 10, dtype=np.float32)})
    data = (path.parent / "data.bin").read_bytes()
    (tmp_path / "secret.bin").write_bytes(data)
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "", "missing.bin"):
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        (path.parent / "changed.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match="a file in the folder of the model"):
            kcsim.load_weights(path.parent / "changed.onnx")
    (path.parent / "data.bin").unlink()
    (path.parent / "data.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(InputError, match="a file in the folder of the model"):
        kcsim.load_weights(path)


def one_line_or_weights(path):
    """The weights, or ``None`` after an error of one line that names the file."""
    try:
        return kcsim.load_weights(path)
    except InputError as error:
        (line,) = str(error).splitlines()
    assert str(path) in line
    return None


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w.pt", "w.onnx"])
def test_files_that_end_early(tmp_path, name):
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_file(TENSORS, path)
    elif name.endswith("npz"):
        np.savez_compressed(path, **TENSORS)
    elif name.endswith("pt"):
        torch = pytest.importorskip("torch")
        torch.save({k: torch.tensor(v) for k, v in TENSORS.items()}, path)
    else:
        path.write_bytes(onnx_model().SerializeToString())
    content = path.read_bytes()
    for length in [*range(0, len(content), max(10, len(content) // 150)), len(content) - 1]:
        path.write_bytes(content[:length])
        loaded = one_line_or_weights(path)
        # A shorter protobuf may be a sound message with fewer tensors.
        assert loaded is None or (name == "w.onnx" and len(loaded) < 4)


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w.pt"])
def test_damaged_files_end_in_one_line(tmp_path, name):
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_file(TENSORS, path)
    elif name.endswith("npz"):
        np.savez(path, **TENSORS)
    else:
        torch = pytest.importorskip("torch")
        torch.save({k: torch.tensor(v) for k, v in TENSORS.items()}, path)
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        one_line_or_weights(path)


def test_what_is_no_file_of_weights(tmp_path):
    for content, message in {
        b"": "holds no weights that kcsim can read; expected a file of safetensors",
        b"hello": "holds no weights that kcsim can read",
        b"PK\x03\x04": "is no sound zip archive",
        b"\xff" * 8 + b"{": "is no sound safetensors file",
        (99).to_bytes(8, "little") + b"{}": "is no sound safetensors file",
        save({"a": np.arange(3)}): "holds no tensors of floating point",
    }.items():
        path = tmp_path / "w.bin"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            kcsim.load_weights(path)
    with pytest.raises(InputError, match="no such file"):
        kcsim.load_weights(tmp_path / "missing")
    with pytest.raises(InputError, match="is not a regular file"):
        kcsim.load_weights(tmp_path)
    with pytest.raises(InputError, match=r"U\+0000"):
        kcsim.load_weights("a\0b")


def test_a_pickle_without_tensors(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "w.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(InputError, match="is no sound torch file"):
        kcsim.load_weights(tmp_path / "w.bin")


def test_pickles_in_npz_are_not_loaded(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"is no sound \.npz file"):
        kcsim.load_weights(tmp_path / "w.npz")


def test_archives_that_unpack_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_files, "MAX_BYTES", 10**6)
    np.savez_compressed(tmp_path / "w.npz", w=np.zeros(10**6, np.float32))
    with pytest.raises(InputError, match="unpacks to 4000128 bytes; expected at most 1000000"):
        kcsim.load_weights(tmp_path / "w.npz")


def test_an_array_that_claims_to_be_huge(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (2**40,)}
    )
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("w.npy", buffer.getvalue() + b"0000")
    with pytest.raises(InputError, match=r"is no sound \.npz file|does not fit into memory"):
        kcsim.load_weights(tmp_path / "w.npz")


@pytest.mark.parametrize(("library", "name"), [("torch", "w.pt"), ("onnx", "w.onnx")])
def test_a_library_that_is_not_installed(tmp_path, monkeypatch, library, name):
    path = tmp_path / name
    path.write_bytes(b"\x80" if library == "torch" else b"\x08")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError) as caught:
        kcsim.load_weights(path)
    assert str(caught.value) == (
        f"reading '{path}' needs {library}; install it with: pip install 'kcsim[{library}]'"
    )


def test_names_that_no_message_could_show(tmp_path):
    save_file({"a\nb\x1b[2J": CONV}, tmp_path / "w.safetensors")
    with pytest.raises(InputError) as caught:
        kcsim.load_weights(tmp_path / "w.safetensors")
    assert "has a tensor named 'a\\nb\\x1b[2J'; expected printable names" in str(caught.value)


def test_values_that_are_not_finite():
    bad = CONV.copy()
    bad[0, 0, 0, :2] = np.nan, np.inf
    huge = FC.astype(np.float64) * 1e39
    with pytest.raises(InputError) as caught:
        match_weights(NETWORK, TENSORS | {"conv1.weight": bad, "fc.weight": huge})
    assert str(caught.value).splitlines() == [
        "'weights': tensor 'conv1.weight' has 2 values that no float32 can hold; "
        "expected finite numbers",
        f"'weights': tensor 'fc.weight' has {(np.abs(huge) > 3.4028235e38).sum()} values that no "
        "float32 can hold; expected finite numbers",
    ]


def test_a_bias_of_another_length():
    with pytest.raises(InputError, match=r"tensor 'fc\.bias' is 9; expected 10, the output"):
        match_weights(NETWORK, TENSORS | {"fc.bias": BIAS[:9]})
