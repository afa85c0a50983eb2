"""Hardware files that say what a part is: energies, leakage and area that follow, and from what."""

from __future__ import annotations

import dataclasses
import re

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given

from kcsim import estimate, load_hardware
from kcsim.errors import InputError
from kcsim.hardware.accelergy import accelergy_text, read_accelergy
from kcsim.hardware.areas import chip_area, hardware_components
from kcsim.hardware.components.hwcomponents_models import HwcomponentsLibrary
from kcsim.hardware.components.part import Part
from kcsim.hardware.components.standard import StandardLibrary
from kcsim.hardware.explained import explain_number, sources_of
from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.reader import shipped_names
from kcsim.hardware.written import resolved_text
from kcsim.report.documents import to_dict
from kcsim.report.hardware_data import hardware_tables

CHIP = """\
name: chip
technology: 65 nm
clock: 200 MHz
levels:
  - {name: DRAM, kind: dram, dram_type: LPDDR4}
  - name: buffer
    kind: sram
    capacity: 108 KiB
    width: 64 bits
    fanout: {x: 14, y: 12}
  - name: pads
    kind: register_file
    partitions:
      - {tensors: [weights], kind: sram, capacity_words: 224}
      - {tensors: [inputs], capacity_words: 12}
      - {tensors: [outputs], capacity_words: 24}
compute: {kind: mac}
codebook: {level: DRAM, kind: sram, capacity: 8 KiB}
"""
MAC_16 = StandardLibrary().estimate(Part("mac", 65, width_bits=16)).energies["mac"].value


def ram(words, width=16, node=65, **more):
    return StandardLibrary().estimate(Part("sram", node, width_bits=width, depth=words, **more))


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(*changes, text=CHIP):
        for before, after in changes:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        (tmp_path / "chip.yaml").write_text(text, encoding="utf-8")
        return "chip.yaml"

    return write


def problems(*arguments):
    with pytest.raises(InputError) as caught:
        load_hardware(*arguments)
    return [str(problem) for problem in caught.value.problems]


def test_energies_follow_from_what_the_parts_are(write):
    hardware = load_hardware(write())
    dram, buffer, pads = hardware.levels
    assert (dram.read_pj, dram.write_pj) == (128, 128)
    found = ram(108 * 128, 64)
    assert buffer.read_pj == found.energies["read"].value == pytest.approx(54.3, rel=0.05)
    assert buffer.write_pj == found.energies["write"].value
    assert pads.partitions[0].read_pj == ram(224).energies["read"].value
    small = StandardLibrary().estimate(Part("register_file", 65, depth=12))
    assert pads.partitions[1].write_pj == small.energies["write"].value
    assert hardware.compute.mac_pj == pytest.approx(MAC_16)
    assert hardware.codebook.read_pj == ram(4096).energies["read"].value
    assert (hardware.technology_nm, hardware.clock_mhz) == (65, 200)


def test_leakage_and_clock_are_those_of_a_cycle(write):
    buffer, pads = load_hardware(write()).levels[1:]
    assert buffer.leakage_pj_per_cycle == pytest.approx(ram(108 * 128, 64).leakage.value * 5)
    library = StandardLibrary()
    parts = [library.estimate(Part("register_file", 65, depth=d)) for d in (12, 24, 224)]
    clock = sum(each.energies["clock"].value for each in parts[:2])
    leak = sum(each.leakage.value for each in parts)
    assert pads.leakage_pj_per_cycle == pytest.approx(clock + 5 * leak)
    hot = load_hardware(write(("clock: 200 MHz", "clock: 200 MHz\ntemperature: 360 K")))
    assert hot.levels[1].leakage_pj_per_cycle == pytest.approx(
        2.72 * buffer.leakage_pj_per_cycle, rel=0.01
    )
    assert hot.levels[1].read_pj == buffer.read_pj


def test_leakage_that_is_not_known_is_said_to_be_missing(write):
    (note,) = [n for n in hardware_notes(load_hardware(write())) if n.startswith("DRAM: ")]
    assert note == "DRAM: no leakage or background is known of such a part."
    notes = hardware_notes(load_hardware(write(("clock: 200 MHz\n", ""))))
    assert any("as the hardware gives no clock_mhz" in note for note in notes)
    notes = hardware_notes(load_hardware(write(("65 nm", "16 nm"))))
    assert any("No leakage of SRAM (LSTP) is known at 16 nm" in note for note in notes)


