"""Files of Keras, and what its toolkit for optimization leaves in them."""

from __future__ import annotations

import io
import json
import sys
import zipfile

import numpy as np
import pytest

import kcsim
from kcsim.errors import InputError

h5py = pytest.importorskip("h5py")
RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(3, 5, 4, 8)).astype(np.float32)
BIAS = RANDOM.normal(size=8).astype(np.float32)
DENSE = RANDOM.normal(size=(12, 10)).astype(np.float32)
DEPTHWISE = RANDOM.normal(size=(3, 3, 4, 2)).astype(np.float32)
ALONG = RANDOM.normal(size=(5, 4, 8)).astype(np.float32)


def written(target, tensors, names=(), config=None):
    """HDF5 with tensors by path, and names of layers beside them."""
    with h5py.File(target, "w") as file:
        for path, tensor in tensors.items():
            file[path] = tensor
        for path, name in names:
            file[path].attrs["name"] = name
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
    return target


def check(path):
    found = kcsim.load_weights(path)
    assert (found["conv1.weight"] == KERNEL.transpose(3, 2, 0, 1)).all()
    assert (found["conv1.bias"] == BIAS).all()
    assert (found["fc.weight"] == DENSE.T).all()
    assert found["dw.weight"].shape == (8, 1, 3, 3)
    for channel in range(4):
        for number in range(2):
            filter_ = found["dw.weight"][2 * channel + number, 0]
            assert (filter_ == DEPTHWISE[:, :, channel, number]).all()


VARIABLES = {
    "layers/conv2d/vars/0": KERNEL, "layers/conv2d/vars/1": BIAS, "layers/dense/vars/0": DENSE,
    "layers/depthwise_conv2d/vars/0": DEPTHWISE,
}  # fmt: skip
NAMES = (
    ("layers/conv2d/vars", "conv1"),
    ("layers/dense/vars", "fc"),
    ("layers/depthwise_conv2d/vars", "dw"),
)


def test_weights_of_keras_3(tmp_path):
    check(written(tmp_path / "m.weights.h5", VARIABLES, NAMES))


def test_an_archive_of_keras_3(tmp_path):
    content = io.BytesIO()
    written(content, VARIABLES, NAMES)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
        archive.writestr("model.weights.h5", content.getvalue())
    check(tmp_path / "m.keras")


def test_a_model_of_keras_2(tmp_path):
    layers = [{"class_name": "DepthwiseConv2D", "config": {"name": "dw"}}]
    tensors = {
        "model_weights/conv1/conv1/kernel:0": KERNEL,
        "model_weights/conv1/conv1/bias:0": BIAS,
        "model_weights/fc/sequential/fc/kernel": DENSE,
        "model_weights/dw/dw/kernel": DEPTHWISE,
        "optimizer_weights/conv1/kernel:0": KERNEL,
    }
    config = {"class_name": "Sequential", "config": {"layers": layers}}
    path = written(tmp_path / "m.h5", tensors, config=config)
    check(path)
    assert list(kcsim.load_weights(path)) == [
        "conv1.bias", "conv1.weight", "dw.weight", "fc.weight",
    ]  # fmt: skip


def test_separable_and_one_dimensional_convolutions(tmp_path):
    point = RANDOM.normal(size=(1, 1, 8, 6)).astype(np.float32)
    tensors = {"sep/sep/depthwise_kernel:0": DEPTHWISE, "sep/sep/pointwise_kernel:0": point,
               "c1/c1/kernel:0": ALONG}  # fmt: skip
    found = kcsim.load_weights(written(tmp_path / "m.h5", tensors))
    assert found["sep.depthwise.weight"].shape == (8, 1, 3, 3)
    assert (found["sep.pointwise.weight"][:, :, 0, 0] == point[0, 0].T).all()
    assert (found["c1.weight"] == ALONG.transpose(2, 1, 0)).all()


def test_clusters_of_the_optimization_toolkit(tmp_path):
    codes = RANDOM.integers(0, 8, (3, 5, 4, 8)).astype(np.int32)
    centroids = RANDOM.normal(size=8).astype(np.float32)
    tensors = {
        "cluster_conv1/conv1/kernel:0": KERNEL,
        "cluster_conv1/cluster_conv1/cluster_centroids_kernel:0": centroids,
        "cluster_conv1/cluster_conv1/pulling_indices_kernel:0": codes,
    }
    network = kcsim.Network("n", (kcsim.ConvLayer("conv1", 4, 8, 9, 9, 3, 5),))
    path = written(tmp_path / "m.h5", tensors)
    result = kcsim.cluster_network(network, path, "found")
    expected = centroids[codes].transpose(3, 2, 0, 1)
    assert result.decode("conv1").tobytes() == expected.tobytes()
    assert result.storage().weights_bits == 8 * 32 + 3 * codes.size


def test_stripped_results_of_the_toolkit_are_found(tmp_path):
    values = RANDOM.normal(size=4).astype(np.float32)
    kernel = values[RANDOM.integers(4, size=KERNEL.shape)]
    network = kcsim.Network("n", (kcsim.ConvLayer("conv1", 4, 8, 9, 9, 3, 5),))
    path = written(tmp_path / "m.h5", {"conv1/conv1/kernel:0": kernel})
    result = kcsim.cluster_network(network, path, "found")
    assert result.storage().weights_bits == 4 * 32 + 2 * kernel.size


def test_tensors_in_other_files_are_not_opened(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["conv1/conv1/kernel:0"] = KERNEL
        outside = [(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("fc/fc/kernel:0", (4, 4), "f4", external=outside)
        file["link"] = h5py.ExternalLink("secret.h5", "/x")
    found = kcsim.load_weights(tmp_path / "m.h5")
    assert list(found) == ["conv1.weight"]
    assert found.unread == {"fc/fc/kernel:0": "kept in other files"}


def test_damaged_files(tmp_path):
    path = written(tmp_path / "m.h5", {"conv1/conv1/kernel:0": KERNEL})
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="is no sound HDF5 file"):
        kcsim.load_weights(path)


def test_files_of_keras_without_the_extra(tmp_path, monkeypatch):
    path = written(tmp_path / "m.h5", {"conv1/conv1/kernel:0": KERNEL})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs h5py; install it with: pip install 'kcsim\[ker"):
        kcsim.load_weights(path)
