"""``kcsim check-weights``: what agrees, what differs, what is refused."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from random_clustered import random_clustered

from kcsim.conv import checking as checking
from kcsim.weights.clustered_writer import save_clustered


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clustered.safetensors"
    save_clustered(random_clustered(spec="scaled_kernel:k=6,transforms=4"), path)
    return path


@pytest.mark.parametrize("execution", ["auto", "decode", "share_products", "share_sums"])
def test_all_layers_agree(kcsim, file, execution):
    pytest.importorskip("torch")
    outcome = kcsim("check-weights", "--weights", file, "--execution", execution, "--batch", 2)
    assert outcome.code == 0
    heading, *rows, last = outcome.out.splitlines()
    assert heading.split()[:3] == ["layer", "execution", "difference"]
    assert [row.split()[0] for row in rows] == ["conv1", "conv2", "wide"]
    for row in rows:
        assert execution in ("auto", row.split()[1])
        for cell in row.split()[3:5]:
            executed, estimated = cell.split("/")
            assert executed == estimated
    assert last.startswith("3 layers: outputs equal to torch")


def test_some_layers(kcsim, file):
    pytest.importorskip("torch")
    outcome = kcsim("check-weights", "--weights", file, "--layers", "conv2")
    assert outcome.code == 0
    assert "conv1" not in outcome.out


def test_given_inputs(kcsim, file, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    seen = {}
    right = checking.ClusteredConvolution.run

    def watched(self, inputs, bias=None, *, threads=None):
        seen.setdefault(inputs.shape, inputs)
        return right(self, inputs, bias, threads=threads)

    monkeypatch.setattr(checking.ClusteredConvolution, "run", watched)
    images = np.random.default_rng(3).normal(size=(5, 3, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", conv1=images)
    outcome = kcsim("check-weights", "--weights", file, "--inputs", tmp_path / "inputs.npz")
    assert outcome.code == 0
    np.testing.assert_array_equal(seen[5, 3, 12, 12], images)
    assert (1, 8, 10, 10) in seen


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("conv1", (5, 3, 12, 11), "inputs of layer 'conv1' are 5x3x12x11; expected Nx3x12x12"),
        ("conv1", (0, 3, 12, 12), "N above 0"),
        ("conv3", (5, 3, 12, 12), "inputs of 'conv3', which is none of the layers; expected one"),
    ],
)
def test_wrong_inputs(kcsim, file, tmp_path, name, shape, message):
    pytest.importorskip("torch")
    np.savez(tmp_path / "inputs.npz", **{name: np.zeros(shape, np.float32)})
    outcome = kcsim("check-weights", "--weights", file, "--inputs", tmp_path / "inputs.npz")
    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize("what", ["weights", "counts"])
def test_a_difference_is_shown(kcsim, file, monkeypatch, what):
    pytest.importorskip("torch")
    if what == "weights":
        right = checking.ClusteredConvolution.run

        def wrong(self, inputs, bias=None, *, threads=None):
            outputs, operations = right(self, inputs, bias, threads=threads)
            outputs[0, -1, -1, -1] += 1
            return outputs, operations

        monkeypatch.setattr(checking.ClusteredConvolution, "run", wrong)
    else:
        counted = checking.count_operations

        def miscounted(*arguments):
            operations = counted(*arguments)
            return dataclasses.replace(operations, adds=operations.adds + 1)

        monkeypatch.setattr(checking, "count_operations", miscounted)
    outcome = kcsim("check-weights", "--weights", file)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == "3 of 3 layers differ: conv1, conv2, wide"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "missing option '--weights'"),
        (("--weights", "FILE", "--hw", "eyeriss"), "'kcsim check' or 'kcsim check-sharing'"),
        (("--weights", "FILE", "--execution", "share_sum"), "did you mean"),
        (("--weights", "FILE", "--network", "lenet5"), "the clustered weights"),
        (("--weights", "FILE", "--layers", "conv9"), "conv9"),
        (("--weights", "FILE", "--layers", "fc"), "no such layer that is clustered"),
        (("--weights", "absent.safetensors"), "absent.safetensors"),
        (("--weights", "FILE", "--threads", "0"), "--threads"),
    ],
)
def test_what_is_refused(kcsim, file, arguments, message):
    outcome = kcsim("check-weights", *(file if each == "FILE" else each for each in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_without_torch(kcsim, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = kcsim("check-weights", "--weights", file)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].endswith("pip install 'kcsim[torch]'")
