"""Stores that the codebook has at other levels: read, sized, priced, written, set and refused."""

from __future__ import annotations

import re
from dataclasses import replace

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given

import kcsim
from kcsim import load_hardware
from kcsim.cost.sized_store import with_sized_store
from kcsim.cost.weight_format import decode_at
from kcsim.errors import InputError
from kcsim.hardware.accelergy import accelergy_text, read_accelergy
from kcsim.hardware.areas import hardware_components, moved_stores
from kcsim.hardware.codebook_store import MovedStore
from kcsim.hardware.explained import explain_number, typed_energies
from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.reader import hardware_schema
from kcsim.hardware.variants import hardware_data, variant
from kcsim.hardware.written import resolved_text
from kcsim.report.hardware_data import hardware_tables

CHIP = """\
name: chip
technology: 65 nm
levels:
  - {name: DRAM, read_pj: 200, write_pj: 200}
  - {name: buffer, read_pj: 6, write_pj: 6, capacity: 64 KiB, fanout: {x: 4, y: 2}}
  - {name: register file, read_pj: 1, write_pj: 1, capacity: 64 B}
compute: {mac_pj: 1}
codebook:
  level: register file
  kind: register_file
  capacity: 0.5 KiB
  read: 1 pJ
  write_pj: 2
  read_words_per_cycle: 1
  at:
    buffer: {capacity: 4 KiB, banks: 8, ports: 1R1W, read_words_per_cycle: auto}
    DRAM: {read_pj: 5, write_pj: 7}
"""
MAIN = {"kind": "register_file", "capacity": "0.5 KiB", "read_pj": 1, "write_pj": 2,
        "read_words_per_cycle": 1}  # fmt: skip


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


def chip(at, level="register file", **main):
    """The chip with stores at levels, and keys of the main one; ``None`` leaves one out."""
    data = yaml.safe_load(CHIP)
    store = {key: value for key, value in {**MAIN, **main}.items() if value is not None}
    data["codebook"] = {"level": level, **store} | ({"at": at} if at else {})
    return load_hardware(data)


def problems(*arguments):
    with pytest.raises(InputError) as caught:
        load_hardware(*arguments)
    return [str(problem) for problem in caught.value.problems]


# --- what a moved store is, and what it costs


def test_a_store_takes_from_the_main_one_what_it_does_not_say(write):
    main = load_hardware(write()).codebook
    moved = main.moved_to("DRAM")
    assert moved == replace(main, level="DRAM", at={}, read_pj=5, write_pj=7)
    assert main.moved_to("register file") is main
    plain = replace(main, at={})
    assert plain.moved_to("buffer") == replace(plain, level="buffer")


PARTS = [
    {"capacity": "4 KiB"}, {"banks": 8, "ports": "1R1W"}, {"kind": "sram", "capacity": "8 KiB"},
    {"width": "64 bits", "used_words_per_access": 4, "capacity_kib": 2}, {"technology": "32 nm"},
    {"word_bits": 8}, {"capacity": "1 KiB", "read_pj": 3}, {"read_pj": "from_size"},
    {"capacity": "1 KiB", "area": "2 mm2"}, {"read_words_per_cycle": 7}, {},
]  # fmt: skip


@pytest.mark.parametrize("main", [{}, {"read_pj": None, "write_pj": None}, {"area_mm2": 0.5}])
@pytest.mark.parametrize("given", PARTS)
def test_the_hardware_with_a_moved_decoder_is_that_of_a_file_with_this_store(given, main):
    moved = decode_at(chip({"buffer": given}, **main), "buffer")
    # Typed energies and areas of the main store are for its own size.
    sized = set(given) & {"capacity", "capacity_kib", "banks", "kind", "technology", "word_bits"}
    own = {**main, "read_pj": None, "write_pj": None, "area_mm2": None} if sized else main
    if "capacity_kib" in given:
        own = {**own, "capacity": None}
    assert moved == chip({}, "buffer", **{**own, **given})


@given(
    st.dictionaries(
        st.sampled_from(("read_pj", "write_pj", "read_words_per_cycle", "capacity_kib", "banks")),
        st.sampled_from((1, 2, 4)),
    )
)
def test_the_keys_of_the_main_store_change_nothing(keys):
    main = {"capacity": None, "capacity_kib": 0.5, **keys}
    plain, other = chip({}, **main), chip({"buffer": keys, "DRAM": {}}, **main)
    for level in plain.level_names[:2]:
        assert decode_at(plain, level) == decode_at(other, level)


