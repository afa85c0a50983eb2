"""Mapping files: what is written is read back, and every mistake is told with its place."""

import re

import pytest
from hypothesis import given, settings
from mapped_layers import mapped_layers

from kcsim import InputError, MappingError, count_layer, find_mapping, load_hardware
from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.reader import shipped_names
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.cache import mapping_from_document, mapping_to_document
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.reader import mapping_schema, read_mapping
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("conv", 4, 8, 6, 6, 3, 3)
HARDWARE = Hardware(
    name="tiny",
    levels=(
        Level(name="DRAM", read_pj=1, write_pj=1),
        Level(
            name="buffer", read_pj=1, write_pj=1, capacity_words=500, keeps=("inputs", "outputs"),
            fanout=Fanout(x=4, y=2),
        ),
        Level(name="registers", read_pj=1, write_pj=1, capacity_words=40),
    ),
    compute=Compute(mac_pj=1),
)  # fmt: skip

GOOD = """\
levels:
  - {level: DRAM, temporal: [M=2, C=2]}
  - level: buffer
    temporal: [P=2, Q=4]
    spatial_x: [M=4]
    spatial_y: [P=2]
    bypass: [inputs]
  - {level: registers, temporal: [C=2, R=3, S=3]}
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a text as the mapping file `map.yaml`."""
    monkeypatch.chdir(tmp_path)

    def from_text(text, layer=LAYER, hardware=HARDWARE):
        (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
        return read_mapping("map.yaml", layer, hardware)

    return from_text


def test_good_file(read):
    mapping = read(GOOD)
    assert mapping.levels[1] == LevelLoops(
        "buffer", (Loop("P", 2), Loop("Q", 4)), (Loop("M", 4),), (Loop("P", 2),), ("inputs",)
    )
    assert [mapping.bound(d) for d in "NGMCPQRS"] == [1, 1, 8, 4, 4, 4, 3, 3]
    counts = count_layer(LAYER, HARDWARE, mapping)
    assert counts.instances.tolist() == [1, 1, 8, 8]
    assert counts.temporal_steps * 8 == LAYER.macs
    assert counts.words("buffer", "inputs", "fills") == 0


def test_levels_may_be_left_out_and_spaces_put_in(read):
    mapping = read(
        "levels: [{level: registers, temporal: [' M = 8 ', C=4, P=4, Q=4, R=3, S=3]}]",
        hardware=load_hardware({
            "name": "large",
            "levels": [
                {"name": "DRAM", "read_pj": 1, "write_pj": 1},
                {"name": "registers", "read_pj": 1, "write_pj": 1, "capacity_words": 1000},
            ],
            "compute": {"mac_pj": 1},
        }),
    )  # fmt: skip
    assert mapping.levels[0].temporal[0] == Loop("M", 8)


def test_the_same_mapping_in_time_and_as_text(read):
    text = str(read(GOOD))
    assert "buffer  (bypassed by inputs)" in text
    assert "parallel-for M in 4 on X" in text
    assert "parallel-for P in 2 on Y" in text
    assert text.index("for C in 2") < text.index("buffer") < text.index("for R in 3")


@settings(max_examples=100, deadline=None)
@given(mapped_layers())
def test_round_trip(tmp_path_factory, mapped):
    layer, hardware, mapping = mapped
    file = tmp_path_factory.mktemp("mapping") / "m.yaml"
    file.write_text(mapping.to_yaml(), encoding="utf-8")
    assert read_mapping(file, layer, hardware) == mapping


@settings(max_examples=200, deadline=None)
@given(mapped_layers(uneven=True))
def test_round_trip_of_uneven_mappings(tmp_path_factory, mapped):
    layer, hardware, mapping = mapped
    file = tmp_path_factory.mktemp("mapping") / "m.yaml"
    file.write_text(mapping.to_yaml(hardware), encoding="utf-8")
    again = read_mapping(file, layer, hardware)
    assert again == mapping
    heights = mapping.heights_array(hardware).any(axis=1)
    assert file.read_text().count("nest:") == heights.sum()
    assert mapping_from_document(mapping_to_document(mapping)) == mapping


UNEVEN = """\
levels:
  - {level: DRAM, nest: [outputs, weights, inputs, M=2, C=2]}
  - level: buffer
    nest: [outputs, P=2, inputs, Q=4]
    spatial_x: [M=4]
    spatial_y: [P=2]
  - {level: registers, nest: [C=2, weights, inputs, R=3, outputs, S=3]}
"""


def test_tensors_stand_among_the_loops(read):
    mapping = read(UNEVEN)
    assert [level.heights for level in mapping.levels] == [(0, 0, 0), (0, 1, 0), (1, 1, 2)]
    counts = count_layer(LAYER, HARDWARE, mapping)
    # 2 channels, rows of 2 outputs on 2 children, columns of 4; of 4 filters and 4 rows at once.
    assert counts.tile_words[1].tolist() == [0, 2 * 4 * 6, 4 * 4 * 4]
    # One channel, 3 x 3; a column of 3 pixels is one of 3 windows.
    assert counts.tile_words[2].tolist() == [9, 9, 1]


def test_a_nest_of_all_tensors_first_is_loops_in_time(read):
    nest = UNEVEN.replace("P=2, inputs, Q=4", "inputs, P=2, Q=4")
    nest = nest.replace("[C=2, weights, inputs, R=3, outputs, S=3]", "[inputs, weights, outputs, "
                        "C=2, R=3, S=3]")  # fmt: skip
    plain = GOOD.replace("    bypass: [inputs]\n", "")
    assert read(nest) == read(plain)
    assert "nest" not in read(nest).to_yaml()
    assert read(UNEVEN).to_yaml(HARDWARE).count("nest") == 2


@pytest.mark.parametrize("hardware", shipped_names())
def test_round_trip_of_found_mappings(read, hardware):
    accelerator = load_hardware(hardware)
    for layer in zoo.load("lenet5"):
        mapping = find_mapping(layer, accelerator)
        assert read(mapping.to_yaml(accelerator), layer, accelerator) == mapping


@pytest.mark.parametrize(
    "name",
    ["global buffer", "1", "null", "true", "1e5", "0x10", 'the "L2"', "a\\b", "Puffer-ä", "#1"],
)
def test_round_trip_of_odd_level_names(read, name):
    levels = (
        Level(name="DRAM", read_pj=1, write_pj=1),
        Level(name=name, read_pj=1, write_pj=1, capacity_words=10**4),
    )
    hardware = Hardware(name="odd", levels=levels, compute=Compute(mac_pj=1))
    loops = tuple(Loop(d, size) for d, size in LAYER.dimensions.items() if size > 1)
    mapping = Mapping((LevelLoops("DRAM"), LevelLoops(name, loops)))
    assert read(mapping.to_yaml(), LAYER, hardware) == mapping


def test_round_trip_of_the_empty_mapping(read):
    point = ConvLayer("point", 1, 1, 1, 1, 1, 1)
    mapping = find_mapping(point, HARDWARE)
    assert read(mapping.to_yaml(), point) == mapping


# What to replace in the good file, by what, and the message, which begins with the place.
BROKEN = {
    "unknown level": (
        "level: buffer",
        "level: bufer",
        "map.yaml:3:12: tiny has no level 'bufer'; expected one of DRAM, buffer, registers; "
        "did you mean 'buffer'?",
    ),
    "level twice": (
        "level: registers,",
        "level: buffer,",
        "map.yaml:8:13: level 'buffer' stands in the wrong place; expected each level once, in "
        "the order DRAM, buffer, registers",
    ),
    "factors too small": (
        "C=2, R=3, S=3",
        "C=2, R=3",
        "map.yaml:2:3: the loops over S multiply to 1, but conv has S = 3; expected factors that "
        "multiply to that, or to more if the last round is short",
    ),
    "factors too large": (
        "M=2, C=2",
        "M=3, C=2",
        "map.yaml:2:3: the loops over M multiply to 12, but conv has M = 8; expected M=2 "
        "outermost, so that no round has nothing to do",
    ),
    "inner factors too large": (
        "C=2, R=3, S=3",
        "C=2, R=2, R=4, S=3",
        "map.yaml:2:3: the loops over R multiply to 8, but conv has R = 3; expected inner loops "
        "that multiply to less than 3",
    ),
    "dimension that is 1": (
        "M=2, C=2",
        "M=2, C=2, N=2",
        "map.yaml:2:3: the loops over N multiply to 2, but conv has N = 1; expected no loop over N",
    ),
    "too many along X": (
        "spatial_x: [M=4]\n",
        "spatial_x: [M=4, Q=2]\n",
        "map.yaml:5:16: the loops along X below 'buffer' need 8 children; expected at most the 4 "
        "that tiny has",
    ),
    "too many along Y": (
        "spatial_y: [P=2]",
        "spatial_y: [P=4]",
        "map.yaml:6:16: the loops along Y below 'buffer' need 4 children; expected at most the 2 "
        "that tiny has",
    ),
    "spatial where there is no array": (
        "[M=2, C=2]}",
        "[C=2], spatial_x: [M=2]}",
        "map.yaml:2:47: the loops along X below 'DRAM' need 2 children; expected at most the 1 "
        "that tiny has",
    ),
    "outermost bypassed": (
        "C=2]}\n  - level: buffer",
        "C=2], bypass: [weights]}\n  - level: buffer",
        "map.yaml:2:49: weights cannot bypass the outermost level 'DRAM'",
    ),
    "bypass of what is not kept": (
        "bypass: [inputs]",
        "bypass: [weights]",
        "map.yaml:7:13: level 'buffer' does not keep weights in the first place; expected one of "
        "inputs, outputs",
    ),
    "unknown tensor": (
        "bypass: [inputs]",
        "bypass: [input]",
        "map.yaml:7:14: 'bypass[0]' is 'input'; expected 'weights', 'inputs' or 'outputs'; did "
        "you mean 'inputs'?",
    ),
    "no loop": (
        "P=2, Q=4",
        "P=2, Q",
        "map.yaml:4:21: the bound of 'Q' is not a positive integer; expected as P=13",
    ),
    "unknown dimension": (
        "P=2, Q=4",
        "P=2, K=4",
        "map.yaml:4:21: 'K=4' is not a loop; expected DIMENSION=BOUND, as P=13, with a dimension "
        "of N, G, M, C, P, Q, R, S",
    ),
    "small letter": (
        "P=2, Q=4",
        "P=2, q=4",
        "map.yaml:4:21: 'q=4' is not a loop; expected DIMENSION=BOUND, as P=13, with a dimension "
        "of N, G, M, C, P, Q, R, S; did you mean 'Q'?",
    ),
    "zero bound": (
        "Q=4",
        "Q=0",
        "map.yaml:4:21: the bound of 'Q=0' is not a positive integer; expected as P=13",
    ),
    "negative bound": (
        "Q=4",
        "Q=-4",
        "map.yaml:4:21: the bound of 'Q=-4' is not a positive integer; expected as P=13",
    ),
    "fractional bound": (
        "Q=4",
        "Q=4.5",
        "map.yaml:4:21: the bound of 'Q=4.5' is not a positive integer; expected as P=13",
    ),
    "imperfect factor": (
        "M=2, C=2",
        '"M=2,1", C=2',
        "map.yaml:2:30: the bound of 'M=2,1' is not a positive integer; expected as P=13",
    ),
    "huge bound": (
        "Q=4",
        "Q=99999999999999999999",
        "map.yaml:4:21: the bound of 'Q=99999999999999999999' is not a positive integer; "
        "expected as P=13",
    ),
    "mapping for a loop": (
        "Q=4",
        "Q: 4",
        "map.yaml:4:21: 'temporal[1]' must be a text, not a mapping",
    ),
    "text for a list": (
        "[P=2, Q=4]",
        "P=2",
        "map.yaml:4:15: 'temporal' must be a list, not the text 'P=2'",
    ),
    "unknown key": (
        "spatial_x",
        "spatialx",
        "map.yaml:5:5: unknown key 'spatialx'; expected one of level, temporal, nest, spatial_x, "
        "spatial_y, bypass; did you mean 'spatial_x'?",
    ),
    "no level": (
        "  - {level: DRAM, ",
        "  - {",
        "map.yaml:2:5: missing key 'level'",
    ),
    "no levels": (
        "levels:",
        "level:",
        "map.yaml:1:1: unknown key 'level'; expected levels; did you mean 'levels'?",
    ),
    "duplicate key": (
        "    spatial_x: [M=4]\n",
        "    spatial_x: [M=4]\n    spatial_x: [M=4]\n",
        "map.yaml:6:5: duplicate key 'spatial_x', first given on line 5",
    ),
}  # fmt: skip


# The same of the file with tensors among the loops.
BROKEN_NESTS = {
    "both": (
        "    spatial_x: [M=4]\n",
        "    temporal: []\n    spatial_x: [M=4]\n",
        "map.yaml:4:11: level 'buffer' has both 'temporal' and 'nest'; expected one of them",
    ),
    "a tensor without a place": (
        "[outputs, P=2, inputs, Q=4]",
        "[outputs, P=2, Q=4]",
        "map.yaml:4:11: the nest of level 'buffer' has no place for inputs; expected each tensor "
        "that it keeps once, or in 'bypass'",
    ),
    "twice": (
        "R=3, outputs, S=3",
        "R=3, outputs, S=3, outputs",
        "map.yaml:7:72: outputs stand twice in the nest of level 'registers'; expected once each "
        "of weights, inputs, outputs",
    ),
    "not kept": (
        "P=2, inputs, Q=4",
        "P=2, inputs, Q=4, weights",
        "map.yaml:4:39: level 'buffer' does not keep weights; expected once each of inputs, "
        "outputs",
    ),
    "bypassed": (
        "    spatial_x: [M=4]\n",
        "    bypass: [inputs]\n    spatial_x: [M=4]\n",
        "map.yaml:4:26: inputs stand in the nest of level 'buffer' and bypass it; expected once "
        "each of outputs",
    ),
    "another word": (
        "[outputs, P=2, inputs",
        "[outputs, P=2, input",
        "map.yaml:4:26: 'input' is neither a loop nor a tensor; expected DIMENSION=BOUND, as P=13, "
        "or one of weights, inputs, outputs; did you mean 'inputs'?",
    ),
    "no dimension": (
        "[outputs, P=2, inputs",
        "[outputs, K=2, inputs",
        "map.yaml:4:21: 'K=2' is not a loop; expected DIMENSION=BOUND, as P=13, with a dimension "
        "of N, G, M, C, P, Q, R, S",
    ),
    "a tensor in time": (
        "nest: [outputs, P=2, inputs, Q=4]",
        "temporal: [P=2, inputs, Q=4]",
        "map.yaml:4:21: 'inputs' is not a loop; expected DIMENSION=BOUND, as P=13, with a "
        "dimension of N, G, M, C, P, Q, R, S",
    ),
    "a loop before a tensor at the outermost level": (
        "[outputs, weights, inputs, M=2, C=2]",
        "[outputs, M=2, weights, C=2, inputs]",
        "map.yaml:2:25: loops of the outermost level 'DRAM' stand before weights, inputs; "
        "expected all tensors first: it keeps them as a whole",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_NESTS)
def test_broken_nest(read, name):
    before, after, message = BROKEN_NESTS[name]
    assert UNEVEN.count(before) == 1
    with pytest.raises(InputError) as caught:
        read(UNEVEN.replace(before, after))
    assert [str(problem) for problem in caught.value.problems] == [message]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file(read, name):
    before, after, message = BROKEN[name]
    assert before in GOOD
    with pytest.raises(InputError) as caught:
        read(GOOD.replace(before, after, 1))
    assert message in [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "map.yaml:1:1: file is empty"),
        ("[]", "map.yaml:1:1: the mapping file must be a mapping, not a list"),
        ("levels: []", "map.yaml:1:9: 'levels' has too few entries (0); expected at least 1"),
        ("levels:\n\t- x", "map.yaml:2:1: a tab is used for indentation; expected spaces"),
    ],
)
def test_broken_as_a_whole(read, text, message):
    with pytest.raises(InputError) as caught:
        read(text)
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_last_rounds_may_be_short(read):
    mapping = read(GOOD.replace("C=2, R=3", "C=3, R=3").replace("Q=4", "Q=2, Q=3"))
    assert mapping.bound("Q") == 6
    assert mapping.bound("C") == 6
    assert not mapping.is_perfect(LAYER)


