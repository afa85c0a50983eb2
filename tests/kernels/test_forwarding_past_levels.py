"""Children take words from neighbors also where the level above them does not keep the tensor."""

from dataclasses import replace

import oracle
import pytest

from kcsim.errors import MappingError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.counts import count_layer
from kcsim.model.evaluate import evaluate
from kcsim.replay.dense import compare, replay_layer
from kcsim.report.layer_data import layer_tables
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("l", 1, 1, 6, 3, 3, 2)
ROOM = {"read_pj": 1, "write_pj": 1, "capacity_words": 220}
FORWARDING = Fanout(x=2, y=3, forwarding=("inputs",))


def hardware_of(*between):
    """DRAM, levels, and registers below a network of 2 x 3 that forwards inputs."""
    levels = (
        Level(name="DRAM", read_pj=200, write_pj=200),
        *between,
        Level(name="RF", read_pj=1, write_pj=1, capacity_words=24),
    )
    return Hardware(name="fw", levels=levels, compute=Compute(mac_pj=0))


HARDWARE = hardware_of(Level(name="GLB", fanout=FORWARDING, **ROOM))


def mapping_of(bypass=(), spread=LevelLoops("L2")):
    return Mapping(
        (
            LevelLoops("DRAM", (Loop("S", 2),)),
            *((spread,) if spread.spatial_x or spread.bypass else ()),
            LevelLoops("GLB", (), (Loop("Q", 2),), (Loop("R", 3),), bypass),
            LevelLoops("RF", (Loop("P", 4),)),
        )
    )


def counted(layer, hardware, mapping):
    """Input reads of each level, and words forwarded: the same by everything that counts them."""
    counts = count_layer(layer, hardware, mapping)
    walked = oracle.walk(layer, hardware, mapping)
    assert compare(replay_layer(layer, hardware, mapping), counts) == ()
    found = [counts.words(level, "inputs", "reads") for level in hardware.level_names]
    found.append(counts.moved("GLB", "inputs", "forwarded"))
    assert found == [
        *(walked.reads[level, "inputs"] for level in hardware.level_names),
        walked.forwarded["GLB", "inputs"],
    ]
    return found


def test_registers_forward_below_a_level_that_keeps_inputs():
    # 6 registers of 4 inputs, 2 of which come from a neighbor in the second of 2 steps.
    assert counted(LAYER, HARDWARE, mapping_of())[1:] == [36, 48 + 12, 12]


def test_registers_forward_below_a_level_that_inputs_bypass():
    # What the buffer was spared there, DRAM is spared here.
    assert counted(LAYER, HARDWARE, mapping_of(("inputs",))) == [36, 0, 60, 12]


def test_dram_is_spared_where_the_hardware_keeps_no_inputs_in_between():
    hardware = hardware_of(Level(name="GLB", fanout=FORWARDING, keeps=("weights",), **ROOM))
    assert counted(LAYER, hardware, mapping_of()) == [36, 0, 60, 12]


@pytest.mark.parametrize(("multicast", "dram"), [("tile", 36), ("none", 72)])
def test_networks_further_up_share_what_is_left(multicast, dram):
    # Two buffers with the same inputs, one for each output channel, ask for the same words.
    layer = ConvLayer("l", 1, 2, 6, 3, 3, 2)
    between = (
        Level(name="L2", fanout=Fanout(x=2, multicast=multicast), keeps=(), **ROOM),
        Level(name="GLB", fanout=FORWARDING, **ROOM),
    )
    hardware, spread = hardware_of(*between), LevelLoops("L2", spatial_x=(Loop("M", 2),))
    mapping = mapping_of(("inputs",), spread)
    assert counted(layer, hardware, mapping) == [dram, 0, 0, 120, 24]
    counts = count_layer(layer, hardware, mapping)
    down = [counts.moved(level, "inputs", "down") for level in ("DRAM", "L2", "GLB")]
    # The words of 6 registers twice, less those from neighbors.
    assert down == [dram, 72, 2 * (48 - 12)]


def test_short_tiles_are_forwarded_past_a_level_too():
    # 3 rows of outputs in rounds of 2.
    layer, found = ConvLayer("l", 1, 1, 5, 3, 3, 2), []
    for bypass in ((), ("inputs",)):
        buffer, registers = mapping_of(bypass).levels[1:]
        outer = LevelLoops("DRAM", (Loop("P", 2), Loop("S", 2)))
        mapping = Mapping((outer, buffer, replace(registers, temporal=(Loop("P", 2),))))
        found.append(counted(layer, HARDWARE, mapping))
    above, past = found
    assert past == [above[1], 0, *above[2:]]
    assert past[-1] == 9


