"""Shared mappings are searched once: what was found is kept on disk."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from shared_layers import shared_layer

from kcsim.errors import MappingError
from kcsim.hardware.reader import load_hardware
from kcsim.mapping.cache import _digest
from kcsim.sharing import search
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("layer", 4, 8, 6, 6, 3, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KCSIM_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def shared():
    return shared_layer(LAYER, load_hardware("simple"), "kernel:k=3,scope=layer", "share_products")


def forbid(monkeypatch):
    def explore(*arguments):
        raise AssertionError("searched again")

    monkeypatch.setattr(search, "_explore", explore)


def same(one, other):
    assert one.plan == other.plan
    assert one.items == other.items
    assert one.cycles == other.cycles
    assert replace(one.search, seconds=0) == replace(other.search, seconds=0)


def test_a_search_is_not_repeated(folder, shared, monkeypatch):
    first = search.find_shared_mapping(shared, "energy")
    assert search.find_shared_mapping(shared, "energy", below=first.energy) is None
    forbid(monkeypatch)
    same(search.find_shared_mapping(shared, "energy"), first)
    assert search.find_shared_mapping(shared, "energy", below=first.energy) is None


def test_where_a_spilled_codebook_lies_is_kept(folder, monkeypatch):
    small = ["codebook.level=register file", "codebook.capacity_kib=0.001"]
    hardware = load_hardware("simple", small)
    shared = shared_layer(LAYER, hardware, "kernel:k=3,scope=layer", "share_products")
    first = search.find_shared_mapping(shared, "energy")
    assert first.plan.codebook_level is not None
    forbid(monkeypatch)
    same(search.find_shared_mapping(shared, "energy"), first)


@pytest.mark.parametrize("change", ["objective", "sharing", "layer", "hardware", "entries"])
def test_whatever_matters_is_searched_anew(folder, shared, monkeypatch, change):
    search.find_shared_mapping(shared, "energy")
    forbid(monkeypatch)
    layer = replace(LAYER, in_height=8) if change == "layer" else LAYER
    override = ["levels.buffer.read_pj=7"] if change == "hardware" else []
    other = shared_layer(
        layer, load_hardware("simple", override),
        f"kernel:k={4 if change == 'entries' else 3},scope=layer",
        "share_sums" if change == "sharing" else "share_products",
    )  # fmt: skip
    with pytest.raises(AssertionError, match="searched again"):
        search.find_shared_mapping(other, "cycles" if change == "objective" else "energy")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"best": 3}', '{"best": [1, 2]}', '{"odd": 1}'])
def test_files_that_say_nothing_are_misses(folder, shared, text):
    first = search.find_shared_mapping(shared, "energy")
    (path,) = folder.rglob("*.json")
    json.loads(path.read_text())
    path.write_text(text)
    same(search.find_shared_mapping(shared, "energy"), first)


def better(document):
    document["best"]["energy"] *= 0.5


def smaller_tile(document):
    document["best"]["tile"] = [1] * 6


def elsewhere(document):
    document["best"]["home"], document["best"]["gathered_at"] = "nowhere", 7


def nowhere_to_look_up(document):
    document["best"]["codebook_level"] = "buffer"


def other_loops(document):
    document["best"]["gather"] = document["best"]["entries"]


@pytest.mark.parametrize("edit", [better, smaller_tile, elsewhere, nowhere_to_look_up, other_loops])
def test_what_does_not_come_to_what_it_says_is_a_miss(folder, shared, edit):
    first = search.find_shared_mapping(shared, "energy")
    (path,) = folder.rglob("*.json")
    document = json.loads(path.read_text())
    del document["digest"]
    edit(document)
    path.write_text(json.dumps({**document, "digest": _digest(path.stem, document)}))
    same(search.find_shared_mapping(shared, "energy"), first)


def test_a_search_that_is_cut_short_says_so_and_is_not_kept(folder, shared, monkeypatch):
    whole = search.find_shared_mapping(shared, "energy")
    for path in folder.rglob("*.json"):
        path.unlink()
    found = search.find_shared_mapping(shared, "energy", time_limit=1e-6)
    assert found.search.note == "the time limit ended the search"
    assert not found.search.proved
    assert 0 < found.search.gap <= 1
    assert found.energy * (1 - found.search.gap) <= whole.energy * (1 + 1e-9)
    assert list(folder.rglob("*.json")) == []


def test_many_tiles_are_thinned_out_and_said_to_be(folder, shared, monkeypatch):
    monkeypatch.setattr("kcsim.sharing.bounds._MOST_TILES", 20)
    found = search.find_shared_mapping(shared, "energy")
    assert found.search.note == "only some of its tiles were looked at"
    assert found.search.gap == 1.0


def test_that_nothing_fits_is_kept(folder, monkeypatch):
    small = load_hardware("simple", ["levels.register file.capacity_words=1"])
    shared = shared_layer(LAYER, small, "kernel:k=3,scope=layer", "share_products")
    with pytest.raises(MappingError, match="layer cannot share products") as first:
        search.find_shared_mapping(shared)
    forbid(monkeypatch)
    with pytest.raises(MappingError) as again:
        search.find_shared_mapping(shared)
    assert str(again.value) == str(first.value)