def test_a_typed_energy_wins(write):
    plain = load_hardware(write())
    buffer = load_hardware(write(("width: 64 bits", "read: 3 pJ"))).levels[1]
    assert buffer.read_pj == 3
    assert buffer.write_pj != plain.levels[1].write_pj  # of words of 16 bits
    assert load_hardware("chip.yaml", ["levels.buffer.read_pj=2"]).levels[1].read_pj == 2
    assert "levels.buffer.read_pj" not in load_hardware("chip.yaml").provenance


def test_energies_relative_to_a_mac_are_over_that_of_the_library(write):
    hardware, plain = load_hardware(write(), ["energy_unit=MAC"]), load_hardware(write())
    assert hardware.compute.mac_pj == 1
    assert hardware.levels[1].read_pj == pytest.approx(plain.levels[1].read_pj / MAC_16)
    assert hardware.provenance["levels.buffer.read_pj"].unit == "MAC"


def test_a_physical_access_is_paid_in_full_unless_its_words_are_used(write):
    full = load_hardware(write()).levels[1].read_pj
    shared = ("width: 64 bits", "width: 64 bits\n    used_words_per_access: 4")
    assert load_hardware(write(shared)).levels[1].read_pj == pytest.approx(full / 4)
    half = ("width: 64 bits", "width: 64 bits\n    used_words_per_access: 2")
    assert load_hardware(write(half)).levels[1].read_pj == pytest.approx(full / 2)
    blocks = ("width: 64 bits", "width: 64 bits\n    block_words: 8")
    assert load_hardware(write(blocks)).levels[1].read_pj == pytest.approx(2 * full)
    wrong = ("width: 64 bits", "width: 64 bits\n    used_words_per_access: 5")
    (message,) = set(problems(write(wrong)))
    assert "used_words_per_access of 'buffer' is 5; expected at most 4" in message


def test_cells_nodes_and_banks_of_a_level_go_before_those_of_the_chip(write):
    hardware = load_hardware(write(("width: 64 bits", "width: 64 bits\n    cell: HP")))
    found = ram(108 * 128, 64, cell="HP")
    assert hardware.levels[1].read_pj == found.energies["read"].value
    assert hardware.provenance["levels.buffer.read_pj"].inputs["cell"] == "HP"
    banked = load_hardware(write(), ["levels.buffer.banks=27"])
    assert banked.levels[1].read_pj == pytest.approx(33, rel=0.3)
    newer = load_hardware(write(), ["levels.buffer.technology=22 nm"])
    assert newer.levels[1].read_pj == ram(108 * 128, 64, 22).energies["read"].value
    assert newer.compute.mac_pj == pytest.approx(MAC_16)


@pytest.mark.parametrize(
    ("override", "follows"),
    [
        ("levels.buffer.capacity_kib=1024", True),
        ("levels.buffer.width_bits=128", True),
        ("technology_nm=22", True),
        ("cell=HP", True),
        ("clock_mhz=100", False),
        ("levels.buffer.keeps=[inputs, outputs, weights]", False),
        ("levels.register file.capacity_words=64", False),
    ],
)
def test_a_size_that_is_changed_makes_its_typed_energies_follow(override, follows):
    hardware = load_hardware("simple", [override])
    assert ("levels.buffer.read_pj" in hardware.provenance) == follows
    assert (hardware.levels[1].read_pj != 6) == follows
    assert any("From sizes" in note and "buffer" in note for note in hardware_notes(hardware)) == (
        follows
    )


def test_an_energy_that_is_changed_with_its_size_stays():
    both = ["levels.buffer.capacity_kib=1024", "levels.buffer.read_pj=8"]
    for overrides in (both, both[::-1]):
        buffer = load_hardware("simple", overrides).levels[1]
        assert buffer.read_pj == 8
        assert buffer.write_pj == pytest.approx(ram(2**17, 64).energies["write"].value / 4 / MAC_16)


def test_an_energy_that_is_set_with_its_whole_section_stays():
    section = "codebook={level: DRAM, kind: sram, capacity: 4 KiB, read_pj: 3}"
    store = load_hardware("simple", [section]).codebook
    assert store.read_pj == 3
    assert store.write_pj == pytest.approx(ram(2048).energies["write"].value / MAC_16)


