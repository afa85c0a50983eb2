"""Stores with ``capacity: auto`` are as large as the codebooks that they hold, and cost as much."""

from __future__ import annotations

import pytest

import kcsim
from kcsim.cost.sized_store import with_sized_store
from kcsim.errors import InputError
from kcsim.hardware.notes import hardware_notes

CHIP = {
    "name": "chip", "technology_nm": 45, "precision_bits": {"weights": 8, "inputs": 8},
    "levels": [
        {"name": "DRAM", "read_pj": 200, "write_pj": 200},
        {"name": "buffer", "read_pj": 6, "write_pj": 6, "capacity": "64 KiB"},
    ],
    "compute": {"mac_pj": 1},
    "codebook": {"level": "buffer", "capacity": "auto", "kind": "register_file"},
}  # fmt: skip
NETWORK = "lenet5"


def chip(**changes):
    return kcsim.load_hardware({**CHIP, "codebook": {**CHIP["codebook"], **changes}})


def fixed(words):
    return chip(capacity=f"{words} B")


def sized(hardware, spec):
    network = kcsim.load_network(NETWORK)
    return with_sized_store(tuple(network), hardware, kcsim.parse_clustering(spec))


@pytest.mark.parametrize(("k", "words"), [(1, 1), (2, 2), (16, 16), (17, 32), (256, 256)])
def test_a_store_has_the_next_power_of_two_of_words(k, words):
    store = sized(chip(), f"scalar:k={k}").codebook
    assert store.capacity_kib * 1024 == words


@pytest.mark.parametrize("k", [16, 64, 256, 1024])
def test_it_costs_what_a_store_of_that_size_costs(k):
    hardware, same = sized(chip(), f"scalar:k={k},dense=none"), fixed(k)
    assert hardware.codebook.read_pj == same.codebook.read_pj > 0
    assert hardware.codebook.write_pj == same.codebook.write_pj > 0


def test_a_larger_codebook_never_costs_less():
    found = [sized(chip(), f"scalar:k={k}").codebook.read_pj for k in range(2, 300, 7)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_typed_energies_stay():
    store = sized(chip(read_pj=3, write_pj=4), "scalar:k=64").codebook
    assert (store.read_pj, store.write_pj, store.capacity_kib) == (3, 4, 64 / 1024)


@pytest.mark.parametrize("execution", ["decode", "share_products", "auto"])
def test_no_codebook_is_spilled(execution):
    # Kernels of 5 x 5 values: more than 256 from 11 entries on.
    energy = {}
    for k in (10, 11):
        spec = f"kernel:k={k},scope=layer,dense=linear"
        for name, store in (("auto", "auto"), ("fixed", "256 B")):
            found = kcsim.estimate(
                chip(capacity=store), NETWORK, spec, execution=execution, objective="energy"
            )
            energy[name, k] = found[execution].energy
    assert energy["auto", 11] < 1.05 * energy["auto", 10]
    if execution == "decode":
        assert energy["fixed", 11] > 1.05 * energy["fixed", 10]


def test_the_notes_say_for_what_it_was_sized():
    hardware = chip()
    assert any("stand-in" in note for note in hardware_notes(hardware))
    (note,) = (n for n in hardware_notes(sized(hardware, "scalar:k=100")) if "is auto" in n)
    assert "128 words of 8 bits" in note
    assert "100 values of 8 bits" in note


def test_what_changes_to_auto_follows_from_its_size():
    hardware = kcsim.load_hardware("ucnn_like", ["codebook.capacity=auto"])
    small, large = (sized(hardware, f"scalar:k={k}").codebook for k in (16, 256))
    assert small.read_pj < large.read_pj


def test_a_size_is_auto_in_kib_too():
    data = {**CHIP, "codebook": {"level": "buffer", "capacity_kib": "auto", "kind": "registers"}}
    assert kcsim.load_hardware(data).codebook.sizing == "auto"


def test_a_part_of_unknown_kind_has_no_energy_to_follow():
    data = {**CHIP, "codebook": {"level": "buffer", "capacity": "auto"}}
    with pytest.raises(InputError, match="read_pj"):
        kcsim.load_hardware(data)


def test_dense_weights_leave_the_stand_in():
    hardware = chip()
    network = kcsim.load_network(NETWORK)
    assert with_sized_store(tuple(network), hardware, None) is hardware
    assert with_sized_store(tuple(network), fixed(256), kcsim.parse_clustering("scalar:k=4")) == (
        fixed(256)
    )
