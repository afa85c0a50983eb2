"""The scripts in ``benchmarks`` and ``reports`` run, here at small sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mutations import MUTATIONS
from real_weights import real_file

ROOT = Path(__file__).parent.parent
NETWORK = """\
name: net
layers: [{name: a, type: conv, in_channels: 4, in_size: 4, out_channels: 8, kernel: 3}]
"""
SWEEP = """\
hardware: simple
networks: [net.yaml]
axes: {levels.buffer.capacity: [16 KiB, 32 KiB, 64 KiB]}
"""
IMAGES = ("cifar10_resnet20.npz", "cifar10_test.npz", "cifar10_train25000.npz")
ARGUMENTS = {
    "benchmarks/clustered_convolution.py": ("--rounds", "1", "--layers", "1"),
    "benchmarks/commands.py": ("--runs", "1", "--cases", "kcsim --help"),
    "benchmarks/counting.py": ("--runs", "1", "--mappings", "100"),
    "benchmarks/executions.py": ("--runs", "1", "--networks", "net.yaml"),
    "benchmarks/exploration.py": ("--sweep", "sweep.yaml", "--points", "2", "--alone", "1"),
    "benchmarks/fronts.py": (
        "--sweep", "sweep.yaml", "--networks", "net.yaml", "--evaluations", "2", "--seeds", "1",
    ),
    "benchmarks/kmeans.py": (
        "--runs", "1", "--data", "kernels", "--kernels", "2000", "--iterations", "3",
        "--scalars", "1000",
    ),
    "benchmarks/mapping.py": ("--runs", "1", "--networks", "net.yaml"),
    "benchmarks/paired.py": (str(ROOT), "--pairs", "1", "--runs", "1", "--mappings", "100"),
    "benchmarks/retraining.py": ("--network", "lenet5", "--batch", "2", "--pairs", "1"),
    "reports/clustering_cifar10.py": (
        *IMAGES, "--count", "20", "--norms", "20", "-k", "4", "-o", "report.md",
    ),
    "reports/deep_kmeans_correlation.py": (
        "--networks", "alexnet", "--rates", "2", "-o", "report.md",
    ),
    "reports/kernel_sweep.py": (
        IMAGES[0], IMAGES[2], IMAGES[1], "--count", "20", "--training-count", "128", "--seeds", "1",
        "-k", "4", "--retrain", "4", "-o", "report.md",
    ),
    "reports/retraining_cifar10.py": (
        IMAGES[0], IMAGES[2], IMAGES[1], "--count", "20", "--training-count", "128", "--seeds", "1",
        "--only", "row*", "-o", "report.md",
    ),
    "reports/retraining_digits.py": ("--seeds", "1", "--dense-epochs", "1", "-o", "report.md"),
    "reports/entry_use.py": (
        "cifar10_resnet20.npz", "-n", "resnet20", "--check", "cifar10_resnet20.npz", "resnet20",
        "-o", "report.md", "--data", "uses.csv",
    ),
    "reports/ucnn_eie.py": ("-o", "report.md"),
}  # fmt: skip
NEEDED = {
    "benchmarks/fronts.py": ("optuna",),
    "benchmarks/clustered_convolution.py": ("torch",),
    "benchmarks/kmeans.py": ("sklearn", "kmeans1d"),
    "benchmarks/retraining.py": ("torch",),
    "reports/clustering_cifar10.py": ("torch", "sklearn"),
    "reports/kernel_sweep.py": ("torch",),
    "reports/retraining_cifar10.py": ("torch",),
    "reports/retraining_digits.py": ("torch", "sklearn"),
}


def test_every_script_is_tried():
    scripts = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("reports/*.py")]
    assert {str(path.relative_to(ROOT)) for path in scripts} == set(ARGUMENTS)


@pytest.mark.parametrize("script", ARGUMENTS)
def test_a_script_runs(script, tmp_path):
    for module in NEEDED.get(script, ()):
        pytest.importorskip(module)
    (tmp_path / "net.yaml").write_text(NETWORK)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    arguments = [str(real_file(each)) if each in IMAGES else each for each in ARGUMENTS[script]]
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout
    if "report.md" in arguments:
        assert (tmp_path / "report.md").read_text().startswith("# ")


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_what_a_mutation_changes_is_there_once(name):
    mutation = MUTATIONS[name]
    text = (ROOT / "kcsim" / mutation.file).read_text(encoding="utf-8")
    assert text.count(mutation.before) == 1
    assert mutation.before != mutation.after
