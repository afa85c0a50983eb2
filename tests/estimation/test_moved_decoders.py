"""Decoders that are moved to levels with stores of their own cost what those stores cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from shared_layers import KERNELS, LAYER, SMALL, layers_of, problems

import kcsim
from kcsim.errors import MappingError
from kcsim.estimation.executions import EXECUTIONS
from kcsim.hardware.codebook_store import CodebookStore, MovedStore
from kcsim.mapping.search import OBJECTIVES
from kcsim.report.reasons_data import decoding_table
from kcsim.workload.network import Network

NETWORK = Network("one", (LAYER,))
SINGLE = EXECUTIONS[:-1]
STORES = st.builds(
    MovedStore,
    capacity_kib=st.sampled_from((None, 0.01, 0.25, 4.0)),
    word_bits=st.sampled_from((None, 8, 16)),
    read_pj=st.sampled_from((None, 0.0, 0.1, 30.0)),
    write_pj=st.sampled_from((None, 0.2)),
    read_words_per_cycle=st.sampled_from((None, 0.1, 1.0, "auto")),
)


def with_stores(hardware, **at):
    return replace(hardware, codebook=replace(hardware.codebook, at=at))


def as_own(hardware, level):
    """The hardware of a file whose own codebook is at a level, with the store of that level."""
    store, given = hardware.codebook, hardware.codebook.at.get(level, MovedStore())

    def said(name):
        value = getattr(given, name)
        return getattr(store, name) if value is None else value

    own = CodebookStore(
        level=level,
        **{name: said(name) for name in ("capacity_kib", "read_pj", "write_pj", "word_bits",
                                         "read_words_per_cycle")},
    )  # fmt: skip
    return replace(hardware, codebook=own)


def spent(layers):
    return [(e.energy, e.cycles, e.items, e.mapping, e.note) for e in layers]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), st.data())
def test_a_moved_decoder_is_that_of_another_file(problem, data):
    layer, hardware, spec = problem
    hardware = with_stores(hardware, **{
        level: data.draw(STORES) for level in hardware.level_names
        if level != hardware.codebook.level
    })  # fmt: skip
    network, objective = Network("one", (layer,)), data.draw(st.sampled_from(OBJECTIVES))
    for level in hardware.level_names:
        own = as_own(hardware, level) if level != hardware.codebook.level else hardware
        try:
            same = layers_of(network, "decode", objective, own, spec)
        except MappingError:
            assume(False)
        moved = layers_of(network, "decode", objective, hardware, spec, decode_level=level)
        assert spent(moved) == spent(same)


@pytest.mark.parametrize("execution", SINGLE)
@pytest.mark.parametrize("given", [
    MovedStore(read_pj=9.0), MovedStore(capacity_kib=0.001), MovedStore(read_words_per_cycle=0.01),
])  # fmt: skip
def test_shared_layers_see_the_store_of_the_level(execution, given):
    hardware = with_stores(SMALL, buffer=given)
    moved = layers_of(NETWORK, execution, hardware=hardware, decode_level="buffer")
    assert spent(moved) == spent(layers_of(NETWORK, execution, hardware=as_own(hardware, "buffer")))
    assert spent(moved) != spent(layers_of(NETWORK, execution, decode_level="buffer"))
    # Elsewhere nothing changes.
    for level in ("DRAM", "registers"):
        other = layers_of(NETWORK, execution, hardware=hardware, decode_level=level)
        assert spent(other) == spent(layers_of(NETWORK, execution, decode_level=level))


@pytest.mark.parametrize("level", ["buffer", "registers"])
@pytest.mark.parametrize("execution", ["auto", "decode"])
def test_the_decoder_goes_where_its_store_is_cheap(level, execution):
    dear = replace(SMALL, codebook=replace(SMALL.codebook, read_pj=1e4))
    cheap = with_stores(dear, **{level: MovedStore(read_pj=0.0)})
    options = {"objective": "energy", "spec": "scalar:k=3", "decode_level": "auto"}
    (found,) = layers_of(NETWORK, execution, hardware=cheap, **options)
    assert (found.execution, found.decode_level) == ("decode", level)
    none_is_cheap = with_stores(dear, **{level: MovedStore(read_pj=1e5)})
    (other,) = layers_of(NETWORK, execution, hardware=none_is_cheap, **options)
    assert other.decode_level != level or other.execution != "decode"


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_what_was_found_with_another_store_is_not_taken(execution, tmp_path, monkeypatch):
    found = {}
    for folder in ("kept", "one", "other"):
        monkeypatch.setenv("KCSIM_CACHE_DIR", str(tmp_path / folder))
        for name, price in (("one", 0.1), ("other", 60.0)):
            if folder in ("kept", name):
                hardware = with_stores(SMALL, buffer=MovedStore(read_pj=price))
                layers = layers_of(NETWORK, execution, hardware=hardware, decode_level="buffer")
                found[folder, name] = spent(layers)
    assert found["kept", "one"] == found["one", "one"]
    assert found["kept", "other"] == found["other", "other"]
    assert found["one", "one"] != found["other", "other"]


def test_a_comparison_says_whose_stores_they_are():
    hardware = with_stores(SMALL, buffer=MovedStore(read_pj=0.1))
    for each, said in ((SMALL, "of the same size"), (hardware, "as large as the hardware says")):
        result = kcsim.compare_executions(each, NETWORK, KERNELS)
        (table,) = decoding_table(result, "small")
        assert f"with a store {said} there." in table.notes[0]


def test_sweeps_set_the_stores_of_levels(tmp_path):
    sizes, path = ["512 B", "4 KiB"], "codebook.at.register file.capacity"
    space = {
        "hardware": "simple", "networks": ["lenet5"], "clusterings": ["scalar:k=16"],
        "executions": ["decode"], "decode_levels": ["register file", "DRAM"],
        "axes": {path: sizes},
    }  # fmt: skip
    points = kcsim.explore(space, tmp_path / "out", workers=1).points()
    assert len(points) == 4
    for size in sizes:
        hardware = kcsim.load_hardware("simple", [f"{path}={size}"])
        kib = hardware.codebook.at["register file"].capacity_kib
        for level in space["decode_levels"]:
            (energy,) = points[(points[path] == kib) & (points.decode_level == level)].energy
            alone = kcsim.estimate(hardware, "lenet5", "scalar:k=16", decode_level=level)
            assert energy == alone["decode"].energy