def test_sizes_of_partitions_stores_and_macs_follow_likewise():
    path = "levels.scratchpads.partitions[0]"
    one = load_hardware("eyeriss", [f"{path}.capacity_words=448"])
    assert one.levels[2].partitions[0].read_pj == ram(448).energies["read"].value
    assert one.levels[2].partitions[1].read_pj is None
    store = load_hardware("eyeriss", ["codebook.capacity_kib=64"]).codebook
    assert store.read_pj == pytest.approx(ram(8192, 64).energies["read"].value / 4)
    narrow = load_hardware("eyeriss", ["precision_bits={weights: 8, inputs: 8, outputs: 16}"])
    assert narrow.compute.mac_pj < MAC_16


def test_a_hardware_that_says_nothing_of_its_parts_changes_nothing(write):
    text = yaml.safe_dump(
        {
            "name": "plain",
            "technology_nm": 65,
            "levels": [
                {"name": "DRAM", "read_pj": 200, "write_pj": 200},
                {"name": "buffer", "read_pj": 6, "write_pj": 6, "capacity_kib": 8},
            ],
            "compute": {"mac_pj": 1},
        }
    )
    hardware = load_hardware(write(text=text), ["levels.buffer.capacity_kib=64", "technology_nm=7"])
    assert (hardware.levels[1].read_pj, hardware.provenance) == (6, {})
    assert hardware_tables(hardware) == ()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("108 KiB", "108 KB", "8:15: 'capacity: 108 KB' is ambiguous; expected KiB (bytes, of "
         "1024) or Kibit (bits, of 1024)"),
        ("108 KiB", "1 Mb", "8:15: 'capacity: 1 Mb' is ambiguous; expected MiB (bytes, of 1024) "
         "or Mibit (bits, of 1024)"),
        ("108 KiB", "108 kiB", "8:15: 'capacity' has the unit 'kiB'"),
        ("108 KiB", "big", "8:15: 'capacity' is text 'big'"),
        ("108 KiB", "-1 KiB", "8:15: 'capacity_kib' is -1; expected a number > 0"),
        ("200 MHz", "200 Hz", "3:8: 'clock' has the unit 'Hz'"),
        ("capacity: 108 KiB", "capacity: 1 KiB\n    capacity_kib: 1",
         "8:15: both 'capacity' and 'capacity_kib' are given; expected one of them"),
        ("kind: sram\n    capacity: 108 KiB", "capacity: 108 KiB\n    read_pj: from_size",
         "8:14: 'read_pj' is to follow from the size of a part, and nothing says what it is; "
         "expected kind: sram, register_file, registers or dram"),
        ("kind: sram\n    capacity: 108 KiB", "kind: scram\n    capacity: 108 KiB",
         "7:11: 'kind' is 'scram'; expected 'sram', 'register_file', 'registers' or 'dram'; did "
            "you mean 'sram'?"),
        ("LPDDR4", "DDR5", "no trustworthy public energy a bit of DDR5"),
        ("LPDDR4", "LPDR4", "did you mean 'LPDDR4'?"),
        ("108 KiB", "40 B", "an SRAM of 5 words: CACTI has none below 32"),
        ("108 KiB", "64 MiB", "an SRAM of 64 MiB is larger than the table"),
        ("65 nm", "130 nm", "technology_nm is 130: no table reaches there; expected 7 to 90 nm"),
        ("technology: 65 nm\n", "", "depends on technology_nm; expected technology_nm, of the"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(write, before, after, message):
    found = problems(write((before, after)))
    assert any(message in each for each in found), found
    assert all(each.startswith("chip.yaml:") for each in found)


def test_all_mistakes_come_at_once(write):
    found = problems(write(("108 KiB", "108 KB"), ("x: 14", "x: 0"), ("{kind: mac}", "{kind: mc}")))
    assert [each.split(":")[1] for each in found] == ["8", "10", "17"]


def test_wires_follow_from_the_area_that_they_span(write):
    fanout = "fanout: {x: 14, y: 12, transfer_pj: from_size, hop_pj: from_size}"
    change = ("fanout: {x: 14, y: 12}", fanout)
    hardware = load_hardware(write(change))
    components = hardware_components(hardware)
    area = sum(each.total_area_mm2 or 0 for each in components if each.level > 1)
    wire = Part("wire", 65, width_bits=16, length_mm=0.75 * area**0.5)
    expected = StandardLibrary().estimate(wire).energies["transfer"].value
    assert hardware.levels[1].fanout.transfer_pj == pytest.approx(expected)
    assert hardware.levels[1].fanout.hop_pj > hardware.levels[1].fanout.transfer_pj
    wider = load_hardware("chip.yaml", ["layout_factor=4"])
    assert wider.levels[1].fanout.transfer_pj == pytest.approx(2 * expected)


def test_area_is_the_sum_of_all_instances_times_the_layout_factor(write):
    hardware = load_hardware(write(), ["layout_factor=3.5"])
    components = hardware_components(hardware)
    buffer = next(each for each in components if each.name == "buffer")
    assert buffer.total_area_mm2 == pytest.approx(ram(108 * 128, 64).area.value)
    pads = next(each for each in components if each.name == "pads (weights)")
    assert (pads.instances, pads.area_mm2) == (168, ram(224).area.value)
    known = sum(each.total_area_mm2 or 0 for each in components)
    assert chip_area(hardware, components).value == pytest.approx(3.5 * known)
    typed = load_hardware("chip.yaml", ["levels.buffer.area=2 mm2"])
    assert hardware_components(typed)[2].total_area_mm2 == 2


@pytest.mark.parametrize("name", [*shipped_names(), "chip.yaml"])
def test_the_resolved_file_gives_the_same_hardware(write, name):
    write()
    hardware = load_hardware(name)
    text = resolved_text(hardware)
    again = load_hardware(yaml.safe_load(text))
    assert again == hardware
    for origin in hardware.provenance.values():
        assert origin.rule.split(";")[0] in text


def test_every_number_that_follows_says_how_and_from_what(write):
    hardware = load_hardware(write())
    for place in hardware.provenance:
        lines = explain_number("chip.yaml", place)
        assert [line.split(":")[0] for line in lines[1:5]] == [
            "rule", "inputs", "error bar", "library",
        ]  # fmt: skip
    lines = "\n".join(explain_number("chip.yaml", "levels.buffer.read_pj"))
    assert "sram.csv, 8192-16384 words of 64 bits" in lines
    assert "CACTI 7" in lines
    assert "cacti7" in sources_of(hardware)


def test_a_typed_number_is_explained_by_its_line():
    (first, line) = explain_number("eyeriss", "levels.buffer.read_pj")
    assert first == "levels.buffer.read_pj = 15"
    assert re.search(r"typed in at .*eyeriss\.yaml:\d+:\d+: read_pj: 15   # nn_dataflow", line)
    said = explain_number("eyeriss", "levels.buffer.read_pj", ["levels.buffer.read_pj=3"])
    assert said[1] == "typed in: --set levels.buffer.read_pj=3"
    with pytest.raises(InputError, match=r"did you mean 'levels\.buffer\.read_pj'"):
        explain_number("eyeriss", "levels.bufer.read_pj")


def test_tables_of_accelergy_give_back_what_was_written(write, tmp_path):
    hardware = load_hardware(write())
    (tmp_path / "ert.yaml").write_text(accelergy_text(hardware), encoding="utf-8")
    again = load_hardware("chip.yaml", (), read_accelergy("ert.yaml"))
    for old, new in zip(hardware.levels, again.levels, strict=True):
        assert new.read_pj == pytest.approx(old.read_pj)
        assert new.leakage_pj_per_cycle == pytest.approx(old.leakage_pj_per_cycle)
        for a, b in zip(old.partitions, new.partitions, strict=True):
            assert b.read_pj == pytest.approx(a.read_pj)
    areas = [chip_area(each, hardware_components(each)).value for each in (hardware, again)]
    assert areas[0] == pytest.approx(areas[1])
    origin = again.provenance["levels.buffer.read_pj"]
    assert (origin.library, origin.sources) == ("tables of ert.yaml", ("ert.yaml",))
    # The resolved file needs the tables no more.
    resolved = load_hardware(yaml.safe_load(resolved_text(again)))
    (tmp_path / "ert.yaml").unlink()
    assert resolved == again
    assert chip_area(resolved, hardware_components(resolved)).value == pytest.approx(areas[0])


def test_what_was_found_for_another_size_does_not_stay(write, tmp_path):
    hardware = load_hardware(write())
    (tmp_path / "resolved.yaml").write_text(resolved_text(hardware), encoding="utf-8")
    (tmp_path / "chip.yaml").write_text(CHIP.replace("108 KiB", "1 MiB"), encoding="utf-8")
    new, expected = load_hardware("resolved.yaml", ["levels.buffer.capacity=1 MiB"]), "chip.yaml"
    assert new.levels[1] == load_hardware(expected).levels[1]
    typed = load_hardware(expected, ["levels.buffer.area=3 mm2"])
    assert typed.levels[1].area_mm2 == 3
    both = load_hardware(expected, ["levels.buffer.area=3 mm2", "levels.buffer.banks=2"])
    assert both.levels[1].area_mm2 == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "no tables of Accelergy; expected ERT or ART"),
        ("ERT: {tables: [{actions: []}]}", "a table of ERT without a name"),
        ("ERT: {tables: [{name: x, actions: [{name: read}]}]}", "an action of 'x' has no energy"),
        ("ERT: {tables: [{name: c.bufer, actions: [{name: read, energy: 1}]}]}",
         "has no component"),
    ],
)  # fmt: skip
def test_broken_tables_of_accelergy(write, tmp_path, text, message):
    (tmp_path / "ert.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        load_hardware(write(), (), read_accelergy(str(tmp_path / "ert.yaml")))


def test_hwcomponents_agrees_with_cacti_or_says_why_it_cannot_be_used():
    try:
        import hwcomponents_cacti  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match="cannot be used"):
            HwcomponentsLibrary().estimate(Part("sram", 65, width_bits=64, depth=13824))
    else:
        found = HwcomponentsLibrary().estimate(Part("sram", 65, width_bits=64, depth=13824))
        assert found.energies["read"].value == pytest.approx(54.3025)
        assert found.area.value == pytest.approx(0.775098)
    with pytest.raises(InputError, match="no part of kind wire"):
        HwcomponentsLibrary().estimate(Part("wire", 65))


