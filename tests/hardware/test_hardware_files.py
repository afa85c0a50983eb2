"""Hardware files: the shipped ones, and every mistake with its place and what was expected."""

import dataclasses
import math
import re

import pytest

from kcsim import InputError, load_hardware
from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.reader import hardware_schema, shipped_folder, shipped_names
from kcsim.hardware.schema import CodebookStore, Compute, Dataflow, Hardware, Precision
from kcsim.hardware.units import SPELLINGS

GOOD = """\
name: tiny
levels:
  - {name: DRAM, read_pj: 200, write_pj: 200}
  - name: buffer
    capacity_kib: 4
    read_pj: 6
    write_pj: 6
    fanout: {x: 4, y: 2}
  - {name: registers, capacity_words: 16, read_pj: 1, write_pj: 1}
compute: {mac_pj: 1}
codebook: {level: buffer, capacity_kib: 1, read_pj: 1, write_pj: 1}
dataflow:
  name: flexible
  levels:
    buffer: {spatial_x: [M]}
"""
LEVELS = GOOD[GOOD.index("levels:\n") : GOOD.index("compute")]
ONE_LEVEL = "{{name: l{}, read_pj: 1, write_pj: 1, capacity_kib: 1}}"
SEVENTEEN = f"levels: [{', '.join(map(ONE_LEVEL.format, range(17)))}]\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a text as the hardware file `hw.yaml` of the current folder."""
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "hw.yaml").write_text(text, encoding="utf-8")


