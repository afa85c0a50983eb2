"""The commands as people type them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

import kcsim as package
from kcsim.cli.schema import KINDS
from kcsim.hardware.reader import shipped_names


def test_the_default_run_is_alexnet_with_the_published_macs(kcsim):
    outcome = kcsim("estimate", "--hw", "eyeriss.yaml")
    assert outcome.code == 0
    assert "alexnet on eyeriss" in outcome.out
    total = next(line for line in outcome.out.splitlines() if line.startswith("TOTAL"))
    assert "724,406,816" in total
    for macs in ("105,415,200", "223,948,800", "149,520,384", "112,140,288", "74,760,192"):
        assert macs in outcome.out


def test_dense_and_clustered_stand_side_by_side(kcsim):
    outcome = kcsim("estimate", "--hw", "eyeriss", "-n", "lenet5", "--cluster", "kernel:k=16")
    assert outcome.code == 0
    for text in ("dense", "decode", "ratio", "lookups", "indexes", "full adders"):
        assert text in outcome.out


def test_json(kcsim):
    outcome = kcsim("estimate", "--hw", "eyeriss", "-n", "lenet5", "--format", "json")
    document = json.loads(outcome.out)
    assert document["schema"] == "kcsim.result/2"
    (run,) = document["runs"]
    assert run["macs"] == 2_293_000
    assert sum(layer["macs"] for layer in run["layers"]) == 2_293_000


def test_csv_markdown_and_latex(kcsim):
    arguments = ("estimate", "--hw", "eyeriss", "-n", "lenet5", "--format")
    rows = list(csv.DictReader(io.StringIO(kcsim(*arguments, "csv").out)))
    assert sum(int(row["macs"]) for row in rows) == 2_293_000
    assert "| conv1" in kcsim(*arguments, "markdown").out
    assert "\\toprule" in kcsim(*arguments, "latex").out


@pytest.mark.parametrize(
    ("name", "start"), [("x.json", "{"), ("x.csv", "run,layer,"), ("x.md", "#"), ("x.tex", "\\")]
)
def test_the_ending_of_the_file_chooses_the_format(kcsim, tmp_path, name, start):
    path = tmp_path / name
    outcome = kcsim("estimate", "--hw", "eyeriss", "-n", "lenet5", "-o", path)
    assert (outcome.code, outcome.out) == (0, "")
    content = path.read_text()
    assert content.lstrip().startswith(start) or start in content.splitlines()[0]
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure(kcsim, tmp_path):
    path = tmp_path / "energy.svg"
    outcome = kcsim(
        "estimate", "--hw", "eyeriss", "-n", "lenet5", "--cluster", "scalar:k=16", "--plot", path
    )
    assert outcome.code == 0
    assert "<svg" in path.read_text()


def test_a_found_mapping_evaluates_to_what_the_estimate_says(kcsim, tmp_path):
    path = tmp_path / "conv2.yaml"
    layer = ("--hw", "eyeriss", "--layer", "lenet5/conv2")
    assert kcsim("map", *layer, "-o", path).code == 0
    evaluated = json.loads(kcsim("evaluate", *layer, "--mapping", path, "--format", "json").out)
    whole = json.loads(kcsim("estimate", "--hw", "eyeriss", "-n", "lenet5", "--format", "json").out)
    estimated = whole["runs"][0]["layers"][1]
    (layer,) = evaluated["layers"]
    for name in ("accesses_by_level", "energy", "cycles"):
        assert layer[name] == estimated[name]


def test_evaluate_prints_every_level_and_tensor_exactly(kcsim, tmp_path):
    path = tmp_path / "conv3.yaml"
    path.write_text(
        "levels:\n"
        "  - {level: DRAM, temporal: [M=2, C=16]}\n"
        "  - {level: buffer, temporal: [M=12, Q=13], spatial_x: [P=13], spatial_y: [C=4, R=3]}\n"
        "  - {level: scratchpads, temporal: [M=16, C=4, S=3]}\n"
    )
    outcome = kcsim("evaluate", "--hw", "eyeriss", "--layer", "alexnet/conv3", "--mapping", path)
    assert outcome.code == 0
    # Each weight is read from DRAM once; each PE reads an operand a MAC.
    assert "884,736" in outcome.out
    assert "149,520,384" in outcome.out


def test_overrides_change_the_result(kcsim):
    def energy(*extra):
        arguments = ("estimate", "--hw", "eyeriss", "-n", "lenet5", "--format", "json")
        return json.loads(kcsim(*arguments, *extra).out)["runs"][0]["energy"]

    plain = energy("--objective", "cycles")
    dearer = energy("--objective", "cycles", "--set", "compute.mac_pj=3")
    assert dearer == pytest.approx(plain + 2_293_000)


def test_selected_layers_and_batch(kcsim):
    outcome = kcsim(
        "estimate", "--hw", "eyeriss", "-n", "alexnet", "--layers", "conv3", "--batch", "4",
        "--format", "json",
    )  # fmt: skip
    (layer,) = json.loads(outcome.out)["runs"][0]["layers"]
    assert layer["macs"] == 4 * 149_520_384


def test_zeros_of_a_file_and_of_a_text(kcsim, tmp_path):
    path = tmp_path / "zeros.yaml"
    path.write_text("conv*: {inputs: 0.25, outputs: 0.5}\nip?: {inputs: 0.25, outputs: 0.5}\n")
    arguments = ("estimate", "--hw", "eyeriss", "-n", "lenet5", "--layers", "conv*", "--zeros")
    text = kcsim(*arguments, "inputs=.25,outputs=.5", "--format", "json").out
    assert kcsim(*arguments, path, "--format", "json").out == text
    layers = json.loads(text)["runs"][0]["layers"]
    for layer in layers:
        zeros = layer["zeros"]
        assert zeros["gated_macs"] == layer["macs"] // 4
        assert zeros["is_expectation"]
        assert [stored["coding"] for stored in zeros["stored_tensors"]] == [None, "run_length"]
    shown = kcsim(*arguments, path).out
    assert "Layers (expected): lenet5" in shown
    assert "MACs, traffic and energy are expected values, from the shares of zeros." in shown
    unused = kcsim("estimate", "--hw", "simple", "-n", "lenet5", "--zeros", "inputs=0.5").out
    assert "simple makes no use of these zeros." in unused
    assert "expected" not in unused


def test_zeros_of_one_layer(kcsim, tmp_path):
    path, zeros = tmp_path / "conv2.yaml", tmp_path / "zeros.yaml"
    # A file for the whole network serves each of its layers.
    zeros.write_text("conv1: {inputs: 0.1}\nconv2: {inputs: 0.25, outputs: 0.75}\n")
    layer = ("--hw", "eyeriss", "--layer", "lenet5/conv2", "--zeros", zeros)
    assert kcsim("map", *layer, "-o", path).code == 0
    evaluated = kcsim("evaluate", *layer, "--mapping", path)
    assert "gated MACs" in evaluated.out
    assert "run_length" in evaluated.out


def test_lists(kcsim):
    assert "resnet18" in kcsim("networks").out
    assert "layer1.0.conv1" in kcsim("networks", "resnet18").out
    for name in shipped_names():
        assert name in kcsim("hardware").out
    assert "levels:" in kcsim("hardware", "eyeriss").out


def test_a_printed_network_is_a_network_file(kcsim, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(kcsim("networks", "squeezenet1_1", "--yaml").out)
    outcome = kcsim("networks", path)
    assert outcome.code == 0
    assert "349,151,936" in outcome.out


@pytest.mark.parametrize("kind", KINDS)
def test_schemas(kcsim, kind):
    schema = json.loads(kcsim("schema", kind).out)
    assert schema["type"] == "object"
    assert schema["properties"]


def test_version_and_help(kcsim):
    assert kcsim("--version").out == f"kcsim {package.__version__}\n"
    outcome = kcsim("--help")
    assert outcome.code == 0
    assert "\nNetworks:\n  estimate  Estimate energy" in outcome.out
    assert "\nMappings of layers:\n  map " in outcome.out
    assert "..." not in outcome.out.replace("[ARGS]...", "")
    alone = kcsim()
    assert (alone.code, alone.out, alone.err) == (2, "", outcome.out)


def test_an_estimate_loads_nothing_heavy_that_it_does_not_use():
    code = (
        "import sys; sys.argv = ['kcsim', 'estimate', '--hw', 'eyeriss', '-n', 'lenet5']\n"
        "from kcsim.cli.main import run\n"
        "run()\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_loads_no_kernels():
    code = (
        "import sys; sys.argv = ['kcsim', '--help']\n"
        "from kcsim.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'numpy', 'pydantic', 'yaml', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
