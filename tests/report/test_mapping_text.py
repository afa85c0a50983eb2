"""The loop nest as text: figures worked out by hand."""

import re
from dataclasses import replace

from small_design import LAYER, MAPPING, design

import kcsim
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.report.mapping_text import listed, mapping_text


def test_a_nest_by_hand():
    title, *nest = mapping_text(kcsim.evaluate(LAYER, design(), MAPPING)).splitlines()
    assert re.fullmatch(
        r"conv on small: \S+ nJ, 144 cycles \(bound by compute\), utilization 100.0 %", title
    )
    assert nest == [
        "DRAM  holds weights 72, inputs 32, outputs 16",
        "  for M in 2",
        "    buffer  holds weights 36 (36.0 %), inputs 32 (32.0 %), outputs 8 (8.0 %)",
        "      for P in 2",
        "        for Q in 2",
        "          parallel-for M in 2 on X",
        "            PE (2 of 2 in use)  holds weights 18 (36.0 %), inputs 18 (36.0 %), "
        "outputs 1 (2.0 %)",
        "              for C in 2",
        "                for R in 3",
        "                  for S in 3",
        "                    MAC units (2 of 2 in use)",
    ]


def test_tensors_that_pass_by():
    dram, buffer, pe = MAPPING.levels
    buffer = LevelLoops("buffer", buffer.temporal, buffer.spatial_x, bypass=("weights", "inputs"))
    pe = LevelLoops("PE", pe.temporal, bypass=("weights", "inputs", "outputs"))
    text = mapping_text(kcsim.evaluate(LAYER, design(), Mapping((dram, buffer, pe))))
    assert "\n    buffer  holds outputs 8 (8.0 %); weights and inputs pass by\n" in text
    assert "\n            PE (2 of 2 in use)  weights, inputs and outputs pass by\n" in text


def test_levels_without_loops_are_shown_too():
    every = tuple(Loop(d, n) for d, n in LAYER.dimensions.items())
    text = mapping_text(kcsim.evaluate(LAYER, design(), Mapping((LevelLoops("DRAM", every),))))
    assert "buffer  holds weights 1 (1.0 %)" in text
    assert "PE (1 of 2 in use)  holds weights 1 (2.0 %)" in text


def test_short_rounds():
    dram, *rest = MAPPING.levels
    layer = kcsim.ConvLayer("conv", 2, 3, 4, 4, 3, 3)
    text = mapping_text(kcsim.evaluate(layer, design(), Mapping((dram, *rest))))
    assert "\n  for M in 2, the last short\n" in text
    assert text.count("short") == 1


def test_indexes(indexed):
    text = mapping_text(indexed())
    assert "DRAM  holds weights 72 in 8 indexes, inputs 32" in text
    # 4 x 8 bits of 1600, where inputs take 32 x 16.
    assert "buffer  holds weights 36 in 4 indexes (2.0 %), inputs 32 (32.0 %)" in text
    assert "holds weights 18 (36.0 %)" in text


def test_expected_values_and_relative_energies():
    layer = replace(LAYER, zeros=kcsim.ZeroShares(inputs=0.5))
    hardware = design(compute={"zeros": {"inputs": "gate"}}, energy_unit="MAC")
    text = mapping_text(kcsim.evaluate(layer, hardware, MAPPING))
    assert re.match(r"conv on small: \S+( [kM])? MAC \(expected\), 144 cycles", text)


def test_lists():
    assert [listed(tuple("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_tensors_stand_where_their_places_are():
    dram, buffer, pe = MAPPING.levels
    # All weights of the buffer change with the rows, its inputs with the columns too.
    buffer = replace(buffer, heights=(1, 2, 0))
    design_ = design(pe={"keeps": ("weights", "inputs")})
    _, *nest = mapping_text(
        kcsim.evaluate(LAYER, design_, Mapping((dram, buffer, pe)))
    ).splitlines()
    assert nest[2:9] == [
        "    buffer  holds weights 36 (36.0 %), inputs 18 (18.0 %), outputs 8 (8.0 %)",
        "      [outputs]",
        "      for P in 2",
        "        [weights]",
        "        for Q in 2",
        "          [inputs]",
        "          parallel-for M in 2 on X",
    ]
    # What is not kept stands nowhere.
    pe = replace(pe, heights=(0, 0, 2))
    same = mapping_text(kcsim.evaluate(LAYER, design_, Mapping((dram, buffer, pe))))
    assert same.splitlines()[1:] == nest