def problems(*overrides):
    with pytest.raises(InputError) as caught:
        load_hardware("hw.yaml", overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", shipped_names())
def test_shipped(name):
    hardware = load_hardware(name)
    assert hardware == load_hardware(name.removesuffix(".yaml"))
    assert hardware == load_hardware(shipped_folder() / name)
    assert f"{hardware.name}.yaml" == name
    assert hardware.description
    assert hardware.codebook is not None
    assert hardware.level_names[0] == "DRAM"


def test_what_is_shipped():
    assert len(shipped_names()) == 12
    array = {name: load_hardware(name).mac_units for name in shipped_names()}
    assert array.pop("eyeriss.yaml") == array.pop("eyeriss_codebook.yaml") == 168
    assert array.pop("eie_like.yaml") == 64
    assert array.pop("tpu_like.yaml") == 256 * 256
    assert array.pop("nvdla_like.yaml") == 64 * 32
    assert set(array.values()) == {256}


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_energy_names_its_source(name):
    lines = (shipped_folder() / name).read_text(encoding="utf-8").splitlines()
    energies = 0
    for above, line in zip(["", *lines], lines, strict=False):
        values = [float(v) for v in re.findall(r"_pj\w*: *([0-9.e+-]+)", line)]
        if not any(values):
            continue
        energies += len(values)
        comment = line.partition("#")[2] or (above.strip()[1:] if above.strip()[:1] == "#" else "")
        assert re.search(r"[A-Za-z]{2}", comment), f"{name}: {line}"
    assert energies >= 5


def test_everything_in_a_file(write):
    write(
        GOOD.replace("tiny", "tiny\nenergy_unit: MAC\ntechnology_nm: 65\nclock_mhz: 200.5")
        .replace("x: 4", "x: 4, multicast: word, reduction: false, forwarding: [inputs]")
        .replace("    read_pj: 6", "    buffering: double\n    update_pj: 7\n    read_pj: 6")
    )
    hardware = load_hardware("hw.yaml")
    buffer = hardware.levels[1]
    assert buffer.fanout == Fanout(
        x=4, y=2, multicast="word", reduction=False, forwarding=("inputs",)
    )
    assert [buffer.price("outputs", a) for a in ("read", "write", "update")] == [6, 6, 7]
    assert buffer.capacity_bits("weights") == 4 * 8192 // 2
    assert hardware.levels[2].capacity_bits("weights") == 16 * 16
    assert hardware.levels[0].capacity_bits("weights") is None
    assert hardware.levels[0].price("outputs", "update") == 200
    assert hardware.mac_units == 8
    assert hardware.precision_bits == Precision()
    assert (hardware.energy_unit, hardware.technology_nm, hardware.clock_mhz) == ("MAC", 65, 200.5)


def test_a_file_and_a_dict_and_python_agree(write):
    write("\n".join(GOOD.splitlines()[:10]))
    data = {
        "name": "tiny",
        "levels": [
            {"name": "DRAM", "read_pj": 200, "write_pj": 200},
            {"name": "buffer", "capacity_kib": 4, "read_pj": 6, "write_pj": 6.0,
             "fanout": {"x": 4, "y": 2.0}},
            {"name": "registers", "capacity_words": 16, "read_pj": 1, "write_pj": 1},
        ],
        "compute": {"mac_pj": 1},
    }  # fmt: skip
    hardware = Hardware(
        name="tiny",
        levels=(
            Level(name="DRAM", read_pj=200, write_pj=200),
            Level(name="buffer", capacity_kib=4, read_pj=6, write_pj=6, fanout=Fanout(x=4, y=2)),
            Level(name="registers", capacity_words=16, read_pj=1, write_pj=1),
        ),
        compute=Compute(mac_pj=1),
    )
    assert load_hardware("hw.yaml") == load_hardware(data) == load_hardware(hardware) == hardware


def test_what_is_no_file_takes_no_overrides():
    data = {"name": "one", "levels": [{"name": "DRAM", "read_pj": 1, "write_pj": 1}],
            "compute": {"mac_pj": 1}}  # fmt: skip
    for hardware in (data, load_hardware(data)):
        with pytest.raises(InputError, match="overrides apply to hardware files"):
            load_hardware(hardware, ["compute.mac_pj=2"])


def test_partitions():
    level = Level(
        name="scratchpads",
        read_pj=1,
        write_pj=2,
        partitions=(
            Partition(tensors=("outputs",), capacity_words=24, read_pj=3, write_pj=4),
            Partition(tensors=("weights",), capacity_kib=0.5),
        ),
    )
    assert level.kept_tensors == ("weights", "outputs")
    assert level.capacity_bits("outputs") == 24 * 16
    assert level.capacity_bits("weights") == 4096
    assert [level.price("outputs", a) for a in ("read", "write", "update")] == [3, 4, 4]
    assert [level.price("weights", a) for a in ("read", "write", "update")] == [1, 2, 2]


# What to replace in the good file, by what, and all that is said.
BROKEN = {
    "negative energy": (
        "    read_pj: 6",
        "    read_pj: -6",
        ["hw.yaml:6:14: 'read_pj' is -6; expected a number >= 0"],
    ),
    "zero capacity": (
        "capacity_kib: 4",
        "capacity_kib: 0",
        ["hw.yaml:5:19: 'capacity_kib' is 0; expected a number > 0"],
    ),
    "negative capacity": (
        "capacity_words: 16",
        "capacity_words: -16",
        ["hw.yaml:9:39: 'capacity_words' is -16; expected a number >= 1"],
    ),
    "NaN": (
        "    read_pj: 6",
        "    read_pj: .nan",
        ["hw.yaml:6:14: 'read_pj' is nan; expected a finite number"],
    ),
    "infinite": (
        "    read_pj: 6",
        "    read_pj: .inf",
        ["hw.yaml:6:14: 'read_pj' is inf; expected a finite number"],
    ),
    "huge": (
        "    read_pj: 6",
        "    read_pj: 1e300",
        ["hw.yaml:6:14: 'read_pj' is 1e+300; expected a number <= 1000000000"],
    ),
    "overflowing": (
        "    read_pj: 6",
        "    read_pj: 1e999",
        ["hw.yaml:6:14: the number 1e999 is too large"],
    ),
    "huge array": (
        "x: 4",
        "x: 100000",
        ["hw.yaml:8:17: 'x' is 100000; expected a number <= 65536"],
    ),
    "too large array": (
        "{x: 4, y: 2}",
        "{x: 65536, y: 512}",
        ["hw.yaml:3:3: the array has 33554432 MAC units; expected at most 16777216"],
    ),
    "fraction": (
        "capacity_words: 16",
        "capacity_words: 16.5",
        ["hw.yaml:9:39: 'capacity_words' must be an integer, not the number 16.5"],
    ),
    "text for number": (
        "    read_pj: 6",
        "    read_pj: six",
        ["hw.yaml:6:14: 'read_pj' must be a number, not the text 'six'"],
    ),
    "quoted number": (
        "    read_pj: 6",
        '    read_pj: "6"',
        ["hw.yaml:6:14: 'read_pj' must be a number, not the text '6'"],
    ),
    "true for number": (
        "    read_pj: 6",
        "    read_pj: true",
        ["hw.yaml:6:14: 'read_pj' must be a number, not true"],
    ),
    "null for number": (
        "    read_pj: 6",
        "    read_pj:",
        ["hw.yaml:6:13: 'read_pj' must be a number, not nothing (null)"],
    ),
    "list for number": (
        "    read_pj: 6",
        "    read_pj: [6]",
        ["hw.yaml:6:14: 'read_pj' must be a number, not a list"],
    ),
    "number for text": (
        "name: tiny",
        "name: 12",
        ["hw.yaml:1:7: 'name' must be a text, not the number 12"],
    ),
    "number for list": (
        "spatial_x: [M]",
        "spatial_x: 3",
        ["hw.yaml:15:25: 'spatial_x' must be a list, not the number 3"],
    ),
    "text for mapping": (
        "compute: {mac_pj: 1}",
        "compute: 1 pJ",
        ["hw.yaml:10:10: 'compute' must be a mapping, not the text '1 pJ'"],
    ),
    "unknown key": (
        "    write_pj: 6",
        "    wirte_pj: 6",
        [
            "hw.yaml:4:5: missing key 'write_pj'",
            "hw.yaml:7:5: unknown key 'wirte_pj'; did you mean 'write_pj'?",
        ],
    ),
    "unknown key at top": (
        "compute:",
        "computes:",
        [
            "hw.yaml:1:1: missing key 'compute'",
            (
                "hw.yaml:10:1: unknown key 'computes'; expected one of name, levels, compute, "
                "description, precision_bits, codebook, dataflow, energy_unit, technology_nm, "
                "clock_mhz, static_pj_per_cycle, idle, biases, skipped_pixels, padding, "
                "padding_level, slides, cell, voltage_v, temperature_k, layout_factor, provenance; "
                "did you mean 'compute'?"
            ),
        ],
    ),
    "unit in key": (
        "capacity_kib: 4",
        "capacity_kb: 4",
        ["hw.yaml:5:5: unknown key 'capacity_kb'; did you mean 'capacity_kib'?"],
    ),
    "missing key": (
        "    write_pj: 6\n",
        "",
        ["hw.yaml:4:5: missing key 'write_pj'"],
    ),
    "missing levels": (
        "levels:\n",
        "stages:\n",
        [
            "hw.yaml:1:1: missing key 'levels'",
            (
                "hw.yaml:2:1: unknown key 'stages'; expected one of name, levels, compute, "
                "description, precision_bits, codebook, dataflow, energy_unit, technology_nm, "
                "clock_mhz, static_pj_per_cycle, idle, biases, skipped_pixels, padding, "
                "padding_level, slides, cell, voltage_v, temperature_k, layout_factor, provenance"
            ),
        ],
    ),
    "duplicate key": (
        "    read_pj: 6\n",
        "    read_pj: 6\n    read_pj: 7\n",
        ["hw.yaml:7:5: duplicate key 'read_pj', first given on line 6"],
    ),
    "duplicate level": (
        "name: registers",
        "name: buffer",
        ["hw.yaml:9:12: two levels are called 'buffer'"],
    ),
    "unknown tensor": (
        "capacity_kib: 4",
        "capacity_kib: 4\n    keeps: [weigths]",
        [
            (
                "hw.yaml:6:13: 'keeps[0]' is 'weigths'; expected 'weights', 'inputs' or "
                "'outputs'; did you mean 'weights'?"
            )
        ],
    ),
    "unknown dimension": (
        "[M]",
        "[K]",
        ["hw.yaml:15:26: 'spatial_x[0]' is 'K'; expected 'N', 'G', 'M', 'C', 'P', 'Q', 'R' or 'S'"],
    ),
    "unknown multicast": (
        "x: 4",
        "x: 4, multicast: words",
        [
            (
                "hw.yaml:8:31: 'multicast' is 'words'; expected 'tile', 'word' or 'none'; did "
                "you mean 'word'?"
            )
        ],
    ),
    "unknown buffering": (
        "capacity_kib: 4",
        "capacity_kib: 4\n    buffering: doubled",
        [
            (
                "hw.yaml:6:16: 'buffering' is 'doubled'; expected 'overlapped', 'double' or "
                "'single'; did you mean 'double'?"
            )
        ],
    ),
    "unknown dataflow": (
        "flexible",
        "row-stationary",
        [
            (
                "hw.yaml:13:9: 'name' is 'row-stationary'; expected 'row_stationary', "
                "'weight_stationary', 'output_stationary', 'input_stationary', "
                "'no_local_reuse' or 'flexible'; did you mean 'row_stationary'?"
            )
        ],
    ),
    "capacity twice": (
        "capacity_kib: 4",
        "capacity_kib: 4\n    capacity_words: 2048",
        [
            (
                "hw.yaml:6:21: level 'buffer' gives its capacity twice; expected one of "
                "capacity_kib and capacity_words"
            )
        ],
    ),
    "capacity and partitions": (
        "capacity_kib: 4",
        "capacity_kib: 4\n    partitions: [{tensors: [weights], capacity_kib: 1}]",
        [
            (
                "hw.yaml:6:17: level 'buffer' has both a capacity and partitions; expected the "
                "capacity of each partition"
            )
        ],
    ),
    "partition twice": (
        "    capacity_kib: 4",
        (
            "    partitions: [{tensors: [weights], capacity_kib: 1}, {tensors: [weights, "
            "inputs], capacity_kib: 1}]"
        ),
        [
            (
                "hw.yaml:5:67: level 'buffer' has two places for weights; expected each tensor "
                "in one partition"
            )
        ],
    ),
    "partition without size": (
        "    capacity_kib: 4",
        "    partitions: [{tensors: [weights]}]",
        [
            (
                "hw.yaml:5:18: a partition of level 'buffer' has no size; expected "
                "capacity_kib or capacity_words"
            )
        ],
    ),
    "partition capacity twice": (
        "    capacity_kib: 4",
        "    partitions: [{tensors: [weights], capacity_kib: 1, capacity_words: 3}]",
        [
            (
                "hw.yaml:5:72: level 'buffer' gives its capacity twice; expected one of "
                "capacity_kib and capacity_words"
            )
        ],
    ),
    "partition of nothing": (
        "    capacity_kib: 4",
        "    partitions: [{tensors: [], capacity_kib: 1}]",
        ["hw.yaml:5:28: 'tensors' has too few entries (0); expected at least 1"],
    ),
    "kept without partition": (
        "    capacity_kib: 4",
        "    keeps: [weights, inputs]\n    partitions: [{tensors: [weights], capacity_kib: 1}]",
        ["hw.yaml:5:12: level 'buffer' keeps inputs but has no partition for it"],
    ),
    "no capacity inside": (
        "    capacity_kib: 4\n",
        "",
        [
            (
                "hw.yaml:4:5: level 'buffer' has no size; expected capacity_kib, "
                "capacity_words or partitions (only the outermost level may be unlimited)"
            )
        ],
    ),
    "outermost bypasses": (
        "read_pj: 200, write_pj: 200",
        "read_pj: 200, write_pj: 200, keeps: [weights]",
        [
            (
                "hw.yaml:3:5: the outermost level 'DRAM' does not keep inputs and outputs; "
                "expected it to keep all three tensors"
            )
        ],
    ),
    "unknown codebook level": (
        "level: buffer",
        "level: bufer",
        [
            (
                "hw.yaml:11:19: there is no level 'bufer'; expected one of DRAM, buffer, "
                "registers; did you mean 'buffer'?"
            )
        ],
    ),
    "unknown dataflow level": (
        "    buffer: {spatial_x",
        "    bufer: {spatial_x",
        [
            (
                "hw.yaml:15:12: there is no level 'bufer'; expected one of DRAM, buffer, "
                "registers; did you mean 'buffer'?"
            )
        ],
    ),
    "empty levels": (
        LEVELS,
        "levels: []\n",
        ["hw.yaml:2:9: 'levels' has too few entries (0); expected at least 1"],
    ),
    "too many levels": (
        LEVELS,
        SEVENTEEN,
        ["hw.yaml:2:9: 'levels' has too many entries (17); expected at most 16"],
    ),
    "dot in a name": (
        "name: registers",
        "name: reg.file",
        [
            (
                "hw.yaml:9:12: 'name' has the wrong form; expected a text that matches "
                "^[^\\s.=/][^.=/]*$"
            )
        ],
    ),
    "empty name": (
        "name: registers",
        'name: ""',
        ["hw.yaml:9:12: 'name' is too short; expected at least 1 characters"],
    ),
    "python tag": (
        "name: tiny",
        "name: !!python/object/apply:os.system [ls]",
        ["hw.yaml:1:7: the tag '!!python/object/apply:os.system' is not allowed for a list"],
    ),
    "foreign tag": (
        "    read_pj: 6",
        "    read_pj: !energy 6",
        ["hw.yaml:6:14: the tag '!energy' is not allowed for a single value"],
    ),
    "tab": (
        "    read_pj: 6",
        "\tread_pj: 6",
        ["hw.yaml:6:1: a tab is used for indentation; expected spaces"],
    ),
    "merge key": (
        "    read_pj: 6",
        "    <<: {read_pj: 6}",
        ["hw.yaml:6:5: merge keys ('<<') are not supported; expected every key written out"],
    ),
    "key that is no text": (
        "    read_pj: 6",
        "    6: read_pj",
        ["hw.yaml:6:5: key must be a text, not the number 6; expected the key in quotes"],
    ),
    "bad indentation": (
        "    read_pj: 6",
        "   read_pj: 6",
        [
            (
                "hw.yaml:6:4: not valid YAML: wrong indentation, or something left over after "
                "a value (in what starts on line 3)"
            )
        ],
    ),
    "unclosed": (
        "{x: 4, y: 2}",
        "{x: 4, y: 2",
        ["hw.yaml:9:5: not valid YAML: ',' or '}' is missing (in what starts on line 8)"],
    ),
    "alias to nothing": (
        "    read_pj: 6",
        "    read_pj: *energy",
        ["hw.yaml:6:14: no anchor '&energy' before this alias"],
    ),
    "second document": (
        "compute:",
        "---\ncompute:",
        ["hw.yaml:10:1: a second document starts here; expected only one"],
    ),
    "control": (
        "name: tiny",
        "name: ti\x00ny",
        ["hw.yaml:1:9: the character U+0000 is not allowed"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file(write, name):
    before, after, expected = BROKEN[name]
    assert before in GOOD
    write(GOOD.replace(before, after, 1))
    assert problems() == expected


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{there}: &{there} [{', '.join([f'*{here}'] * 10)}]"
    for here, there in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "hw.yaml:1:1: file is empty"),
        ("# nothing\n", "hw.yaml:1:1: file is empty"),
        ("[]", "hw.yaml:1:1: the hardware file must be a mapping, not a list"),
        ("12", "hw.yaml:1:1: the hardware file must be a mapping, not the number 12"),
        (BOMB, "hw.yaml:5:36: more than 100000 values, aliases expanded"),
        ("[" * 60 + "]" * 60, "hw.yaml:1:51: nested more than 50 levels deep"),
        ("name: &a {b: *a}", "hw.yaml:1:14: the anchor '&a' contains itself"),
    ],
)
def test_broken_as_a_whole(write, text, message):
    write(text)
    assert problems() == [message]


def test_all_mistakes_come_at_once_in_the_order_of_the_file(write):
    text = GOOD.replace("capacity_kib: 4", "capacity: 4").replace("[M]", "[M, X]")
    write(
        text.replace("read_pj: 1, write_pj: 1}\ncompute", "write_pj: yes}\ncompute")
        .replace("x: 4", "x: 0")
        .replace("mac_pj: 1", "mac_pj: -1")
    )
    assert problems() == [
        "hw.yaml:5:5: unknown key 'capacity'; did you mean 'capacity_kib'?",
        "hw.yaml:8:17: 'x' is 0; expected a number >= 1",
        "hw.yaml:9:5: missing key 'read_pj'",
        "hw.yaml:9:53: 'write_pj' must be a number, not the text 'yes'",
        "hw.yaml:10:19: 'mac_pj' is -1; expected a number >= 0",
        "hw.yaml:15:29: 'spatial_x[1]' is 'X'; expected 'N', 'G', 'M', 'C', 'P', 'Q', 'R' or 'S'",
    ]


def test_no_false_alarm_where_every_level_is_wrong(write):
    write(GOOD.replace("read_pj: ", "read_pj: -"))
    assert problems() == [
        "hw.yaml:3:27: 'read_pj' is -200; expected a number >= 0",
        "hw.yaml:6:14: 'read_pj' is -6; expected a number >= 0",
        "hw.yaml:9:52: 'read_pj' is -1; expected a number >= 0",
        "hw.yaml:11:53: 'read_pj' is -1; expected a number >= 0",
    ]


def test_all_contradictions_come_at_once(write):
    text = GOOD.replace("name: registers", "name: buffer").replace("level: buffer", "level: DRMA")
    write(text.replace("    capacity_kib: 4\n", ""))
    assert problems() == [
        "hw.yaml:4:5: level 'buffer' has no size; expected capacity_kib, capacity_words or "
        "partitions (only the outermost level may be unlimited)",
        "hw.yaml:8:12: two levels are called 'buffer'",
        "hw.yaml:10:19: there is no level 'DRMA'; expected one of DRAM, buffer, buffer; did you "
        "mean 'DRAM'?",
    ]


def test_messages_carry_the_line(write):
    write(GOOD.replace("x: 4", "x: four"))
    with pytest.raises(InputError) as caught:
        load_hardware("hw.yaml")
    assert caught.value.with_excerpts() == (
        "hw.yaml:8:17: 'x' must be an integer, not the text 'four'\n"
        "        fanout: {x: four, y: 2}\n"
        "                    ^"
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("eyeris", "there is no hardware file 'eyeris'"),
        ("folder/eyeriss.yaml", "there is no hardware file 'folder/eyeriss.yaml'"),
        (".", "'.' is a directory; expected a file"),
    ],
)
def test_no_such_file(tmp_path, monkeypatch, spec, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(message)):
        load_hardware(spec)


