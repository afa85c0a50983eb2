"""Words that a hardware gives no width are as wide as what is kept in them."""

from dataclasses import asdict, replace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from shared_layers import KERNELS, SMALL
from small_design import LAYER, MAPPING, design
from small_problems import hardwares

import kcsim
from kcsim import evaluate, load_hardware
from kcsim.hardware.level import AssumedBits, Fanout, Level, Partition
from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.reader import shipped_names
from kcsim.hardware.schema import CodebookStore, Compute, Hardware, Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.report.documents import to_dict
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import estimate_tables
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

INT8 = """\
name: clusteracc
description: 8x8 PEs, 64 KB buffer, int8
technology_nm: 28
clock_mhz: 500
precision_bits: {weights: 8, inputs: 8, outputs: 8}
levels:
  - {name: DRAM, read_pj: 64, write_pj: 64, read_words_per_cycle: 8, write_words_per_cycle: 8}
  - name: GLB
    capacity_kib: 64
    read_pj: 1.2
    write_pj: 1.4
    fanout: {x: 8, y: 8, multicast: word, reduction: true, transfer_pj: 0.3}
  - {name: RF, capacity_words: 64, read_pj: 0.05, write_pj: 0.05}
compute:
  mac_pj: 0.2
codebook: {level: GLB, capacity_kib: 1, read_pj: 0.1, write_pj: 0.1}
"""
ASSUMED = (
    "word_bits assumed, as wide as the widest value kept: DRAM 8, GLB 8, RF 8, codebook store 8."
)
SMALL_NETWORK = Network("two", (LAYER, ConvLayer("next", 4, 6, 4, 4, 3, 3)))


def with_word_bits(data, bits):
    levels = [{**level, "word_bits": bits} for level in data["levels"]]
    return {**data, "levels": levels, "codebook": {**data["codebook"], "word_bits": bits}}


def words(hardware):
    return [level.word_bits for level in hardware.levels]


def test_an_int8_design_stores_words_of_8_bits():
    data = yaml.safe_load(INT8)
    silent, told = load_hardware(data), load_hardware(with_word_bits(data, 8))
    assert words(silent) == words(told) == [8, 8, 8]
    assert silent.codebook == told.codebook
    energies = [
        [layer.energy for run in runs for layer in run.layers]
        for runs in (
            kcsim.estimate(h, "lenet5", "kernel:k=8").runs.values() for h in (silent, told)
        )
    ]
    assert energies[0] == energies[1]
    assert hardware_notes(silent) == (ASSUMED,)
    assert hardware_notes(told) == ()


def test_words_of_16_bits_hold_two_values():
    told = load_hardware(with_word_bits(yaml.safe_load(INT8), 16))
    mapping = Mapping((LevelLoops("DRAM", tuple(Loop(d, n) for d, n in _sizes(LAYER))),))
    half, whole = (
        next(i for i in evaluate(LAYER, h, mapping).items if i.action == "read")
        for h in (told, load_hardware(yaml.safe_load(INT8)))
    )
    assert whole.accesses == whole.count == LAYER.macs
    assert half.accesses == LAYER.macs // 2


def _sizes(layer):
    return [(d, n) for d, n in layer.dimensions.items() if n > 1]


def test_the_documents_say_what_is_assumed():
    result = kcsim.estimate(load_hardware(yaml.safe_load(INT8)), SMALL_NETWORK)
    assert to_dict(result)["hardware"]["notes"] == [ASSUMED]
    (energy,) = (t for t in estimate_tables(result) if t.title.startswith("Energy by component"))
    assert energy.notes == (ASSUMED,)
    (energy,) = (
        t for t in layer_tables(result.dense.layers[0]) if t.title.startswith("Energy by component")
    )
    assert energy.notes == (ASSUMED,)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_files_leave_no_word_open(name):
    hardware = load_hardware(name)
    assert not any(isinstance(bits, AssumedBits) for bits in words(hardware))
    assert hardware_notes(hardware) == ()


