"""Register files, logic, DRAM and wires against the figures that were published of them."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kcsim.errors import InputError
from kcsim.hardware.components.dram import WITHOUT_A_FIGURE, dram_types
from kcsim.hardware.components.kit import faults
from kcsim.hardware.components.part import Part
from kcsim.hardware.components.sources import all_sources, bibtex, citation
from kcsim.hardware.components.standard import ESTIMATES, StandardLibrary
from kcsim.hardware.components.tables import rows_of

ESTIMATE = StandardLibrary().estimate


def energy(action, kind, node=None, **more):
    return ESTIMATE(Part(kind, technology_nm=node, **more)).energies[action].value


def test_horowitz_comes_back_at_45_nm():
    """ISSCC 2014; areas by Dally."""
    for width, add, multiply in ((8, 0.03, 0.2), (32, 0.1, 3.1)):
        assert energy("add", "adder", 45, width_bits=width) == pytest.approx(add)
        assert energy("multiply", "multiplier", 45, width_bits=width) == pytest.approx(multiply)
    for width, add, multiply in ((16, 0.4, 1.1), (32, 0.9, 3.7)):
        more = {"width_bits": width, "number": "float"}
        assert energy("add", "adder", 45, **more) == pytest.approx(add)
        assert energy("multiply", "multiplier", 45, **more) == pytest.approx(multiply)
    areas = [ESTIMATE(Part("adder", 45, width_bits=w)).area.value * 1e6 for w in (8, 16, 32)]
    assert areas == pytest.approx([36, 67, 137])


def test_jouppi_comes_back_at_7_nm():
    """ISCA 2021, Table 2."""
    assert energy("add", "adder", 7, width_bits=8) == pytest.approx(0.007)
    assert energy("multiply", "multiplier", 7, width_bits=8) == pytest.approx(0.07)
    assert energy("multiply", "multiplier", 7, width_bits=32) == pytest.approx(1.48)
    more = {"width_bits": 16, "number": "bfloat"}
    assert energy("multiply", "multiplier", 7, **more) == pytest.approx(0.21)


def test_a_mac_of_16_bits_at_65_nm_lies_between_those_of_two_tools():
    """CNNergy has 1.694 pJ, nn_dataflow 2, timeloop's exercises 0.315 at 45 nm."""
    assert 0.315 < energy("mac", "mac", 65, width_bits=16) < 2


def test_registers_are_those_of_aladdin_at_40_nm():
    found = ESTIMATE(Part("registers", 40, width_bits=16, depth=3))
    assert found.energies["read"].value == pytest.approx(16 * 0.009)
    assert found.area.value * 1e6 == pytest.approx(48 * 5.98)
    assert found.leakage.value == pytest.approx(48 * 74e-6)


def test_register_files_of_eyeriss():
    """12 and 24 words of 16 bits: below CACTI; its 224 words are a RAM of it (1.16 / 1.76 pJ)."""
    small, large = (energy("read", "register_file", 65, depth=d) for d in (12, 24))
    ram = energy("read", "sram", 65, depth=32)
    assert ram == pytest.approx(0.627, rel=0.01)
    assert small == pytest.approx(ram * (12 / 32) ** 0.78)
    assert small < large < ram
    assert energy("read", "register_file", 65, depth=224) == pytest.approx(1.16, rel=0.16)
    found = ESTIMATE(Part("register_file", 65, depth=12)).energies["read"]
    assert (found.low, found.high) == (0.5, 2.0)


@given(st.integers(1, 31), st.sampled_from((4, 8, 16, 32, 64, 600)), st.floats(22, 90))
def test_register_files_never_take_less_than_a_register(depth, width, node):
    part = Part("register_file", node, width_bits=width, depth=depth)
    found, register = ESTIMATE(part), ESTIMATE(replace(part, kind="registers", depth=1))
    assert found.energies["read"].value >= register.energies["read"].value * (1 - 1e-9)
    assert found.area.value >= register.area.value * depth * (1 - 1e-9)