def test_a_near_name_is_suggested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"did you mean 'tpu_like\.yaml'"):
        load_hardware("tpulike")


def test_a_file_here_goes_before_a_shipped_one(write, tmp_path):
    write(GOOD)
    (tmp_path / "simple.yaml").write_text(GOOD, encoding="utf-8")
    assert load_hardware("simple.yaml").name == "tiny"
    assert load_hardware("simple").name == "simple"


def test_overrides(write):
    write(GOOD)
    hardware = load_hardware(
        "hw.yaml",
        [
            "levels.buffer.read_pj=12.5",
            "levels.2.capacity_words=32",
            "levels.buffer.fanout.multicast=word",
            "levels.DRAM.fanout.transfer_pj=1",
            "levels.buffer.keeps=[inputs, outputs]",
            "precision_bits.weights=8",
            "codebook.capacity_kib=2",
            "clock_mhz=700",
            "name=changed",
            "dataflow.levels.buffer.spatial_x=[M, C]",
        ],
    )
    dram, buffer, registers = hardware.levels
    assert buffer.read_pj == 12.5
    assert registers.capacity_words == 32
    assert buffer.fanout == Fanout(x=4, y=2, multicast="word")
    assert dram.fanout.transfer_pj == 1
    assert buffer.kept_tensors == ("inputs", "outputs")
    assert hardware.precision_bits == Precision(weights=8)
    store = CodebookStore(level="buffer", capacity_kib=2, read_pj=1, write_pj=1, word_bits=8)
    assert hardware.codebook == store
    assert (hardware.clock_mhz, hardware.name) == (700, "changed")
    assert hardware.dataflow.levels["buffer"].spatial_x == ("M", "C")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("levels[0].read_pj=-1", "levels[0].read_pj"),
        ("levels.DRAM.read_pj=-1", "levels[0].read_pj"),
        ("levels.scratchpads.partitions[1].capacity_words=-1", "levels[2].partitions[1].capacity_"),
        ("levels.2.partitions.1.capacity_words=-1", "levels[2].partitions[1].capacity_words"),
        ("levels[1].fanout.x=-1", "levels[1].fanout.x"),
    ],
)
def test_an_override_may_name_a_value_as_messages_do(override, said):
    with pytest.raises(InputError) as caught:
        load_hardware("eyeriss", [override])
    message = str(caught.value)
    assert said in message
    path = message.split("'")[1]
    value = 3
    changed = load_hardware("eyeriss", [f"{path}={value}"])
    assert changed == load_hardware("eyeriss", [override.replace("-1", str(value))])
    assert changed != load_hardware("eyeriss")