def test_each_level_is_as_wide_as_what_it_keeps():
    precision = Precision(weights=4, inputs=8, outputs=20)
    kinds = (
        {},
        {"keeps": ("weights",)},
        {"keeps": ("weights", "inputs")},
        {"keeps": ()},
        {"keeps": ("inputs", "outputs"), "may_bypass": ("outputs",)},
        {"word_bits": 3},
    )
    levels = tuple(
        Level(name=f"l{i}", read_pj=1, write_pj=1, capacity_words=9 if i else None, **kind)
        for i, kind in enumerate(kinds)
    )
    store = CodebookStore(level="l0", capacity_kib=1, read_pj=1, write_pj=1)
    hardware = Hardware(
        name="x", levels=levels, compute=Compute(mac_pj=1), precision_bits=precision, codebook=store
    )
    assert words(hardware) == [20, 4, 8, 20, 20, 3]
    assert hardware.codebook.word_bits == 4
    assert [level.capacity_bits("inputs") for level in hardware.levels[1:3]] == [9 * 4, 9 * 8]


def partitioned(**changes):
    parts = (
        Partition(tensors=("weights",), capacity_words=10),
        Partition(tensors=("inputs", "outputs"), capacity_words=10, word_bits=5),
    )
    first = Level(name="DRAM", read_pj=1, write_pj=1)
    second = Level(name="PE", read_pj=1, write_pj=1, **{"partitions": parts, **changes})
    precision = Precision(weights=4, inputs=8, outputs=20)
    return Hardware(
        name="x", levels=(first, second), compute=Compute(mac_pj=1), precision_bits=precision
    )


def test_each_partition_is_as_wide_as_what_it_keeps():
    level = partitioned().levels[1]
    assert [level.word_bits_of(t) for t in ("weights", "inputs", "outputs")] == [4, 5, 5]
    assert [level.capacity_bits(t) for t in ("weights", "inputs")] == [40, 50]
    # A word of the network carries the widest value.
    assert level.word_bits == 20
    (note,) = (n for n in hardware_notes(partitioned()) if "assumed" in n)
    assert note.endswith("kept: DRAM 20, PE (weights) 4.")


def test_partitions_follow_the_words_of_their_level():
    level = partitioned(word_bits=32).levels[1]
    assert [level.word_bits_of(t) for t in ("weights", "inputs")] == [32, 5]
    wider = replace(level, word_bits=64)
    hardware = replace(partitioned(), levels=(partitioned().levels[0], wider))
    assert hardware.levels[1].word_bits_of("weights") == 64


def test_a_level_as_wide_as_its_partition_pays_for_that_partition():
    levels = (
        Level(name="DRAM", read_pj=1, write_pj=1),
        Level(
            name="PE", read_pj=1, write_pj=1, read_words_per_cycle=1,
            partitions=(
                Partition(tensors=("weights",), capacity_words=500, word_bits=4),
                Partition(tensors=("inputs",), capacity_words=500, word_bits=16),
                Partition(tensors=("outputs",), capacity_words=500, word_bits=32),
            ),
        ),
    )  # fmt: skip
    precision = Precision(weights=8, inputs=8, outputs=16)
    hardware = Hardware(
        name="x", levels=levels, compute=Compute(mac_pj=1), precision_bits=precision
    )
    mapping = Mapping((LevelLoops("PE", tuple(Loop(d, n) for d, n in _sizes(LAYER))),))
    result = evaluate(LAYER, hardware, mapping)
    reads = {i.tensor: i for i in result.items if (i.component, i.action) == ("PE", "read")}
    assert reads["weights"].accesses == 2 * LAYER.macs
    assert reads["inputs"].accesses == LAYER.macs // 2
    assert reads["outputs"].accesses == reads["outputs"].count // 2
    # Words of each partition, side by side with writes.
    assert result.cycles.transfer["PE"] == sum(reads[t].accesses for t in reads)


