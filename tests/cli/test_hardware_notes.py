"""Commands say what a hardware file leaves open, and what it says in vain."""

from __future__ import annotations

import pytest
import yaml

from kcsim import load_hardware

INT8 = """\
name: int8
precision_bits: {weights: 8, inputs: 8, outputs: 8}
levels:
  - {name: DRAM, read_pj: 64, write_pj: 64}
  - {name: GLB, capacity_kib: 64, read_pj: 1.2, write_pj: 1.4}
compute: {mac_pj: 0.2}
codebook: {level: GLB, capacity_kib: 1, read_pj: 0.1, write_pj: 0.1}
"""
ASSUMED = "word_bits assumed, as wide as the widest value kept: DRAM 8, GLB 8, codebook store 8."
LAYER = "{name: conv, type: conv, in_channels: 2, out_channels: 4, in_size: 4, kernel: 3}"
NETWORK = f"name: net\nlayers:\n  - {LAYER}\n"
MAPPING = "levels: [{level: DRAM, temporal: [M=4, C=2, P=2, Q=2, R=3, S=3]}]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    texts = {"hw": INT8, "layer": LAYER, "net": NETWORK, "map": MAPPING}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("estimate", "--hw", "hw.yaml", "-n", "net.yaml"),
        ("compare", "--hw", "hw.yaml", "-n", "net.yaml", "--cluster", "scalar:k=4"),
        ("map-network", "--hw", "hw.yaml", "-n", "net.yaml"),
        ("map", "--hw", "hw.yaml", "--layer", "layer.yaml"),
        ("front", "--hw", "hw.yaml", "--layer", "layer.yaml"),
        ("evaluate", "--hw", "hw.yaml", "--layer", "layer.yaml", "--mapping", "map.yaml"),
        ("estimate", "--hw", "hw.yaml", "-n", "net.yaml", "--format", "json"),
        ("hardware", "hw.yaml"),
    ],
)
def test_commands_say_what_is_assumed(kcsim, folder, command):
    outcome = kcsim(*command)
    assert outcome.code == 0, outcome.err
    # Tables break lines.
    assert ASSUMED in " ".join(outcome.out.split())


def test_what_is_printed_of_a_file_is_still_that_file(kcsim, folder):
    (folder / "hw.yaml").write_text(INT8.rstrip(), encoding="utf-8")
    printed = kcsim("hardware", "hw.yaml").out
    assert printed.startswith(INT8)
    assert load_hardware(yaml.safe_load(printed)) == load_hardware("hw.yaml")


def test_forwarding_that_a_mapping_rules_out_is_said(kcsim, folder):
    text = INT8.replace(
        "write_pj: 64}", "write_pj: 64, fanout: {x: 4, forwarding: [inputs, outputs]}}"
    )
    (folder / "hw.yaml").write_text(text, encoding="utf-8")
    options = ("--hw", "hw.yaml", "--layer", "layer.yaml", "--mapping", "map.yaml")
    shown = " ".join(kcsim("evaluate", *options).out.split())
    assert "DRAM forwards no inputs: one child is in use." in shown
    assert (
        "DRAM forwards no outputs, though it names them: only weights and inputs are taken from "
        "neighbors." in shown
    )
