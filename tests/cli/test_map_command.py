"""``kcsim map``, ``map-network`` and ``front`` as people type them."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from kcsim import evaluate, find_front, load_hardware, load_layer, search_mapping
from kcsim.mapping.reader import read_mapping

LAYER = ("map", "--hw", "eyeriss", "--layer", "lenet5/conv2")
NETWORK = ("map-network", "--hw", "simple", "-n", "lenet5")
SEARCHES = Path(__file__).parent.parent / "data" / "searches"


@pytest.mark.parametrize("objective", ["edp", "energy", "cycles"])
def test_the_file_is_read_back_to_the_same_counts(kcsim, tmp_path, objective):
    path = tmp_path / "mapping.yaml"
    assert kcsim(*LAYER, "--objective", objective, "-o", str(path)).code == 0
    text = path.read_text()
    assert f"the mapping of least {objective}: no other mapping is better (proved)" in text
    layer, hardware = load_layer("lenet5/conv2"), load_hardware("eyeriss")
    found = search_mapping(layer, hardware, objective=objective)
    assert read_mapping(path, layer, hardware) == found.mapping
    estimate = evaluate(layer, hardware, found.mapping)
    assert f"{found.cycles:,.0f} cycles; {found.evaluated:,} of" in text
    assert estimate.energy == pytest.approx(found.energy, rel=1e-4)


def test_a_network(kcsim, tmp_path):
    outcome = kcsim(*NETWORK, "--objective", "energy", "--save", str(tmp_path / "maps"))
    assert outcome.code == 0
    assert outcome.out.count(" yes ") == 4
    assert "No other mapping of the map space is better (proved)." in outcome.out
    saved = {path.name for path in (tmp_path / "maps").iterdir()}
    assert saved == {"conv1.yaml", "conv2.yaml", "ip1.yaml", "ip2.yaml"}
    rows = list(csv.DictReader(io.StringIO(kcsim(*NETWORK, "--format", "csv").out)))
    assert [row["proved"] for row in rows] == ["yes"] * 4
    assert all(int(row["evaluated"]) < float(row["mappings"]) for row in rows)


def test_clustered_weights_have_mappings_of_their_own(kcsim, tmp_path):
    outcome = kcsim(*NETWORK, "--cluster", "scalar:k=16", "--save", str(tmp_path / "maps"))
    assert "dense weights on simple" in outcome.out
    assert "scalar:k=16" in outcome.out
    assert len(list((tmp_path / "maps").glob("*.clustered.yaml"))) == 4


def test_the_front(kcsim):
    outcome = kcsim("front", "--hw", "simple", "--layer", "lenet5/conv2", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    points = find_front(load_layer("lenet5/conv2"), load_hardware("simple"))
    assert [int(row["cycles"]) for row in rows] == [round(point.cycles) for point in points]
    energies = [float(row["energy"]) for row in rows]
    assert energies == sorted(energies, reverse=True)


def test_the_front_as_a_figure(kcsim, tmp_path):
    figure = tmp_path / "front.svg"
    outcome = kcsim(
        "front", "--hw", "simple", "--layer", "lenet5/conv2", "--even", "--plot", str(figure)
    )
    assert outcome.code == 0
    text = figure.read_text(encoding="utf-8")
    assert "conv2 on simple (proved)" in text
    assert "energy [" in text
    assert "cycles" in text
    assert kcsim("front", "--hw", "simple", "--layer", "lenet5/conv2", "--plot", "x.doc").code == 2


def test_even_mappings_are_searched_alone_if_asked(kcsim):
    layer, hardware = load_layer("resnet18/layer4.0.downsample"), load_hardware("simple")
    call = ("map", "--hw", "simple", "--layer", "resnet18/layer4.0.downsample")
    texts = [kcsim(*call, "--objective", "energy", *more).out for more in ((), ("--even",))]
    assert "nest: [" in texts[0]
    assert "nest: [" not in texts[1]
    energies = [
        search_mapping(layer, hardware, objective="energy", even=even).energy
        for even in (False, True)
    ]
    assert energies[0] < energies[1]
    for text, energy in zip(texts, energies, strict=True):
        assert f"# {energy:.6g} " in text


def test_loops_and_figure(kcsim, tmp_path):
    figure = tmp_path / "nest.png"
    outcome = kcsim(*LAYER, "--loops", "--plot", str(figure))
    assert "buffer  holds inputs" in outcome.out
    assert outcome.out.endswith("\n")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_imperfect_bounds_are_not_called_proved(kcsim):
    outcome = kcsim("map", "--hw", "eyeriss", "--layer", "alexnet/conv1", "--imperfect")
    assert "not proved: of bounds that do not divide their dimension" in outcome.out
    levels = yaml.safe_load(outcome.out)["levels"]
    assert any(level.get("temporal") or level.get("nest") for level in levels)


def test_what_a_mapping_may_bypass(kcsim, tmp_path):
    plain = load_hardware("simple")
    path = tmp_path / "open.yaml"
    text = kcsim("hardware", "simple").out
    path.write_text(
        text.replace("- {name: register file,", "- {name: register file, may_bypass: [outputs],")
    )
    layer = load_layer("alexnet/conv1")
    free = search_mapping(layer, load_hardware(path), objective="energy")
    kept = search_mapping(layer, plain, objective="energy")
    assert free.energy <= kept.energy
    # Twice as many choices, but fewer places where a tensor is left out.
    assert kept.mappings < free.mappings < 2 * kept.mappings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("map",), "missing option '--layer'"),
        (("map-network",), "missing option '--network'"),
        (("map", "--layer", "lenet5/conv1", "--time-limit", "0"), "the time limit is 0"),
        (("map", "--layer", "lenet5/conv1", "--plot", "nest.doc"), "names no format of pictures"),
    ],
)
def test_mistakes(kcsim, arguments, message):
    command, *options = arguments
    outcome = kcsim(command, "--hw", "simple", *options)
    assert outcome.code == 2
    assert message in outcome.err


CUT = ("--hw", str(SEARCHES / "every_bypass.yaml"), "--time-limit", "0.1")


def test_what_a_limit_cut_short_is_said_in_every_form(kcsim, tmp_path):
    layer = (*CUT, "--layer", "vgg16/conv2-2")
    for more in ((), ("--loops",)):
        out = kcsim("map", *layer, *more).out
        assert "not proved: the time limit ended the search; at most" in out
        assert "% from the best" in out
    assert "Not proved: the time limit ended the search" in kcsim("front", *layer).out
    network = ("-n", "vgg16", "--layers", "conv2-2")
    for command in ("map-network", "estimate"):
        out = " ".join(kcsim(command, *CUT, *network).out.split())
        assert "1 of 1 mappings not proved: the time limit ended the search; at most" in out
    outcome = kcsim("estimate", *CUT, *network, "--format", "csv")
    assert "kcsim: 1 of 1 mappings not proved: the time limit" in outcome.err
    document = json.loads(kcsim("estimate", *CUT, *network, "--format", "json").out)
    search = document["runs"][0]["layers"][0]["search"]
    assert not search["proved"]
    assert 0 < search["gap"] <= 1
    assert search["note"] == "the time limit ended the search"


def test_a_comparison_says_what_is_not_proved(kcsim):
    outcome = kcsim(
        "compare", "--hw", "eyeriss_codebook", "-n", "lenet5", "--cluster", "kernel:k=16",
        "--time-limit", "0.001",
    )  # fmt: skip
    assert "mappings not proved:" in outcome.out
    assert "the time limit ended the search" in " ".join(outcome.out.split())


def test_a_limit_is_no_limit_or_a_number_of_seconds(kcsim):
    assert kcsim(*LAYER, "--time-limit", "inf").code == 0
    for limit in ("0", "-1", "nan"):
        outcome = kcsim(*LAYER, "--time-limit", limit)
        assert outcome.code == 2
        assert "expected a number of seconds above 0" in outcome.err