@pytest.mark.parametrize(("multicast", "times"), [("tile", 1), ("none", 2)])
def test_networks_further_up_share_what_is_left_of_short_tiles(multicast, times):
    layer, alone = ConvLayer("l", 1, 2, 5, 3, 3, 2), ConvLayer("l", 1, 1, 5, 3, 3, 2)
    loops = LevelLoops("DRAM", (Loop("P", 2), Loop("S", 2)))
    buffer, registers = mapping_of(("inputs",)).levels[1:]
    inner = buffer, replace(registers, temporal=(Loop("P", 2),))
    once = counted(alone, HARDWARE, Mapping((loops, *inner)))
    between = (
        Level(name="L2", fanout=Fanout(x=2, multicast=multicast), keeps=(), **ROOM),
        Level(name="GLB", fanout=FORWARDING, **ROOM),
    )
    spread = LevelLoops("L2", spatial_x=(Loop("M", 2),))
    twice = counted(layer, hardware_of(*between), Mapping((loops, spread, *inner)))
    assert twice == [times * once[0], 0, 0, 2 * once[2], 2 * once[3]]


def test_a_network_of_one_child_in_use_walks_no_short_tiles():
    # Which takes time, and is refused where it takes too much.
    layer = ConvLayer("l", 64, 64, 101, 10_001, 1, 1)
    room = {**ROOM, "capacity_words": 10**6}
    hardware = hardware_of(Level(name="GLB", fanout=FORWARDING, **room))
    outer = LevelLoops("DRAM", (Loop("M", 64), Loop("C", 64), Loop("P", 51)))
    alone = Mapping((outer, LevelLoops("GLB", (Loop("P", 2), Loop("Q", 10_001)))))
    assert count_layer(layer, hardware, alone).moved("GLB", "inputs", "forwarded") == 0
    shared = LevelLoops("GLB", (Loop("Q", 5001), Loop("P", 2)), (Loop("Q", 2),))
    with pytest.raises(MappingError, match="forwarding of short tiles has to be walked"):
        count_layer(layer, hardware, Mapping((outer, shared)))


def test_forwarding_that_can_never_happen_is_said():
    every = ("weights", "inputs", "outputs")
    between = (
        Level(name="L2", fanout=Fanout(forwarding=("inputs",)), **ROOM),
        Level(name="L1", fanout=Fanout(x=2, forwarding=every), **ROOM),
        Level(name="GLB", fanout=FORWARDING, keeps=("weights",), **ROOM),
    )
    hardware = hardware_of(*between)
    last = replace(hardware.levels[-1], fanout=Fanout(x=2, forwarding=("weights",)))
    hardware = replace(hardware, levels=(*hardware.levels[:-1], last))
    said = [note for note in hardware_notes(hardware) if "forwards no" in note]
    assert said == [
        "L2 forwards no inputs, though it names them: there is one child, which has no neighbor.",
        "L1 forwards no inputs, though it names them: GLB does not keep them.",
        "L1 forwards no outputs, though it names them: only weights and inputs are taken from "
        "neighbors.",
        "RF forwards no weights, though it names them: its children are MAC units, which keep "
        "nothing.",
    ]


def test_forwarding_that_does_not_happen_under_a_mapping_is_said():
    def said(mapping, layer=LAYER):
        tables = layer_tables(evaluate(layer, HARDWARE, mapping))
        (transfers,) = (t for t in tables if t.title.startswith("Transfers"))
        return list(transfers.notes[1:])

    assert said(mapping_of()) == []
    registers = LevelLoops("RF", (Loop("P", 4),), bypass=("inputs",))
    bypassed = Mapping((*mapping_of().levels[:-1], registers))
    assert said(bypassed) == ["GLB forwards no inputs: under this mapping RF does not keep them."]
    alone = Mapping(
        (LevelLoops("DRAM", tuple(Loop(d, n) for d, n in zip("PQRS", (4, 2, 3, 2), strict=True))),)
    )
    assert said(alone) == ["GLB forwards no inputs: one child is in use."]
    still = Mapping(
        (
            LevelLoops("DRAM", (Loop("S", 2),)),
            LevelLoops("GLB", (), (), (Loop("R", 3),)),
            LevelLoops("RF", (Loop("P", 4), Loop("Q", 2))),
        )
    )
    assert said(still) == [
        "GLB forwards no inputs: no child needs just what a neighbor was given in the step before."
    ]