def test_results_carry_area_and_where_numbers_came_from(write):
    result = estimate(load_hardware(write()), "lenet5")
    hardware = to_dict(result)["hardware"]
    assert hardware["area_mm2"] == pytest.approx(2.8, rel=0.1)
    names = [each["component"] for each in hardware["components"]]
    assert names[:3] == ["DRAM", "codebook", "buffer"]
    assert {each["place"] for each in hardware["derived"]} == set(result.hardware.provenance)


@pytest.mark.parametrize(("design", "network"), [("eyeriss_isca2016", "alexnet"),
                                                 ("simple", "resnet18")])  # fmt: skip
def test_the_best_buffer_is_neither_the_smallest_nor_the_largest(design, network):
    def energy(kib):
        sizes = [f"levels.buffer.capacity_kib={kib}", "levels.buffer.read_pj=from_size",
                 "levels.buffer.write_pj=from_size"]  # fmt: skip
        found = estimate(load_hardware(design, sizes), network, objective="energy")
        return found.dense.energy

    small, middle, large = (energy(kib) for kib in (32, 128, 16384))
    assert middle < small
    assert middle < large


@given(st.integers(1, 2**25), st.sampled_from((8, 16, 24, 64, 512)), st.sampled_from((65, 28, 16)))
def test_any_size_follows_or_is_refused_in_a_line(size, width, node):
    data = {
        "name": "any",
        "technology_nm": node,
        "levels": [
            {"name": "DRAM", "kind": "dram", "dram_type": "HBM2"},
            {"name": "buffer", "kind": "sram", "capacity": f"{size} B", "width_bits": width},
        ],
        "compute": {"kind": "mac"},
    }
    before = yaml.safe_dump(data)
    if 8 * size >= 32 * width and 64 <= size <= 2**25:
        hardware = load_hardware(data)
        assert hardware.levels[1].read_pj > 0
        assert dataclasses.replace(hardware) == hardware
    else:
        assert all("\n" not in each for each in problems(data))
    assert yaml.safe_dump(data) == before
