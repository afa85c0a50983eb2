"""``--fix``, ``--best`` and ``--why`` as people type them."""

import csv
import io
import json

import pytest

from kcsim import load_hardware, load_layer, rank_mappings, search_mapping

LAYER = ("map", "--hw", "eyeriss", "--layer", "lenet5/conv2")


@pytest.fixture
def fix(tmp_path):
    path = tmp_path / "fix.yaml"
    path.write_text("levels:\n  - {level: buffer, spatial_x: [P=8], nest: [outputs, ...]}\n")
    return path


def test_the_best_with_what_is_fixed(kcsim, fix, tmp_path):
    outcome = kcsim(*LAYER, "--fix", fix)
    assert "no other mapping with what is fixed is better (proved)" in outcome.out
    assert "spatial_x: [P=8]" in outcome.out
    # What is found may be fixed itself.
    whole = tmp_path / "whole.yaml"
    whole.write_text(outcome.out)
    again = kcsim(*LAYER, "--fix", whole)
    assert again.out.splitlines()[3:] == outcome.out.splitlines()[3:]
    text = kcsim(*LAYER, "--fix", fix, "--loops").out
    assert "parallel-for P in 8 on X" in text


def test_a_front_with_what_is_fixed(kcsim, fix):
    outcome = kcsim("front", *LAYER[1:], "--fix", fix, "--format", "json")
    document = json.loads(outcome.out)
    assert document["schema"] == "kcsim.front/1"
    assert (document["fixed"], document["proved"]) == (True, True)
    assert all(point["mapping"][1]["spatial_x"] == ["P=8"] for point in document["points"])
    assert list(document) == list(json.loads(kcsim("schema", "front").out)["properties"])


def test_the_best_that_differ(kcsim):
    every = rank_mappings(load_layer("lenet5/conv2"), load_hardware("eyeriss"), 4)
    outcome = kcsim(*LAYER, "--best", "4", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["energy"]) for row in rows] == [found.energy for found in every]
    values = [float(row["edp"]) for row in rows]
    behind = [float(row["behind"]) for row in rows]
    assert behind == pytest.approx([value / values[0] - 1 for value in values])
    assert len({row["spread"] for row in rows}) == 4
    tiles = kcsim(*LAYER, "--best", "3", "--differ", "tiles").out
    assert "hold tiles of the same shape" in " ".join(tiles.split())


def test_why_the_best_is_the_best(kcsim, tmp_path):
    path = tmp_path / "why.json"
    assert kcsim(*LAYER, "--why", "--objective", "energy", "-o", path).code == 0
    document = json.loads(path.read_text())
    assert document["schema"] == "kcsim.mappings/1"
    assert list(document) == list(json.loads(kcsim("schema", "mappings").out)["properties"])
    best = search_mapping(load_layer("lenet5/conv2"), load_hardware("eyeriss"), objective="energy")
    assert [each["rank"] for each in document["ranked"]] == [1, 2]
    assert document["ranked"][0]["energy"] == best.energy
    gains = document["insight"]["gains"]
    for gain in gains:
        assert gain["saved"] == pytest.approx(best.energy - gain["energy"], abs=1e-6 * best.energy)
        assert gain["saved"] >= 0
    assert {gain["change"] for gain in gains} >= {"1 KiB", "1 word read a cycle", "1 row below it"}
    # Whatever is tight is named.
    (full,) = [each for each in document["insight"]["tight"] if each["holds"] == "weights"]
    assert full["component"] == "scratchpads"
    assert full["capacity_used"] == full["used_bits"] / full["capacity_bits"]
    table = kcsim(*LAYER, "--why").out
    for title in ("Mappings of least edp", "What is tight: conv2", "What more would give: conv2"):
        assert title in table


def test_layers_of_a_network_with_what_is_fixed(kcsim, tmp_path):
    network = ("map-network", "--hw", "eyeriss", "-n", "lenet5")
    saved, again = tmp_path / "maps", tmp_path / "again"
    assert kcsim(*network, "--save", saved, "--cluster", "scalar:k=16").code == 0
    outcome = kcsim(*network, "--fix", saved, "--save", again, "--cluster", "scalar:k=16")
    assert "No other mapping of the map space with what is fixed is better" in outcome.out
    for path in saved.iterdir():
        old, new = path.read_text().splitlines(), (again / path.name).read_text().splitlines()
        assert [line for line in old if line[:1] != "#"] == [n for n in new if n[:1] != "#"]
    (saved / "conv3.yaml").write_text("levels:\n  - {level: DRAM}\n")
    outcome = kcsim("estimate", *network[1:], "--fix", saved)
    assert "conv3.yaml' is of no layer of lenet5; expected LAYER.yaml; did you mean" in outcome.err
    assert kcsim("estimate", *network[1:], "--fix", saved, "--layers", "conv2").code == 0
    outcome = kcsim("estimate", *network[1:], "--fix", again / "nothing.yaml")
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
