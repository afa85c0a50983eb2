"""Registers of flip-flops: energy, clock, leakage and area of a bit, at any node."""

from __future__ import annotations

from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.logic_scaling import RULE, area_factor, energy_bar, energy_factor
from kcsim.hardware.components.part import Estimate, Part

BASE_NM = 40.0
PJ_PER_BIT, UM2_PER_BIT, LEAKAGE_MW_PER_BIT = 0.009, 5.98, 74e-6
CLOCK_PJ_PER_BIT, CLOCK_NM = 0.00187, 45.0
"""A bit and cycle: the clock network of EIE's PE over the bits of its registers."""


def access_pj_per_bit(part: Part) -> float:
    """Energy of a bit that toggles at a clock, at the node of a part."""
    return PJ_PER_BIT * energy_factor(part.node, part.voltage_v, base=BASE_NM)


def flip_flop_area_mm2(part: Part, bits: float) -> float:
    """Area of so many bits."""
    return bits * UM2_PER_BIT * area_factor(part.node, BASE_NM) / 1e6


def estimate_registers(part: Part) -> Estimate:
    """Registers of `width_bits`, `depth` of them; one is read or written by an access."""
    bits, (low, high) = part.depth * part.width_bits, energy_bar(part.node, BASE_NM)
    inputs = (("nm", part.node), ("registers", part.depth), ("bits", part.width_bits))
    access = Figure(
        access_pj_per_bit(part) * part.width_bits, "pJ",
        f"{PJ_PER_BIT:g} pJ a bit at 40 nm; {RULE}", inputs, ("shao2014", "stillmaker2017"),
        low, high,
    )  # fmt: skip
    return Estimate(
        {"read": access, "write": access, "clock": clock_figure(part, bits)},
        leakage_figure(part, bits),
        Figure(
            flip_flop_area_mm2(part, bits), "mm2",
            f"{UM2_PER_BIT:g} um2 a bit at 40 nm; area after Stillmaker and Baas", inputs,
            ("shao2014", "stillmaker2017"), 1 / 1.5, 1.5,
        ),
    )  # fmt: skip


def clock_figure(part: Part, bits: float) -> Figure:
    """What the clock of so many bits takes in a cycle, whatever happens in it."""
    factor = energy_factor(part.node, part.voltage_v, base=CLOCK_NM)
    return Figure(
        bits * CLOCK_PJ_PER_BIT * factor, "pJ",
        f"{CLOCK_PJ_PER_BIT:g} pJ a bit and cycle at 45 nm: EIE's clock network over its "
        f"registers; {RULE}",
        (("nm", part.node), ("bits", bits)), ("han2016", "shao2014", "stillmaker2017"), 0.4, 2.5,
    )  # fmt: skip


def leakage_figure(part: Part, bits: float) -> Figure:
    """Leakage of so many bits, which grows with their area."""
    value = bits * LEAKAGE_MW_PER_BIT * area_factor(part.node, BASE_NM)
    return Figure(
        value, "mW", f"{LEAKAGE_MW_PER_BIT * 1e6:g} nW a bit at 40 nm, with the area of a bit",
        (("nm", part.node), ("bits", bits)), ("shao2014", "stillmaker2017"), 0.2, 5.0,
    )  # fmt: skip
