"""SRAM against CACTI 7: its own points, those between, and what must not be guessed."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from cacti_points import QUANTITIES, errors, part_of, quantities
from hypothesis import given

from kcsim.errors import InputError
from kcsim.hardware.components.part import Part
from kcsim.hardware.components.standard import StandardLibrary
from kcsim.hardware.components.tables import rows_of

COLUMNS = dict(
    zip(QUANTITIES, ("read_pj", "write_pj", "leakage_mw", "area_mm2", "access_ns"), strict=True)
)
CELLS, NODES = ("LSTP", "HP", "LOP"), (65.0, 45.0, 32.0, 22.0)


def sram(node, size_bytes, width, **more):
    return Part("sram", technology_nm=node, width_bits=width, depth=size_bytes * 8 / width, **more)


def test_every_point_of_the_table_comes_back():
    rows = rows_of("sram")
    assert len(rows) == 1500
    for row in rows:
        mine = quantities(part_of(row))
        for name, column in COLUMNS.items():
            assert mine[name] == pytest.approx(float(row[column]), rel=1e-3), row


@pytest.mark.parametrize("kind", ["offgrid", "widths"])
def test_sizes_and_widths_between_are_as_near_as_the_error_bars_say(kind):
    found = errors(kind)
    for name in QUANTITIES:
        p90 = 0.17 if name == "read" else 0.1
        assert np.percentile(found[name], 90) <= p90, name
        assert found[name].max() <= 0.45, name


def test_nodes_between_are_as_near_as_the_error_bars_say():
    found = errors("nodes")
    assert len(found["read"]) == 192
    for name in QUANTITIES:
        assert np.percentile(found[name], 90) <= 0.12, name
    for node in ("28", "40", "55"):
        assert np.median(errors("nodes", node)["leakage"]) <= 0.05


def test_banks_of_their_own_with_wires_are_near_to_those_of_cacti():
    found = errors("banks")
    assert np.median(found["read"]) <= 0.15
    assert np.percentile(found["read"], 90) <= 0.35


def test_a_buffer_of_108_kib():
    mine = quantities(sram(65, 108 * 1024, 64))
    assert mine["read"] == pytest.approx(54.3, rel=0.05)
    assert mine["write"] == pytest.approx(46.0, rel=0.05)


def test_banks_of_eyeriss_take_what_the_chip_takes():
    """33 pJ for 64 bits: 2.7 % of 278 mW over 208.5 MB in 115.3 ms (ISSCC 2016, JSSC 2017)."""
    chip = 0.027 * 0.278 * 0.1153 / (208.5e6 / 8) * 1e12
    assert chip == pytest.approx(33, rel=0.01)
    mine = quantities(sram(65, 108 * 1024, 64, banks=27))
    assert mine["read"] == pytest.approx(chip, rel=0.3)
    assert quantities(sram(65, 4096, 64))["read"] < chip * 0.7
    assert quantities(sram(65, 108 * 1024, 64))["read"] > chip * 1.3


@pytest.mark.parametrize(("cell", "node"), itertools.product(CELLS, NODES))
def test_twice_the_size_takes_more_by_what_the_table_has(cell, node):
    for width in (8, 16, 64, 512):
        least = max(64, 4 * width)
        sizes = [least * 2**i for i in range(20) if least * 2**i <= 2**25]
        found = [quantities(sram(node, size, width, cell=cell)) for size in sizes]
        for small, large in itertools.pairwise(found):
            assert 1.17 <= round(large["area"] / small["area"], 2) <= 2.75
            assert 0.72 <= round(large["read"] / small["read"], 2) <= 2.34
            assert large["leakage"] >= small["leakage"]


def test_high_performance_cells_leak_hundreds_of_times_as_much():
    for node in NODES:
        leaks = [quantities(sram(node, 2**18, 64, cell=c))["leakage"] for c in ("HP", "LSTP")]
        assert leaks[0] / leaks[1] > 500


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (sram(65, 24, 16), "12 words: CACTI has none below 32"),
        (sram(65, 32, 8), "32 bytes: CACTI has none below 64"),
        (sram(65, 2**26, 64), "64 MiB is larger than the table"),
        (sram(65, 2**15, 1024), "words of 1024 bits"),
        (sram(130, 2**15, 64), "technology_nm is 130"),
        (sram(5, 2**15, 64), "technology_nm is 5"),
        (sram(None, 2**15, 64), "depends on technology_nm"),
        (sram(65, 2**15, 64, temperature_k=401), "401 K"),
        (sram(65, 2**15, 64, voltage_v=0.3), "0.3 V is too far"),
    ],
)
def test_what_no_table_reaches_is_refused_with_its_reason(part, reason):
    with pytest.raises(InputError) as caught:
        StandardLibrary().estimate(part)
    assert reason in str(caught.value)
    assert caught.value.problems[0].expected


@pytest.mark.parametrize("node", [21, 16, 12, 7])
def test_below_22_nm_energy_goes_to_the_table_of_7_nm_and_leakage_is_not_known(node):
    found = StandardLibrary().estimate(sram(node, 2**15, 64))
    ends = quantities(sram(22, 2**15, 64))["read"], 8.5
    assert min(ends) <= found.energies["read"].value <= max(ends)
    assert (found.energies["read"].low, found.energies["read"].high) == (0.5, 2.0)
    assert found.leakage is None
    assert "No leakage" in found.notes[0]


def test_at_7_nm_the_published_points_come_back():
    for size, energy in ((2**13, 7.5), (2**15, 8.5), (2**20, 14.0)):
        assert quantities(sram(7, size, 64))["read"] == pytest.approx(energy)


def test_macros_of_a_compiler_at_12_nm_lie_about_the_area():
    """183290 um2 for 256 KB of 32 bits (RecPipe's synthesis)."""
    assert quantities(sram(12, 2**18, 32))["area"] == pytest.approx(0.183290, rel=0.3)


@pytest.mark.parametrize("ports", ["1R1W", "2R1W", "2RW"])
def test_more_ports_cost_more(ports):
    one, more = quantities(sram(45, 2**15, 64)), quantities(sram(45, 2**15, 64, ports=ports))
    assert all(more[name] > one[name] for name in QUANTITIES)
    assert more["area"] > 2 * one["area"]


def test_leakage_grows_with_temperature_and_energy_does_not():
    found = [quantities(sram(65, 2**15, 64, temperature_k=t)) for t in (300, 315, 330, 360, 400)]
    leaks = [each["leakage"] for each in found]
    assert leaks == sorted(leaks)
    assert leaks[3] / leaks[0] == pytest.approx(2.72, rel=0.01)
    assert len({each["read"] for each in found}) == 1


def test_energy_goes_with_the_square_of_the_supply():
    usual, low = quantities(sram(65, 2**15, 64)), quantities(sram(65, 2**15, 64, voltage_v=0.9))
    assert low["read"] / usual["read"] == pytest.approx((0.9 / 1.2) ** 2)
    assert "leakage" not in low


@given(
    st.floats(7, 90), st.integers(64, 2**24), st.integers(8, 512), st.sampled_from(CELLS)
)  # fmt: skip
def test_any_size_in_reach_has_a_figure_within_its_own_error_bar(node, size, width, cell):
    part = sram(node, max(size, 4 * width), width, cell=cell)
    found = StandardLibrary().estimate(part)
    for figure in (*found.energies.values(), found.area):
        assert 0 < figure.value < float("inf")
        assert figure.low <= 1 <= figure.high
        assert dict(figure.inputs)["cell"] == cell
        assert figure.sources[0] == "cacti7"