def test_energies_follow_from_the_size_of_each_store(write):
    hardware = load_hardware(write())
    store, buffer = hardware.codebook, hardware.codebook.moved_to("buffer")
    assert (store.read_pj, store.write_pj) == (1, 2)
    places = [f"codebook.at.buffer.{key}" for key in ("read_pj", "write_pj")]
    assert list(hardware.provenance) == places
    assert [hardware.provenance[each].value for each in places] == [buffer.read_pj, buffer.write_pj]
    assert buffer.words_per_cycle == pytest.approx(3.08, abs=0.01)
    areas = {each.name: each for each in moved_stores(hardware)}
    assert areas["codebook at buffer"].instances == areas["codebook at DRAM"].instances == 1
    moved = {c.name: c for c in hardware_components(decode_at(hardware, "buffer"))}
    assert moved["codebook"].area == areas["codebook at buffer"].area
    own = {c.name: c for c in hardware_components(hardware)}
    assert own["codebook"].instances == 8
    assert own["codebook"].area_mm2 == areas["codebook at DRAM"].area_mm2


@pytest.mark.parametrize("unit", ["pJ", "MAC"])
def test_energies_are_in_the_unit_of_the_hardware(write, unit):
    text = f"energy_unit: {unit}\n" + CHIP
    two = CHIP.replace("0.5 KiB\n  read: 1 pJ\n  write_pj: 2", "4 KiB\n  banks: 8\n  ports: 1R1W")
    two = f"energy_unit: {unit}\n" + two[: two.index("  at:")]
    moved = load_hardware(write(text=text)).codebook.moved_to("buffer")
    same = load_hardware(write(text=two)).codebook
    assert (moved.read_pj, moved.write_pj) == (same.read_pj, same.write_pj)


def test_without_a_kind_energies_stay_and_the_notes_say_so(write):
    name = write(("  kind: register_file\n", ""))
    hardware = load_hardware(name)
    assert hardware.codebook.moved_to("buffer").read_pj == 1
    said = "codebook.at.buffer is another store at the energies of codebook, as it has no kind."
    assert said in hardware_notes(hardware)
    assert said not in hardware_notes(load_hardware(name, ["codebook.at.buffer.kind=sram"]))


# --- as large as the codebook


def sized(hardware, spec="scalar:k=100"):
    layers = tuple(kcsim.load_network("lenet5"))
    return with_sized_store(layers, hardware, kcsim.parse_clustering(spec))


AUTO = {"capacity": "auto", "read_pj": None, "write_pj": None}


@pytest.mark.parametrize("given", [{}, {"word_bits": 32}, {"banks": 2}, {"capacity": "auto"}])
def test_every_store_is_as_large_as_the_codebook(given):
    moved = decode_at(sized(chip({"buffer": given}, **AUTO)), "buffer")
    assert moved == sized(chip({}, "buffer", **{**AUTO, **given}))
    assert moved.codebook.capacity_kib == 0.25


def test_one_store_may_have_a_size_where_another_follows():
    fixed = sized(chip({"buffer": {"capacity": "0.5 KiB"}}, **AUTO)).codebook
    assert fixed.moved_to("buffer").capacity_kib == 0.5
    assert fixed.moved_to("DRAM").capacity_kib == fixed.capacity_kib == 0.25
    other = sized(chip({"buffer": {"capacity": "auto"}})).codebook
    assert (other.capacity_kib, other.read_pj) == (0.5, 1)
    assert other.moved_to("buffer").capacity_kib == 0.25
    assert other.moved_to("buffer") == replace(fixed, level="buffer", at={})


def test_the_notes_say_what_each_was_sized_for():
    hardware = chip({"buffer": {"capacity": "auto", "word_bits": 24}}, **AUTO)
    assert sum("stand-in" in note for note in hardware_notes(hardware)) == 2
    notes = [note for note in hardware_notes(sized(hardware)) if "is auto" in note]
    assert [note.split(",")[0] for note in notes] == [
        "codebook.capacity is auto: 0.25 KiB each",
        "codebook.at.buffer.capacity is auto: 0.375 KiB each",
    ]
    moved = hardware_notes(decode_at(sized(hardware), "buffer"))
    assert any(note.startswith("codebook.capacity is auto: 0.375") for note in moved)


# --- changed values


FREE = {"read_pj": None, "write_pj": None}
BANKS = {"banks": 8, "ports": "1R1W", "read_words_per_cycle": "auto", **FREE}


