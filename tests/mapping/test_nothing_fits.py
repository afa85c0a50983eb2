"""What users are told where nothing fits: the level, the tensors, what they need and have."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcsim import Hardware, MappingError, find_front, load_hardware, load_network, search_mapping
from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Dataflow, LevelConstraint
from kcsim.mapping.fit import why_nothing_fits
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

SHIDIANNAO = {
    "name": "shidiannao",
    "technology_nm": 65,
    "clock_mhz": 1000,
    "levels": [
        {
            "name": "on_chip",
            "partitions": [
                {"tensors": ["inputs"], "capacity_kib": 64, "read_pj": 10, "write_pj": 10},
                {"tensors": ["outputs"], "capacity_kib": 64, "read_pj": 10, "write_pj": 10},
                {"tensors": ["weights"], "capacity_kib": 128, "read_pj": 14, "write_pj": 14},
            ],
            "read_pj": 10,
            "write_pj": 10,
            "fanout": {"x": 8, "y": 8, "forwarding": ["inputs"], "reduction": False},
        },
        {"name": "pe", "keeps": ["outputs"], "capacity_words": 1, "read_pj": 0.5, "write_pj": 0.5},
    ],
    "compute": {"mac_pj": 1},
}  # fmt: skip
DATAFLOW = {
    "name": "output_stationary",
    "levels": {
        "on_chip": {"spatial_x": ["Q"], "spatial_y": ["P"]},
        "pe": {"temporal": ["C", "R", "S"]},
    },
}


def test_words_are_those_of_the_partition():
    parts = [
        {"tensors": ["weights"], "capacity_words": 9, "word_bits": 8},
        {"tensors": ["inputs", "outputs"], "capacity_words": 100},
    ]
    memory = {"name": "memory", "partitions": parts, "read_pj": 1, "write_pj": 1, "word_bits": 32}
    hardware = load_hardware({"name": "small", "levels": [memory], "compute": {"mac_pj": 1}})
    with pytest.raises(MappingError, match=r"need 20 words, and level 'memory' has 9 words"):
        # 10 weights of 16 bits.
        search_mapping(ConvLayer.linear("fc", 10, 1), hardware)


@pytest.mark.parametrize("dataflow", [{}, {"dataflow": DATAFLOW}])
@pytest.mark.parametrize("search", [search_mapping, find_front])
def test_a_design_without_dram_says_which_tensor_is_too_large(dataflow, search):
    hardware, lenet5 = load_hardware(SHIDIANNAO | dataflow), load_network("lenet5")
    # 800 x 500 weights of 16 bits are 781.25 KiB.
    with pytest.raises(MappingError) as caught:
        search(lenet5.layer("ip1"), hardware)
    assert str(caught.value) == (
        "ip1 has no mapping on shidiannao: its weights need 781 KiB, and level 'on_chip' has "
        "128 KiB for them"
    )
    assert search(lenet5.layer("conv1"), hardware)


def hardware_of(*levels: Level, dataflow: Dataflow | None = None) -> Hardware:
    return Hardware(
        name="small", levels=levels, compute=Compute(mac_pj=1), dataflow=dataflow or Dataflow()
    )


def level(name: str, **settings) -> Level:
    return Level(name=name, read_pj=1, write_pj=1, **settings)


LAYER = ConvLayer("conv", 3, 2, 5, 5, 3, 3)


@pytest.mark.parametrize(
    ("levels", "dataflow", "message"),
    [
        (
            (level("DRAM"), level("register", capacity_words=2)), {},
            "not even tiles of one value fit: its weights, inputs and outputs need 3 words "
            "together, and level 'register' has 2 words for them",
        ),
        (
            (level("DRAM"), level("register", capacity_words=4, buffering="double")), {},
            "not even tiles of one value fit: its weights, inputs and outputs need 3 words "
            "together, and level 'register' has 2 words for them, half of its size (buffering: "
            "double)",
        ),
        # 54 weights, 75 inputs, 18 outputs.
        (
            (level("memory", capacity_words=146),), {},
            "its weights, inputs and outputs need 147 words together, and level 'memory' has "
            "146 words for them",
        ),
        # R and S stay inside, C is cut into three: 2 M x 9 weights.
        (
            (level("DRAM", fanout=Fanout(x=3)), level("array", capacity_words=17,
             keeps=("weights",))),
            {"DRAM": LevelConstraint(temporal=("P", "Q"), spatial_x=("C",), spatial_y=())},
            "its dataflow leaves tiles of at least M=2, R=3, S=3 to 'array': its weights need 18 "
            "words, and level 'array' has 17 words for them",
        ),
        (
            (level("memory", capacity_kib=0.287), level("array", capacity_words=1000)), {},
            "its weights, inputs and outputs need 2,352 bits together, and level 'memory' has "
            "2,351 bits for them",
        ),
    ],
)  # fmt: skip
def test_the_level_and_the_words_by_hand(levels, dataflow, message):
    hardware = hardware_of(*levels, dataflow=Dataflow(levels=dataflow))
    with pytest.raises(MappingError) as caught:
        search_mapping(LAYER, hardware)
    assert str(caught.value) == f"conv has no mapping on small: {message}"


def test_indexes_take_less_room_than_dense_weights():
    hardware = hardware_of(level("memory", capacity_words=110))
    assert "need 147 words" in why_nothing_fits(LAYER, hardware, (DENSE,))
    # 54 indexes of 4 bits are 13.5 words.
    indexes = WeightCosts(unit_bits=4.0, decode_level=0)
    assert search_mapping(LAYER, hardware, weights=(indexes,)).proved
    smaller = hardware_of(level("memory", capacity_words=106))
    assert "need 107 words" in why_nothing_fits(LAYER, smaller, (indexes,))


@st.composite
def problems(draw):
    dimensions = st.one_of(st.none(), st.sets(st.sampled_from(DIMENSIONS)).map(tuple))
    constraint = st.builds(
        LevelConstraint, temporal=dimensions, spatial_x=dimensions, spatial_y=dimensions
    )
    names = ("A", "B", "C")
    levels = [
        level(
            name,
            capacity_words=draw(st.sampled_from((100, 300, 1000) if not i else (2, 3, 8, 16, 40))),
            buffering=draw(st.sampled_from(("overlapped", "double", "single"))),
            may_bypass=tuple(draw(st.sets(st.sampled_from(TENSORS)))) if i else (),
            fanout=Fanout(x=draw(st.sampled_from((1, 2, 4))), y=draw(st.sampled_from((1, 3)))),
        )
        for i, name in enumerate(names)
    ]
    allowed = draw(st.dictionaries(st.sampled_from(names), constraint, max_size=2))
    layer = ConvLayer(
        "conv", draw(st.sampled_from((1, 2, 6))), draw(st.sampled_from((2, 3))),
        draw(st.sampled_from((3, 5))), 3, draw(st.sampled_from((1, 3))), 3,
        stride=draw(st.sampled_from((1, 2))),
    )  # fmt: skip
    return layer, hardware_of(*levels, dataflow=Dataflow(levels=allowed))


@given(problems())
@settings(max_examples=60)
def test_no_reason_is_found_where_something_fits(problem):
    layer, hardware = problem
    reason = why_nothing_fits(layer, hardware, (DENSE,))
    said = ""
    try:
        search_mapping(layer, hardware)
    except MappingError as error:
        said = str(error)
    if said:
        # Unless a dimension has no place at all.
        assert said == reason or "lets no level iterate over" in said
    else:
        assert reason.endswith(": no mapping that its dataflow allows fits")
    if found := re.search(r"need ([\d,]+) words.* has ([\d,]+) words", reason):
        needed, there = (int(number.replace(",", "")) for number in found.groups())
        assert needed > there