def test_names_in_brackets_are_names(write):
    write(GOOD.replace("buffer", '"b[0]"'))
    changed = load_hardware("hw.yaml", ["levels.b[0].read_pj=99"])
    assert changed.levels[1].read_pj == 99


def test_no_overrides_change_nothing(write):
    write(GOOD)
    assert load_hardware("hw.yaml", []) == load_hardware("hw.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ((
            "read_pj"
        ), (
            "'read_pj' is not an override; expected KEY=VALUE, as levels.buffer.read_pj=12"
        )),
        ("=3", "'=3' is not an override; expected KEY=VALUE, as levels.buffer.read_pj=12"),
        (
            "levels.bufer.read_pj=3",
            "there is no 'bufer' to set a value in; expected one of DRAM, buffer, registers; did "
            "you mean 'buffer'?",
        ),
        (
            "levels.buffer.raed_pj=3",
            "unknown key 'levels[1].raed_pj'; did you mean 'read_pj'?",
        ),
        ("levels.buffer.read_pj=-3", "'levels[1].read_pj' is -3; expected a number >= 0"),
        (
            "levels.buffer.read_pj=much",
            "'levels[1].read_pj' must be a number, not the text 'much'",
        ),
        (
            "levels.buffer.read_pj=",
            "'levels[1].read_pj' must be a number, not nothing (null)",
        ),
        ((
            "levels.buffer=3"
        ), (
            "'levels.buffer' names a whole element of a list; expected one of its keys"
        )),
        (
            "codebook.level=cache",
            "'codebook.level': there is no level 'cache'; expected one of DRAM, buffer, registers",
        ),
        (
            "levels.buffer.capacity_words=3",
            "'levels[1].capacity_words': level 'buffer' gives its capacity twice; expected one "
            "of capacity_kib and capacity_words",
        ),
    ],
)  # fmt: skip
def test_broken_override(write, override, message):
    write(GOOD)
    assert problems(override) == [f"--set:1:1: {message}"]