@pytest.mark.parametrize(
    ("overrides", "level", "store"),
    [
        (["at.buffer.capacity=8 KiB"], "buffer", {**BANKS, "capacity": "8 KiB"}),
        (["at.buffer.banks=2"], "buffer", {**BANKS, "capacity": "4 KiB", "banks": 2}),
        (["at.buffer.capacity=auto"], "buffer", {**BANKS, "capacity": "auto"}),
        (["at.buffer.capacity=8 KiB", "at.buffer.read_pj=3"], "buffer",
         {**BANKS, "capacity": "8 KiB", "read_pj": 3}),
        (["at.buffer={capacity: 8 KiB, read_pj: 3}"], "buffer",
         {**FREE, "capacity": "8 KiB", "read_pj": 3}),
        (["at.DRAM.capacity=8 KiB"], "DRAM", {**FREE, "capacity": "8 KiB"}),
        (["at={DRAM: {capacity: 8 KiB, write: 3 pJ}}"], "DRAM",
         {**FREE, "capacity": "8 KiB", "write_pj": 3}),
        (["at.DRAM.write_pj=3"], "DRAM", {"read_pj": 5, "write_pj": 3}),
        (["capacity=8 KiB"], "DRAM", {**FREE, "capacity": "8 KiB"}),
        (["capacity=8 KiB", "read_pj=3"], "DRAM", {**FREE, "capacity": "8 KiB"}),
        (["capacity=8 KiB", "read_pj=3", "at.DRAM={}"], "DRAM",
         {**FREE, "capacity": "8 KiB", "read_pj": 3}),
        (["technology_nm=32"], "DRAM", {**FREE, "technology_nm": 32}),
    ],
)  # fmt: skip
def test_set_changes_a_store_as_it_changes_the_main_one(write, overrides, level, store):
    overrides = [f"codebook.{each}" for each in overrides]
    hardware = load_hardware(write(), overrides)
    assert hardware.codebook.moved_to(level) == chip({}, level, **store).codebook
    pairs = [(key, yaml.safe_load(text)) for key, text in (o.split("=", 1) for o in overrides)]
    assert variant(hardware_data("chip.yaml"), pairs) == hardware


def test_what_the_chip_changes_makes_energies_of_moved_stores_follow(write):
    moved = load_hardware(write(), ["technology_nm=32"]).codebook.moved_to("DRAM")
    same = chip({}, "DRAM", **FREE, technology_nm=32).codebook
    assert (moved.read_pj, moved.write_pj) == (same.read_pj, same.write_pj)


def test_typed_energies_of_a_moved_store_are_for_the_size_they_were_typed_at(write):
    both = load_hardware(write(), ["codebook.capacity=8 KiB"]).codebook
    moved = both.moved_to("DRAM")
    assert (moved.read_pj, moved.write_pj) == (both.read_pj, both.write_pj)
    assert moved.read_pj not in (1, 5)
    typed = ["codebook.capacity=8 KiB", "codebook.at.DRAM.read_pj=6"]
    assert load_hardware("chip.yaml", typed).codebook.moved_to("DRAM").read_pj == 6


def test_a_typed_area_is_for_the_size_that_it_was_typed_at(write):
    name = write(("  write_pj: 2\n", "  write_pj: 2\n  area: 1 mm2\n"))
    store = load_hardware(name).codebook
    assert (store.area_mm2, store.moved_to("DRAM").area_mm2) == (1, 1)
    assert store.moved_to("buffer").area_mm2 is None
    assert load_hardware(name, ["codebook.capacity=1 KiB"]).codebook.area_mm2 is None


def test_stores_may_be_set_where_a_file_has_none():
    hardware = load_hardware("simple", ["codebook.at.register file.capacity=1 KiB"])
    assert hardware.codebook.at["register file"].capacity_kib == 1
    assert hardware.codebook.moved_to("register file").read_pj < hardware.codebook.read_pj
    own = load_hardware("simple", ["codebook.capacity=1 KiB"]).codebook
    assert hardware.codebook.moved_to("register file").read_pj == own.read_pj


# --- written and shown


@pytest.mark.parametrize("given", PARTS)
def test_the_resolved_file_gives_the_same_hardware(given):
    hardware = chip({"buffer": given, "DRAM": {"capacity": "auto"}})
    assert load_hardware(yaml.safe_load(resolved_text(hardware))) == hardware


def test_numbers_are_explained_with_their_origin(write):
    first, rule, *_ = explain_number(write(), "codebook.at.buffer.read_pj")
    assert first.startswith("codebook.at.buffer.read_pj = ")
    assert rule.startswith("rule: CACTI 7")
    first, line = explain_number("chip.yaml", "codebook.at.buffer.capacity_kib")
    assert (first, "chip.yaml:16:24: buffer: {capacity: 4 KiB" in line) == (
        "codebook.at.buffer.capacity_kib = 4", True,
    )  # fmt: skip
    typed = [each.split(":")[0] for each in typed_energies("chip.yaml")]
    assert {"codebook.at.DRAM.read_pj", "codebook.at.DRAM.write_pj"} < set(typed)
    assert "codebook.at.buffer.read_pj" not in typed
    (area, *_) = explain_number("chip.yaml", "area.codebook at buffer")
    assert area.endswith(" for 1")