def test_every_mistake_is_told_at_once(read):
    text = GOOD.replace("M=2, C=2", "M=3, C=4").replace("level: buffer", "level: bufer")
    with pytest.raises(MappingError) as caught:
        read(text.replace("R=3", "R=1"))
    said = [problem.message for problem in caught.value.problems]
    assert said == [
        "tiny has no level 'bufer'",
        "the loops over M multiply to 12, but conv has M = 8",
        "the loops over C multiply to 8, but conv has C = 4",
        "the loops over R multiply to 1, but conv has R = 3",
    ]
    assert all(problem.mark.file == "map.yaml" for problem in caught.value.problems)


def in_registers():
    loops = tuple(Loop(d, size) for d, size in LAYER.dimensions.items() if size > 1)
    return Mapping((LevelLoops("registers", loops),))


def test_tiles_too_large_for_a_level():
    # All in the registers: 8*4*3*3 weights, 4*6*6 inputs, 8*4*4 outputs. The buffer holds
    # its inputs and outputs.
    with pytest.raises(MappingError) as caught:
        count_layer(LAYER, HARDWARE, in_registers())
    assert str(caught.value) == (
        "level 'registers' is too small for its tiles: weights 288 + inputs 144 + outputs 128 "
        "take 560 words; expected at most the 40 that it has"
    )
    assert caught.value.problems[0].path == ("levels", 2)