def test_an_override_does_not_mend_a_broken_file(write):
    write(GOOD.replace("    read_pj: 6", "    read_pj: -6"))
    assert problems("levels.buffer.read_pj=6") == [
        "hw.yaml:6:14: 'read_pj' is -6; expected a number >= 0"
    ]


def test_overrides_are_for_files(write):
    write(GOOD)
    with pytest.raises(InputError, match="overrides apply to hardware files"):
        load_hardware(load_hardware("hw.yaml"), ["name=x"])


def test_errors_of_a_dict_name_the_place():
    levels = [{"name": "DRAM", "read_pj": 1, "write_pj": 1}, {"name": "buffer", "read_pj": -1}]
    with pytest.raises(InputError) as caught:
        load_hardware({"name": "x", "levels": levels, "compute": {}})
    assert [str(problem) for problem in caught.value.problems] == [
        "hardware: 'levels[1].read_pj' is -1; expected a number >= 0",
        "hardware: missing key 'levels[1].write_pj'",
        "hardware: missing key 'compute.mac_pj'",
    ]


def test_python_checks_too():
    level = Level(name="DRAM", read_pj=1, write_pj=1)
    compute = Compute(mac_pj=1)
    with pytest.raises(ValueError, match="two levels are called 'DRAM'"):
        Hardware(name="x", levels=(level, level), compute=compute)
    with pytest.raises(ValueError, match=r"^Level: 'read_pj' is -1; expected a number >= 0$"):
        dataclasses.replace(level, read_pj=-1)
    with pytest.raises(ValueError, match="there is no level 'L2'"):
        Hardware(name="x", levels=(level,), compute=compute, dataflow=Dataflow(levels={"L2": {}}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"read_pj": "x"}, "'read_pj' is 'x'; expected a number"),
        ({"read_pj": math.nan}, "'read_pj' is nan; expected a finite number"),
        ({"read_pj": 1e10}, "'read_pj' is 10000000000.0; expected a number <= 1000000000"),
        ({"word_bits": 2.5}, "'word_bits' is 2.5; expected an integer"),
        ({"name": ""}, "'name' is '', which is too short; expected at least 1 characters"),
        ({"keeps": 3}, "'keeps' is 3; expected a list"),
        ({"fanout": 3}, "'fanout' is 3; expected a mapping"),
        ({"buffering": "x"}, "'buffering' is 'x'; expected 'overlapped', 'double' or 'single'"),
        ({"read": 1}, "unknown key 'read'"),
    ],
)
def test_arguments_of_python_are_refused_in_the_same_words(arguments, message):
    with pytest.raises(InputError) as caught:
        Level(**{"name": "DRAM", "read_pj": 1, "write_pj": 1} | arguments)
    assert str(caught.value) == f"Level: {message}"