def test_deep_register_files_of_narrow_words_are_shares_of_rams():
    narrow, ram = (ESTIMATE(Part("register_file", 65, w, 1024)) for w in (4, 8))
    assert narrow.area.value == pytest.approx(ram.area.value / 2)
    assert narrow.leakage.value == pytest.approx(ram.leakage.value / 2)
    assert "clock" not in narrow.energies


def test_a_choice_of_more_takes_more():
    found = [ESTIMATE(Part("multiplexer", 45, depth=n)) for n in (2, 4, 16, 256)]
    for name in ("area", "leakage"):
        values = [getattr(each, name).value for each in found]
        assert values == sorted(values)
    assert found[-1].energies["select"].high > found[0].energies["select"].high
    # 0.02947 pJ for 32 bits at 40 nm (Accelergy's library).
    assert energy("compare", "comparator", 40, width_bits=32) == pytest.approx(0.02947)


def test_dram_says_what_its_figure_includes():
    for name in dram_types():
        found = ESTIMATE(Part("dram", width_bits=64, dram_type=name))
        assert found.notes[0].startswith(f"{name}: ")
        assert found.energies["read"].rule.split(": ", 1)[1] in found.notes[0]
    assert energy("read", "dram", width_bits=64, dram_type="lpddr4") == 512
    core = ESTIMATE(Part("dram", width_bits=64, dram_type="DDR3 core"))
    assert core.leakage.value == pytest.approx(67.5 + 40.8 / 7.8, rel=0.01)
    assert "3.619 nJ" in core.notes[1]


@pytest.mark.parametrize("name", WITHOUT_A_FIGURE)
def test_dram_without_a_trustworthy_figure_is_refused(name):
    with pytest.raises(InputError, match="no trustworthy public energy"):
        ESTIMATE(Part("dram", dram_type=name))


def test_wires_are_near_to_those_of_keckler():
    """0.121 pJ a bit and mm at 40 nm with half of the bits toggling, 0.064 of random data."""
    each = energy("transfer", "wire", 40, width_bits=1, cell="HP", length_mm=1)
    assert each == pytest.approx(0.24 / 4, rel=0.1)
    assert energy("transfer", "wire", 40, length_mm=3) == pytest.approx(
        3 * energy("transfer", "wire", 40, length_mm=1)
    )


def test_a_router_is_that_of_isaac():
    assert energy("transfer", "router", 32, width_bits=256) == pytest.approx(20.74, rel=0.01)


@given(
    st.sampled_from([kind for kind in ESTIMATES if kind != "dram"]), st.floats(7, 90),
    st.integers(1, 64), st.integers(1, 2**16),
)  # fmt: skip
def test_the_library_passes_its_own_test_kit(kind, node, width, depth):
    part = Part(kind, node, width_bits=width, depth=depth)
    assert faults(StandardLibrary(), [part]) == ()


@pytest.mark.parametrize("kind", ["mac", "registers", "multiplexer", "router", "register_file"])
def test_smaller_nodes_take_less_energy_and_area(kind):
    found = [ESTIMATE(Part(kind, node, width_bits=8)) for node in (90, 65, 45, 32, 28, 22)]
    for name in found[0].energies:
        values = [each.energies[name].value for each in found]
        assert values == sorted(values, reverse=True), name
    areas = [each.area.value for each in found]
    assert areas == sorted(areas, reverse=True)


def test_a_supply_of_its_own_scales_logic():
    low, high = (energy("mac", "mac", 45, voltage_v=v) for v in (0.7, 1.1))
    assert low < energy("mac", "mac", 45) < high
    assert energy("mac", "mac", 45, voltage_v=0.9) == pytest.approx(energy("mac", "mac", 45))
    with pytest.raises(InputError, match=r"at least 0\.59 V"):
        energy("mac", "mac", 65, voltage_v=0.5)


def test_every_row_has_a_source_that_can_be_cited():
    for table in ("arithmetic", "dram", "wires", "scaling", "sram_7nm"):
        for row in rows_of(table):
            assert citation(row["source"]) != row["source"], row
            assert row.get("confidence") != "mem"
    assert bibtex(all_sources()).count("@") == len(all_sources())