def test_every_level_that_is_too_small_is_told():
    with pytest.raises(MappingError) as caught:
        count_layer(
            LAYER,
            Hardware(
                name="small",
                levels=(
                    HARDWARE.levels[0],
                    Level(name="double", read_pj=1, write_pj=1, capacity_words=600,
                          buffering="double"),
                    Level(name="registers", read_pj=1, write_pj=1, word_bits=8,
                          partitions=(Partition(tensors=("weights",), capacity_words=100),
                                      Partition(tensors=("inputs", "outputs"), capacity_kib=1))),
                ),
                compute=Compute(mac_pj=1),
            ),
            in_registers(),
        )  # fmt: skip
    assert [str(problem) for problem in caught.value.problems] == [
        "level 'double' is too small for its tiles: weights 288 + inputs 144 + outputs 128 "
        "take 560 words; expected at most 300, half of what it has (buffering: double)",
        # 16-bit values in 8-bit words; 544 of these for inputs and outputs just fit 1 KiB.
        "level 'registers' is too small for its tiles: weights 288 take 576 words of 8 bits; "
        "expected at most the 100 that it has",
    ]


def test_what_just_fits():
    hardware = Hardware(
        name="just",
        levels=(
            HARDWARE.levels[0],
            Level(name="registers", read_pj=1, write_pj=1, capacity_words=560),
        ),
        compute=Compute(mac_pj=1),
    )
    assert count_layer(LAYER, hardware, in_registers()).tile_words[1].tolist() == [288, 144, 128]


def test_errors_of_mappings_made_in_python():
    mapping = Mapping((LevelLoops("buffer", bypass=("input",)), LevelLoops("DRAM")))
    said = [str(problem) for problem in mapping.problems(LAYER, HARDWARE)]
    assert said[0] == (
        "'input' is not a tensor; expected one of weights, inputs, outputs; did you mean 'inputs'?"
    )
    assert said[1].startswith("level 'DRAM' stands in the wrong place")
    assert len(said) == 2 + 6
    with pytest.raises(MappingError, match=re.escape(said[0])):
        count_layer(LAYER, HARDWARE, mapping)


def test_schema_describes_the_keys():
    entry = mapping_schema()["$defs"]["_LevelEntry"]
    keys = {"level", "temporal", "nest", "spatial_x", "spatial_y", "bypass"}
    assert set(entry["properties"]) == keys
    assert entry["required"] == ["level"]
