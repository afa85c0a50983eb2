"""Sums of parts against chips that were laid out, with what their papers say is in them."""

from __future__ import annotations

import dataclasses

import pytest

from kcsim import load_hardware
from kcsim.hardware.areas import chip_area, hardware_components
from kcsim.hardware.components.part import Part
from kcsim.hardware.components.standard import StandardLibrary

ESTIMATE = StandardLibrary().estimate


def nvdla(node, layout_factor=1.0):
    """nv_large: 2048 MACs of 8 bits, 512 KB of RAM, two weights of each MAC in registers."""
    hardware = load_hardware("nvdla_like", [f"technology_nm={node}"])
    hardware = dataclasses.replace(hardware, layout_factor=layout_factor, codebook=None)
    return chip_area(hardware, hardware_components(hardware)).value


def test_nvdla_at_two_nodes_needs_one_layout_factor():
    """5.5 and 3.3 mm2 (NVDLA primer, 28 and 16 nm): the sums are five times smaller at both."""
    published = {28: 5.5, 16: 3.3}
    factors = {node: area / nvdla(node) for node, area in published.items()}
    assert all(4.5 < factor < 5.5 for factor in factors.values())
    one = (factors[28] * factors[16]) ** 0.5
    for node, area in published.items():
        assert nvdla(node, one) == pytest.approx(area, rel=0.3)
        assert nvdla(node, one) == pytest.approx(one * nvdla(node))


def test_the_core_of_eyeriss_is_three_to_five_times_its_parts():
    """12.25 mm2 (ISSCC 2016)."""
    hardware = load_hardware("eyeriss")
    area = chip_area(hardware, hardware_components(hardware))
    assert 3 < 12.25 / area.value < 5


def eie_part(kind, **more):
    return ESTIMATE(Part(kind, 45, **more))


def test_a_pe_of_eie_by_module():
    """Table II of ISCA 2016: 638,024 um2 and 9.157 mW at 800 MHz, 45 nm.

    The paper takes its SRAM from CACTI, so that this is no independent check of areas of SRAM.
    Sizes: 128 KB of 64-bit words, one of 8 entries; two banks of 16 KB of pointers, read once for
    a column of about 6 entries; 2 KB of activations and 64 registers of 16 bits; a queue of 8
    entries; 16 values of a codebook.
    """
    entries, pointers = eie_part("sram", width_bits=64, depth=16384), eie_part("sram", depth=8192)
    activations = eie_part("sram", width_bits=64, depth=256)
    registers = eie_part("registers", depth=64)
    queue = eie_part("registers", width_bits=28, depth=8)
    mac, codebook = eie_part("mac", accumulator_bits=16), eie_part("registers", depth=16)
    choice = eie_part("multiplexer", depth=16)

    areas = {
        "SpmatRead": entries.area.value, "PtrRead": 2 * pointers.area.value,
        "ActRW": activations.area.value + registers.area.value, "Act queue": queue.area.value,
        "ArithmUnit": mac.area.value + codebook.area.value + choice.area.value,
    }  # fmt: skip
    published = {
        "SpmatRead": 469412, "PtrRead": 121849, "ActRW": 18934, "Act queue": 758,
        "ArithmUnit": 3110,
    }  # fmt: skip
    assert sum(areas.values()) * 1e6 == pytest.approx(638024, rel=0.3)
    near = {name for name in areas if areas[name] * 1e6 == pytest.approx(published[name], rel=0.3)}
    # Registers of flip-flops are larger than the paper's queue and values of the codebook.
    assert near == {"SpmatRead", "PtrRead", "ActRW"}
    assert areas["ArithmUnit"] * 1e6 == pytest.approx(3110, rel=0.5)

    power = {
        "SpmatRead": entries.energies["read"].value / 8,
        "PtrRead": 2 * pointers.energies["read"].value / 6,
        "ActRW": 2 * registers.energies["read"].value + registers.energies["clock"].value,
        "Act queue": queue.energies["write"].value / 6 + queue.energies["clock"].value,
        "ArithmUnit": mac.energies["mac"].value
        + choice.energies["select"].value
        + codebook.energies["clock"].value,
    }
    total = 0.8 * sum(power.values())
    assert total == pytest.approx(9.157, rel=0.3)
    assert 0.8 * power["ArithmUnit"] == pytest.approx(1.162, rel=0.3)
