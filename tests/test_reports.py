"""What the scripts in ``reports`` rest on."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pytest

REPORTS = Path(__file__).parent.parent / "reports"


def script(name):
    spec = importlib.util.spec_from_file_location(name, REPORTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cifar10():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    return script("clustering_cifar10")


@pytest.fixture
def tensors():
    """A ResNet of one block for each of two stages."""
    generator = np.random.default_rng(0)
    convolutions = {"conv1": (8, 3), "layer1.0.conv1": (8, 8), "layer1.0.conv2": (8, 8)}
    convolutions |= {"layer2.0.conv1": (16, 8), "layer2.0.conv2": (16, 16)}
    found = {}
    for name, shape in convolutions.items():
        found[f"{name}.weight"] = generator.normal(0, 0.2, (*shape, 3, 3))
        norm = name.replace("conv", "bn")
        found[f"{norm}.running_mean"] = generator.normal(0, 0.1, shape[0])
        for part in ("weight", "bias", "running_var"):
            found[f"{norm}.{part}"] = generator.uniform(0.5, 1.5, shape[0])
    found["linear.weight"] = generator.normal(size=(10, 16))
    found["linear.bias"] = generator.normal(size=10)
    return {name: value.astype(np.float32) for name, value in found.items()}


def test_a_row_of_the_report_depends_on_no_other(cifar10, tensors):
    import torch

    before = {name: value.copy() for name, value in tensors.items()}
    images = torch.randn(40, 3, 16, 16)
    with torch.no_grad():
        first = cifar10.ResNet(tensors)
        expected = first(images)
        first.estimate_norms(3 * images + 1)
        assert not torch.allclose(first(images), expected)
        for name, value in tensors.items():
            np.testing.assert_array_equal(value, before[name], err_msg=name)
        assert torch.equal(cifar10.ResNet(tensors)(images), expected)


def test_estimated_norms_are_the_moments_of_the_images(cifar10, tensors):
    import torch

    images = torch.randn(40, 3, 16, 16)
    with torch.no_grad():
        model = cifar10.ResNet(tensors)
        model.estimate_norms(images)
        maps = torch.nn.functional.conv2d(images, model.tensors["conv1.weight"], padding=1)
    found = model.tensors["bn1.running_mean"], model.tensors["bn1.running_var"]
    torch.testing.assert_close(found, (maps.mean((0, 2, 3)), maps.var((0, 2, 3))))


def test_a_report_states_its_command(cifar10):
    options = argparse.Namespace(
        weights=Path("somewhere/resnet56.npz"), images=Path("a/test.npz"),
        training=Path("b/train.npz"), network="resnet56", count=1000, norms=1000, k=[16, 64],
        output=Path("elsewhere/report.md"),
    )  # fmt: skip
    assert cifar10.command_line(options) == (
        "python reports/clustering_cifar10.py resnet56.npz test.npz train.npz -n resnet56 "
        "--count 1000 -k 16 64 -o reports/report.md"
    )


@pytest.mark.parametrize(("network", "reached"), [("alexnet", 0.993), ("googlenet", 0.985)])
def test_the_protocol_of_deep_k_means_comes_near_its_coefficients(network, reached):
    correlation = script("deep_kmeans_correlation")
    points = correlation.protocol_points("eyeriss", network, correlation.RATES[network])
    published, in_both, in_neither = correlation.protocol_coefficients(points)
    assert published == pytest.approx(reached, abs=0.0005)
    assert published >= correlation.PUBLISHED[network] - 0.001
    # Codebooks are affine in K/N, but for whole K; what bends the line is indexes alone.
    assert in_neither == pytest.approx(1, abs=1e-6)
    assert in_both > published


def test_the_fit_of_entry_use_finds_the_concentration_that_tables_were_drawn_with():
    module, random = script("entry_use"), np.random.default_rng(0)
    tables = []
    for kinds, draws in ((16, 30), (16, 60), (16, 200)):
        shares = random.dirichlet(np.full(kinds, 0.7), 4000)
        distinct = np.array([np.count_nonzero(random.multinomial(draws, p)) for p in shares])
        tables.append(module.Tables(1, kinds, draws, distinct))
    use = module.fit(tables)
    assert use.concentration == pytest.approx(0.7, rel=0.05)
    assert use.error < 0.01
    assert abs(module.total_error(tables, use)) < 0.01
