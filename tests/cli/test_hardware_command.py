"""``kcsim hardware``, ``explain`` and ``cite``: numbers from sizes, and where they come from."""

from __future__ import annotations

import pytest
import yaml

from kcsim import load_hardware

BIG = "levels.buffer.capacity=1 MiB"


def test_an_override_prints_the_resolved_file(kcsim):
    outcome = kcsim("hardware", "simple", "--set", BIG)
    assert outcome.code == 0, outcome.err
    assert load_hardware(yaml.safe_load(outcome.out)) == load_hardware("simple", [BIG])
    assert "sram.csv, 131072 words of 64 bits" in outcome.out


def test_estimates_say_what_followed_from_sizes(kcsim):
    outcome = kcsim("estimate", "--hw", "simple", "-n", "lenet5", "--set", BIG)
    text = " ".join(outcome.out.split())
    assert "From sizes (kcsim, 65 nm, SRAM of LSTP cells): levels.buffer read_pj" in text
    assert "Area and leakage: simple" in text
    plain = " ".join(kcsim("estimate", "--hw", "simple", "-n", "lenet5").out.split())
    assert "From sizes" not in plain


@pytest.mark.parametrize("name", ["table", "csv", "markdown", "latex"])
def test_parts_are_printed_in_any_format(kcsim, name):
    outcome = kcsim("hardware", "eyeriss", "--parts", "--format", name)
    assert outcome.code == 0, outcome.err
    assert "scratchpads (weights)" in outcome.out
    assert "168" in outcome.out


def test_the_area_is_drawn(kcsim, tmp_path):
    path = tmp_path / "area.svg"
    outcome = kcsim("hardware", "eyeriss", "--plot", str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert "scratchpads (weights)" in path.read_text(encoding="utf-8")


def test_an_energy_of_a_result_is_explained(kcsim):
    number = ("explain", "buffer inputs read", "--hw", "simple", "--layer", "lenet5/conv1")
    lines = kcsim(*number, "--set", BIG).out.splitlines()
    energy, accesses, price = (float(lines[0].split()[i]) for i in (4, 7, 10))
    assert energy == pytest.approx(accesses * price, rel=1e-4)
    assert lines[3].startswith("levels.buffer.read_pj = ")
    assert any(line.startswith("source: cacti7") for line in lines)
    typed = kcsim(*number).out.splitlines()
    assert "simple.yaml" in typed[-1]
    assert "read_pj: 6" in typed[-1]


def test_sources_are_cited_as_text_and_as_bibtex(kcsim):
    text, entries = kcsim("cite", "--hw", "simple"), kcsim("cite", "--hw", "simple", "--bibtex")
    assert text.out.startswith("cacti7: Balasubramonian")
    assert entries.out.startswith("@article{cacti7,")


def test_what_a_file_says_beside_its_own_energies_is_cited(kcsim):
    lines = kcsim("cite", "--hw", "eyeriss", "--set", "compute.mac_pj=3").out.splitlines()
    typed = [line for line in lines if ": typed in at " in line]
    assert any(line.startswith("levels.DRAM.read_pj") and "nn_dataflow" in line for line in typed)
    assert not any(line.startswith("compute.mac_pj") for line in typed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hardware", "--parts"), "--parts has no effect here: no file is named"),
        (("hardware", "simple", "--format", "csv"), "--format has no effect here"),
        (("hardware", "simple", "--accelergy"), "energies of simple are relative to a MAC"),
        (("hardware", "simple", "--library", "nowhere.yaml"), "nowhere.yaml"),
        (("hardware", "simple", "--set", "levels.buffer.capacity=1 MB"), "is ambiguous"),
        (("explain", "levels.buffer.raed_pj", "--hw", "simple"), "'levels.buffer.read_pj'?"),
        (("explain", "area.bufer", "--hw", "simple"), "did you mean 'buffer'?"),
        (("explain", "buffer read", "--hw", "simple", "--layer", "lenet5/conv1"),
         "there is no energy 'buffer read'"),
        (("explain", "area"), "--hw"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(kcsim, words, said):
    outcome = kcsim(*words)
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err