def test_tables_show_each_store(write):
    area, numbers = hardware_tables(load_hardware(write()))
    assert [row[0] for row in area.rows].count("codebook") == 1
    assert any(re.match(r"codebook at buffer: 0\.\d+ mm2, in place of", n) for n in area.notes)
    assert [row[0] for row in numbers.rows] == [
        "codebook.at.buffer.read_pj", "codebook.at.buffer.write_pj",
    ]  # fmt: skip


def test_tables_of_accelergy_have_each_store(write, tmp_path):
    own = ("  read: 1 pJ\n  write_pj: 2\n", "")
    hardware = load_hardware(write(own))
    (tmp_path / "tables.yaml").write_text(accelergy_text(hardware), encoding="utf-8")
    again = load_hardware("chip.yaml", (), read_accelergy("tables.yaml"))
    areas = {each.name: each.area_mm2 for each in moved_stores(hardware)}
    for level in ("buffer", "DRAM", "register file"):
        old, new = (each.codebook.moved_to(level) for each in (hardware, again))
        assert (new.read_pj, new.write_pj) == pytest.approx((old.read_pj, old.write_pj))
        if level != "register file":
            assert new.area_mm2 == pytest.approx(areas[f"codebook at {level}"])
    assert load_hardware(yaml.safe_load(resolved_text(again))) == again


def test_the_schema_has_all_keys_and_demands_none():
    schema = hardware_schema()["$defs"]
    assert schema["MovedStore"]["required"] == []
    keys = set(schema["MovedStore"]["properties"])
    assert keys == set(schema["CodebookStore"]["properties"]) - {"level", "at"}
    assert {"capacity", "read", "area"} < keys
    assert {"const": "from_size"} in schema["MovedStore"]["properties"]["read_pj"]["anyOf"]
    assert keys > set(MovedStore.__dataclass_fields__)


# --- what is wrong


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("    DRAM: {", "    DRM: {", "17:10: there is no level 'DRM'; expected one of DRAM, "
         "buffer; did you mean 'DRAM'?"),
        ("    DRAM: {", "    register file: {", "17:20: the decoder is at 'register file' already: "
         "its store is that of 'codebook' itself; expected another level: DRAM, buffer"),
        ("banks: 8", "bank: 8", "16:31: unknown key 'bank'; expected one of kind, "),
        ("banks: 8", "bank: 8", "did you mean 'banks'?"),
        ("banks: 8", "level: DRAM", "16:31: unknown key 'level'"),
        ("banks: 8", "at: {}", "16:31: unknown key 'at'"),
        (": 4 KiB", ": 4 KB", "16:24: 'capacity: 4 KB' is ambiguous; expected KiB"),
        (": 4 KiB", ": -4 KiB", "16:24: 'capacity_kib' is -4; expected a number > 0"),
        (": 4 KiB", ": 1 GiB", "an SRAM"),
        ("{capacity: 4 KiB", "{capacity: 4 KiB, capacity_kib: 4", "16:24: both 'capacity' and"),
        ("{read_pj: 5, write_pj: 7}", "3", "17:11: 'DRAM' must be a mapping, not the number 3"),
        ("  at:\n", "  at: 3\n  att:\n", "15:7: 'at' must be a mapping, not the number 3"),
        ("  at:\n", "  att:\n", "15:3: unknown key 'att'"),
        ("read_pj: 5", "read_pj: big", "17:21: 'read_pj' must be a number, not the text 'big'"),
        ("    DRAM: {", "    D.RAM: {", "17:5: 'D.RAM' has the wrong form"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(write, before, after, message):
    found = problems(write((before, after)))
    assert any(message in each for each in found), found
    assert all(each.startswith("chip.yaml:") and "\n" not in each for each in found)


def test_energies_that_can_follow_from_nothing(write):
    name = write(("  kind: register_file\n", ""), ("read_pj: 5", "read_pj: from_size"))
    (found,) = problems(name)
    assert found.startswith("chip.yaml:16:21: 'read_pj' is to follow from the size of a part")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("codebook.at.bufer.capacity=1 KiB", "'codebook.at.bufer': there is no level 'bufer'; "
         "expected one of DRAM, buffer; did you mean 'buffer'?"),
        ("codebook.at.buffer.capacty=1", "unknown key 'codebook.at.buffer.capacty'"),
        ("codebook.level=buffer", "the decoder is at 'buffer' already"),
        ("codebook.at.buffer.x.y=1", "there is no 'x' to set a value in"),
        ("levels.buffer.at.DRAM.banks=1", "there is no 'at' to set a value in"),
        ("codebook.at=3", "'codebook.at' must be a mapping"),
    ],
)  # fmt: skip
def test_what_cannot_be_set(write, override, message):
    (found,) = problems(write(), [override])
    assert found.startswith("--set:1:1: ")
    assert message in found