def test_words_follow_the_precision_unless_they_are_given():
    hardware = design(dram={"word_bits": 16})
    assert words(hardware) == [16, 16, 16]
    int4 = replace(hardware, precision_bits=Precision(weights=4, inputs=4, outputs=4))
    assert words(int4) == [16, 4, 4]
    assert words(replace(int4, precision_bits=Precision())) == [16, 16, 16]
    # Also of levels that were taken from one hardware to another, or are changed there.
    dearer = replace(int4.levels[1], read_pj=9)
    assert words(replace(int4, levels=(hardware.levels[0], dearer, int4.levels[2]))) == [16, 4, 4]
    assert words(replace(hardware, levels=int4.levels)) == [16, 16, 16]
    given_four = replace(int4.levels[1], word_bits=4)
    assert words(replace(hardware, levels=(hardware.levels[0], given_four))) == [16, 4]
    assert words(replace(int4, levels=tuple(Level(**asdict_of(x)) for x in int4.levels))) == [
        16, 4, 4,
    ]  # fmt: skip


def asdict_of(level):
    return {**vars(level), "fanout": Fanout(**asdict(level.fanout))}


def test_words_follow_overrides(tmp_path):
    (tmp_path / "hw.yaml").write_text(INT8, encoding="utf-8")
    hardware = load_hardware(
        tmp_path / "hw.yaml",
        [
            "precision_bits.weights=3",
            "precision_bits.inputs=6",
            "levels.RF.word_bits=12",
            "levels.GLB.keeps=[weights, inputs]",
        ],
    )
    assert words(hardware) == [8, 6, 12]
    assert hardware.codebook.word_bits == 3


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hardwares())
def test_given_words_stay_whatever_changes(hardware):
    fixed = hardware.with_given_words()
    other = replace(fixed, precision_bits=Precision(weights=1, inputs=1, outputs=1))
    assert hardware == fixed
    for before, after in zip(hardware.levels, other.levels, strict=True):
        assert before.word_bits == after.word_bits
        for tensor in ("weights", "inputs", "outputs"):
            assert before.word_bits_of(tensor) == after.word_bits_of(tensor)


@pytest.mark.parametrize("execution", ["decode", "share_products", "share_sums"])
def test_assumed_words_cost_as_much_as_the_same_words_given(execution):
    # The phases of shared products keep other tensors, of another precision, in the same words.
    levels = (
        replace(SMALL.levels[0], fanout=Fanout(transfer_pj=0.5)),
        replace(SMALL.levels[1], fanout=Fanout(x=4, transfer_pj=0.7)),
        replace(SMALL.levels[2], keeps=("weights", "inputs")),
    )
    precision = Precision(weights=8, inputs=6, outputs=20)
    hardware = replace(SMALL, levels=levels, precision_bits=precision)
    assert words(hardware) == [20, 20, 8]
    for level in hardware.levels:
        assert isinstance(level.word_bits, AssumedBits)
    energies = [
        kcsim.estimate(each, Network("one", (LAYER,)), KERNELS, execution=execution)
        [execution].energy_by_component()
        for each in (hardware, hardware.with_given_words())
    ]  # fmt: skip
    assert energies[0] == energies[1]


def test_values_wider_than_a_word_are_said():
    hardware = design(buffer={"word_bits": 8, "keeps": ("inputs",)})
    assert hardware_notes(hardware)[1:] == (
        "inputs of 16 bits at buffer are wider than its words of 8.",
    )


def test_the_mapping_is_evaluated_with_the_same_words():
    hardware = design(precision_bits=Precision(weights=8, inputs=8, outputs=8))
    told = design(*[{"word_bits": 8}] * 3, precision_bits=hardware.precision_bits)
    assert evaluate(LAYER, hardware, MAPPING).energy == evaluate(LAYER, told, MAPPING).energy


@pytest.mark.parametrize(
    ("spec", "notes"),
    [
        ("kernel:k=3,scope=layer,dense=none", []),
        (
            "linear_kernel:k=3,codebook_bits=12,offset_bits=8,scope=layer,dense=none",
            [
                "Codebook values of 12 bits are wider than weights, of 8.",
                "Scales of 16 bits are wider than weights, of 8.",
            ],
        ),
        ("scaled_kernel:k=3,scale_bits=8,scope=layer,dense=none", []),
    ],
)
def test_parts_that_are_wider_than_weights_are_said(spec, notes):
    hardware = load_hardware(yaml.safe_load(INT8))
    result = kcsim.estimate(hardware, SMALL_NETWORK, spec)
    (storage,) = (t for t in estimate_tables(result) if t.title.startswith("Storage"))
    assert [note for note in storage.notes if "wider" in note] == notes
