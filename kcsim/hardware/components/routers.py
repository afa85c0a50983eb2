"""Routers of a network on a chip."""

from __future__ import annotations

from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.logic_scaling import RULE, area_factor, energy_factor
from kcsim.hardware.components.part import Estimate, Part

BASE_NM = 32.0
PJ_PER_BIT, UM2_PER_BIT = 0.081, 75000 / 256
"""ISAAC's router of 256 bits, 32 nm: 20.74 pJ, 37500 to 150000 um2 (the middle of them)."""


def estimate_router(part: Part) -> Estimate:
    """A word of `width_bits` through one router: the only sourced figure is ISAAC's."""
    inputs = (("nm", part.node), ("bits", part.width_bits))
    energy = part.width_bits * PJ_PER_BIT * energy_factor(part.node, part.voltage_v, base=BASE_NM)
    area = part.width_bits * UM2_PER_BIT * area_factor(part.node, BASE_NM) / 1e6
    sources = ("shafiee2016", "stillmaker2017")
    return Estimate(
        {
            "transfer": Figure(
                energy, "pJ", f"{PJ_PER_BIT:g} pJ a bit at 32 nm, from 42 mW; {RULE}", inputs,
                sources, 0.33, 3.0,
            )
        },
        area=Figure(
            area, "mm2", f"{UM2_PER_BIT:.3g} um2 a bit at 32 nm, of 146 to 586", inputs, sources,
            0.5, 2.0,
        ),
    )  # fmt: skip