def test_arguments_that_are_missing():
    with pytest.raises(InputError) as caught:
        Level(name="DRAM")
    assert [str(problem) for problem in caught.value.problems] == [
        "Level: missing 'read_pj'",
        "Level: missing 'write_pj'",
    ]


def test_level_index():
    hardware = load_hardware("eyeriss")
    assert [hardware.level_index(n) for n in ("DRAM", "buffer", "scratchpads")] == [0, 1, 2]
    with pytest.raises(InputError, match=r"there is no level 'bufer'.*did you mean 'buffer'"):
        hardware.level_index("bufer")


def test_schema_names_every_key():
    schema = hardware_schema()
    names = {field.name for field in dataclasses.fields(Hardware)}
    assert set(schema["properties"]) == names | set(SPELLINGS["chip"])
    level = schema["$defs"]["Level"]
    names = {field.name for field in dataclasses.fields(Level)}
    assert set(level["properties"]) == names | set(SPELLINGS["level"])
    assert level["required"] == ["name"]
    assert level["additionalProperties"] is False


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"clock_mhz": 1e-320}, "Hardware: 'clock_mhz' is 1e-320; expected a number >= 1e-09"),
        ({"clock_mhz": -1}, "Hardware: 'clock_mhz' is -1; expected a number >= 1e-09"),
        ({"levels": ()}, "Hardware: 'levels' is ()"),
        ({"description": 3}, "Hardware: 'description' is 3"),
    ],
)
def test_a_bad_value_from_python_is_one_line(change, text):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(load_hardware("eyeriss"), **change)
    (problem,) = caught.value.problems
    assert str(problem).startswith(text)
    assert "\n" not in str(problem)


def test_a_contradiction_from_python_is_reported_as_in_a_file():
    hardware = load_hardware("eyeriss")
    with pytest.raises(InputError, match="the outermost level 'buffer' does not keep weights"):
        dataclasses.replace(hardware, levels=hardware.levels[1:], codebook=None)
