"""Windows that slide along two loops of one axis: here, and in the reference tool."""

from dataclasses import replace

import oracle
import pytest

from kcsim.errors import MappingError
from kcsim.estimation.estimate import estimate
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import search_mapping
from kcsim.model.best import map_layer
from kcsim.model.counts import count_layer
from kcsim.replay.dense import compare, replay_layer
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

LEVELS = (
    Level(name="DRAM", read_pj=200, write_pj=200),
    Level(name="GLB", read_pj=6, write_pj=6, capacity_words=220),
)
ANY = Hardware(name="slide", levels=LEVELS, compute=Compute(mac_pj=0))
REPEATED = replace(ANY, slides="repeated")
LAYER = ConvLayer("l", 2, 1, 7, 4, 2, 3)
MAPPING = Mapping(
    (
        LevelLoops("DRAM", (Loop("P", 2), Loop("R", 2))),
        LevelLoops("GLB", (Loop("S", 3), Loop("Q", 2), Loop("P", 3), Loop("C", 2))),
    )
)
TOOL = 64
"""Words that the tool has DRAM read, whether it extrapolates or counts all of it."""


def input_reads(layer, hardware, mapping):
    """What DRAM reads: the same by the closed forms, a walk and a replay."""
    counts = count_layer(layer, hardware, mapping)
    found = counts.words("DRAM", "inputs", "reads")
    assert found == oracle.walk(layer, hardware, mapping).reads["DRAM", "inputs"]
    assert compare(replay_layer(layer, hardware, mapping), counts) == ()
    return found


def test_an_overlap_stays_whatever_moved_the_window():
    # 3 rows of 8 words, then 1, 2 and 1 new ones.
    assert input_reads(LAYER, ANY, MAPPING) == (3 + 1 + 2 + 1) * 8 == 56


def test_a_window_may_slide_by_repeated_moves_alone():
    # By 1 row, then by 2, which refills it, then by 1 again, after a refill.
    assert input_reads(LAYER, REPEATED, MAPPING) == (3 + 1 + 3 + 1) * 8 == TOOL


def test_moves_of_one_length_are_repeated_ones_whichever_loop_makes_them():
    # P in 2 times 2 tiles of one row, and two taps inside: each move is by one row.
    layer = ConvLayer("l", 1, 1, 6, 1, 3, 1)
    inner = LevelLoops("GLB", (Loop("R", 3),))
    mapping = Mapping((LevelLoops("DRAM", (Loop("P", 2), Loop("P", 2))), inner))
    assert input_reads(layer, ANY, mapping) == input_reads(layer, REPEATED, mapping) == 6


def test_standing_still_repeats_nothing_and_interrupts_nothing():
    layer = ConvLayer("l", 1, 3, 6, 1, 3, 1)
    inner = LevelLoops("GLB", (Loop("R", 3),))
    still = Mapping((LevelLoops("DRAM", (Loop("P", 4), Loop("M", 3))), inner))
    assert input_reads(layer, ANY, still) == input_reads(layer, REPEATED, still) == 6
    # Rows 0 and 1 for each filter, then rows 2 and 3: back by one row, but once on by one.
    back = Mapping((LevelLoops("DRAM", (Loop("P", 2), Loop("M", 3), Loop("P", 2))), inner))
    words = 3 * (3 + 1) + (1 + 1) + 2 * (3 + 1)
    assert input_reads(layer, ANY, back) == input_reads(layer, REPEATED, back) == words


def test_a_loop_over_filters_leaves_the_tile_where_it_is():
    # 3 channels, 2 tiles of 113 rows, each in 8 of 29 columns that overlap by one. The tool
    # reads every tile in full where a loop over filters stands innermost: 3 * 226 * 232.
    layer = ConvLayer("l", 3, 4, 225, 225, 3, 3, 2)
    bounds = zip("CPQRS", (3, 56, 14, 3, 3), strict=True)
    inner = LevelLoops("GLB", tuple(Loop(d, n) for d, n in bounds))
    mapping = Mapping((LevelLoops("DRAM", (Loop("P", 2), Loop("Q", 8), Loop("M", 4))), inner))
    roomy = (LEVELS[0], replace(LEVELS[1], capacity_words=10**6))
    tool = 157_296
    assert tool == 3 * (2 * 113) * (8 * 29)
    for hardware in (ANY, REPEATED):
        counts = count_layer(layer, replace(hardware, levels=roomy), mapping)
        assert counts.words("DRAM", "inputs", "reads") == 3 * (2 * 113) * 225 == 152_550


def test_neighbors_forward_what_refilled_tiles_ask_for():
    # Three children in a column, one row apart; all move by 1, 2 and 1 rows.
    fanout = Fanout(y=3, forwarding=("inputs",))
    levels = replace(LEVELS[0], fanout=fanout), LEVELS[1]
    layer = ConvLayer("l", 1, 1, 10, 1, 2, 1)
    outer = LevelLoops("DRAM", (Loop("P", 3), Loop("R", 2)), (), (Loop("P", 3),))
    mapping, found = Mapping((outer, LevelLoops("GLB"))), []
    for slides in (ANY, REPEATED):
        hardware = replace(slides, levels=levels)
        found.append(input_reads(layer, hardware, mapping))
        counts = count_layer(layer, hardware, mapping)
        assert counts.moved("DRAM", "inputs", "forwarded") == 6
    # Tiles of one row have no overlap to lose.
    assert found == [12, 12]


def test_the_search_knows_how_windows_slide():
    layer = ConvLayer("l", 2, 2, 7, 4, 2, 3)
    anything, repeated = (search_mapping(layer, each) for each in (ANY, REPEATED))
    assert anything.proved
    assert repeated.proved
    assert repeated.energy * repeated.cycles >= anything.energy * anything.cycles
    for found, hardware in ((anything, ANY), (repeated, REPEATED)):
        assert map_layer(layer, hardware).energy == pytest.approx(found.energy, rel=1e-9)


def test_short_tiles_and_shared_products_are_refused():
    layer = replace(LAYER, in_height=6)
    with pytest.raises(MappingError, match=r"slide by repeated moves alone; expected slides: any"):
        count_layer(layer, REPEATED, MAPPING)
    count_layer(layer, ANY, MAPPING)
    store = CodebookStore(level="DRAM", capacity_kib=1, read_pj=1, write_pj=1)
    shared = replace(REPEATED, codebook=store)
    network = Network("one", (LAYER,))
    run = estimate(shared, network, "scalar:k=2", execution="share_products")["share_products"]
    assert [layer.execution for layer in run.layers] == ["decode"]
