"""Multiplexers and comparators, of which decoders are made."""

from __future__ import annotations

import math

from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.logic_scaling import RULE, area_factor, energy_bar, energy_factor
from kcsim.hardware.components.part import Estimate, Part

BASE_NM = 40.0
GATE_PJ, GATE_UM2, GATE_LEAKAGE_MW = 0.0181 / 32, 50.4 / 32, 0.000611 / 32
"""Of a two-input gate a bit: the bitwise unit of 32 bits."""
GATES_OF_A_CHOICE = 3
"""Gates of a choice between two bits: two ANDs and an OR."""
COMPARE_PJ, COMPARE_UM2, COMPARE_LEAKAGE_MW = 0.02947 / 32, 71 / 32, 0.0000251 / 32


def estimate_multiplexer(part: Part) -> Estimate:
    """One of `depth` words of `width_bits` is chosen, by a tree of choices between two.

    The choices on the way of the word count; the error bar reaches to all of them toggling.
    """
    ways = max(part.depth, 1.0)
    on_way, in_all = max(1.0, math.log2(ways)), max(ways - 1, 1.0)
    gates = GATES_OF_A_CHOICE * part.width_bits
    inputs = (("nm", part.node), ("inputs", ways), ("bits", part.width_bits))
    low, high = energy_bar(part.node, BASE_NM)
    factor = energy_factor(part.node, part.voltage_v, base=BASE_NM)
    size = area_factor(part.node, BASE_NM)
    sources = ("shao2014", "stillmaker2017")
    return Estimate(
        {
            "select": Figure(
                gates * on_way * GATE_PJ * factor, "pJ",
                f"log2(inputs) choices of {GATES_OF_A_CHOICE} gates a bit, {GATE_PJ:.3g} pJ each "
                f"at 40 nm; {RULE}", inputs, sources, low, high * in_all / on_way,
            )
        },
        Figure(
            gates * in_all * GATE_LEAKAGE_MW * size, "mW",
            f"(inputs - 1) choices of {GATES_OF_A_CHOICE} gates a bit, with their area", inputs,
            sources, 0.2, 5.0,
        ),
        Figure(
            gates * in_all * GATE_UM2 * size / 1e6, "mm2",
            f"(inputs - 1) choices of {GATES_OF_A_CHOICE} gates a bit, {GATE_UM2:.3g} um2 each at "
            "40 nm; area after Stillmaker and Baas", inputs, sources, 0.5, 2.0,
        ),
    )  # fmt: skip


def estimate_comparator(part: Part) -> Estimate:
    """Two words of `width_bits` are compared."""
    inputs = (("nm", part.node), ("bits", part.width_bits))
    low, high = energy_bar(part.node, BASE_NM)
    size, bits = area_factor(part.node, BASE_NM), part.width_bits
    energy = bits * COMPARE_PJ * energy_factor(part.node, part.voltage_v, base=BASE_NM)
    sources = ("wu2019", "stillmaker2017")
    text = "comparator of 32 bits at 40 nm, a bit"
    return Estimate(
        {"compare": Figure(energy, "pJ", f"{text}; {RULE}", inputs, sources, low, high)},
        Figure(bits * COMPARE_LEAKAGE_MW * size, "mW", text, inputs, sources, 0.2, 5.0),
        Figure(bits * COMPARE_UM2 * size / 1e6, "mm2", text, inputs, sources, 0.5, 2.0),
    )
