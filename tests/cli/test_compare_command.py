"""``kcsim compare``, and ``kcsim estimate --execution``."""

from __future__ import annotations

import csv
import io
import json

import pytest

import kcsim as package

RUNS = ["dense", "decode", "share_products", "share_sums", "auto"]
SPEC = "kernel:k=2,scope=layer"
NETWORK = """\
name: tiny
input: {channels: 2, height: 6, width: 6}
layers:
  - {name: conv1, type: conv, out_channels: 4, kernel: 3}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "tiny.yaml"
    path.write_text(NETWORK)
    return path


@pytest.fixture
def design(tiny):
    return ("--hw", "simple", "-n", tiny, "--cluster", SPEC)


def document(kcsim, *arguments):
    outcome = kcsim(*arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_all_executions_stand_side_by_side(kcsim, design):
    outcome = kcsim("compare", *design)
    assert outcome.code == 0
    for text in (
        *RUNS, "Executions (expected): tiny on simple", "Energy by component", "intermediate",
        "gathered", "expected distinct entries: no weights given", "full adders", "next",
    ):  # fmt: skip
        assert text in " ".join(outcome.out.split())


def test_json_of_a_comparison(kcsim, design):
    compared = document(kcsim, "compare", *design, "--objective", "energy")
    assert compared["schema"] == "kcsim.result/2"
    assert compared["objective"] == "energy"
    assert [run["run"] for run in compared["runs"]] == RUNS
    energy = {run["run"]: run["energy"] for run in compared["runs"]}
    assert energy["auto"] == min(energy.values())
    schema = json.loads(kcsim("schema", "result").out)
    assert list(compared) == list(schema["properties"])


def test_csv_has_one_row_a_run(kcsim, design, tiny, tmp_path):
    path = tmp_path / "runs.csv"
    assert kcsim("compare", *design, "-o", path).out == ""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["run"] for row in rows] == RUNS
    result = package.compare_executions("simple", package.load_network(tiny), SPEC)
    assert [float(row["energy"]) for row in rows] == [run.energy for run in result.runs.values()]


@pytest.mark.parametrize("name", ["a.md", "a.tex"])
def test_tables_of_a_comparison_in_files(kcsim, design, tmp_path, name):
    path = tmp_path / name
    assert kcsim("compare", *design, "-o", path, "--plot", tmp_path / "a.svg").code == 0
    assert "share" in path.read_text()
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_when_it_pays_is_one_command_and_is_answered_at_once_the_second_time(
    kcsim, design, tmp_path
):
    arguments = ("compare", *design, "--break-even", tmp_path / "pays", "--objective", "energy")
    first = kcsim(*arguments)
    assert first.code == 0, first.err
    shown = " ".join(first.out.split())
    assert "When it pays, along k" in shown
    assert "By energy, decoding beats dense weights " in shown
    assert "share_sums against decode along levels.buffer.capacity" in shown
    again = kcsim(*arguments)
    assert again.out == first.out
    assert "known" in again.err
    answer = kcsim("answer", tmp_path / "pays", "--break-even", "k")
    assert answer.out.strip() in first.out
    rows = list(csv.DictReader(io.StringIO(kcsim(*arguments, "--format", "csv").out)))
    assert {(row["execution"], row["against"]) for row in rows} == {
        ("decode", "dense"), ("share_products", "decode"), ("share_sums", "decode")
    }  # fmt: skip
    assert all(float(row["least_ratio"]) <= float(row["largest_ratio"]) for row in rows)
    for options, message in (
        (("--plot", "x.pdf"), "--plot has no effect here: a sweep is run"),
        (("--sweep", "x.yaml"), "--sweep and --break-even do not go together"),
        (("--format", "json"), "no JSON form"),
    ):
        assert message in kcsim(*arguments, *options).err


def test_each_execution_is_that_of_the_estimate(kcsim, design):
    runs = {run["run"]: run for run in document(kcsim, "compare", *design)["runs"]}
    dense = runs.pop("dense")
    for execution, run in runs.items():
        estimated = document(kcsim, "estimate", *design, "--execution", execution)["runs"]
        for one, other in zip(estimated, (dense, run), strict=True):
            for layers in (one["layers"], other["layers"]):
                for layer in layers:
                    layer["search"] = None
            assert one == other


def test_decode_is_the_default(kcsim, design):
    plain = document(kcsim, "estimate", *design)
    assert plain["runs"][1]["run"] == "decode"
    assert document(kcsim, "estimate", *design, "--execution", "decode") == plain


def test_a_place_for_the_decoder(kcsim, design):
    arguments = ("estimate", *design, "--decode-level")
    found = {}
    for level in ("DRAM", "buffer", "register file", "auto"):
        found[level] = document(kcsim, *arguments, level)["runs"][1]
    for level in ("DRAM", "buffer", "register file"):
        assert {layer["decode_level"] for layer in found[level]["layers"]} == {level}
    for layers in zip(*(run["layers"] for run in found.values()), strict=True):
        *given, best = layers
        edp = [layer["energy"] * layer["cycles"] for layer in given]
        assert best["energy"] * best["cycles"] == min(edp)
        assert len(best["alternatives"]) == 3
    assert "decode at" in " ".join(kcsim(*arguments, "auto").out.split())


def test_what_was_chosen_is_printed(kcsim, design):
    out = kcsim("estimate", *design, "--execution", "auto").out
    for text in ("Execution: tiny on simple, kernel:k=2,scope=layer, auto", "share_products",
                 "Shared products and sums (expected)", "whole layer"):  # fmt: skip
        assert text in " ".join(out.split())


def test_clustered_weights_of_a_file_are_no_expectation(kcsim, tiny, tmp_path):
    from random_clustered import random_clustered

    path = tmp_path / "clustered.safetensors"
    network = package.load_network(tiny)
    package.save_clustered(random_clustered(network, SPEC), path)
    arguments = ("--hw", "simple", "--weights", path)
    compared = document(kcsim, "compare", *arguments)
    shares = compared["runs"][2]
    assert shares["run"] == "share_products"
    for layer in shares["layers"]:
        assert layer["intermediate"]["is_expectation"] is False
    assert "expected" not in kcsim("compare", *arguments).out


def test_batch_zeros_and_overrides_of_a_comparison(kcsim, design):
    compared = document(
        kcsim, "compare", *design, "--batch", "2", "--zeros", "inputs=0.5",
        "--set", "compute.mac_pj=2", "--time-limit", "60",
    )  # fmt: skip
    (layer,) = compared["runs"][0]["layers"]
    assert layer["macs"] == 2 * 2 * 4 * 4 * 4 * 3 * 3
    assert layer["zeros"]["zero_inputs"] == 0.5
    (item,) = (item for item in layer["energy_items"] if item["component"] == "MAC")
    assert item["energy"] == 2 * layer["macs"]
