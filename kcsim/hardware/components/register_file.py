"""Register files, which are smaller than the smallest RAM of CACTI."""

from __future__ import annotations

from dataclasses import replace

from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.flip_flops import (
    access_pj_per_bit,
    clock_figure,
    flip_flop_area_mm2,
    leakage_figure,
)
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.ram_grid import LEAST_BYTES, LEAST_WORDS, WIDTHS
from kcsim.hardware.components.sram import estimate_sram

DEPTH_POWER = 0.78
"""Of the energy of an access (Accelergy); tables of others have 0.12 to 1."""


def estimate_register_file(part: Part) -> Estimate:
    """A register file: a RAM where CACTI has one, and below that by a rule.

    Below 32 words or 64 bytes an access costs what it costs in the smallest RAM of its width,
    times (depth / depth of that RAM)^0.78, but no less than a register. Such files are made of
    flip-flops: their area is that of their bits or, if larger, of that RAM's bits, and their clock
    runs in every cycle.

    Words narrower or wider than those of the RAMs pay for their share of the nearest width.

    Parameters
    ----------
    part : Part
    """
    width = min(max(part.width_bits, WIDTHS[0]), WIDTHS[-1])
    least = max(LEAST_WORDS, -(-8 * LEAST_BYTES // width))
    if part.depth >= least and width == part.width_bits:
        return estimate_sram(part)
    depth = max(part.depth, least)
    base = estimate_sram(replace(part, depth=depth, width_bits=width, banks=1))
    wide, deep = part.width_bits / width, min(1.0, part.depth / depth)
    text = (
        f"a RAM of {depth:g} words of {width} bits times ({part.depth:g} / {depth:g})^{DEPTH_POWER}"
    )
    text += f" and times {wide:.3g} for its width" if wide != 1 else ""
    energies = {}
    for name in ("read", "write"):
        figure = base.energies[name].times(wide * deep**DEPTH_POWER, text)
        floor = access_pj_per_bit(part) * part.width_bits
        if figure.value < floor:
            figure = replace(figure, value=floor, rule=f"{figure.rule}; at least a register")
        energies[name] = replace(figure, low=0.5, high=2.0).citing("wu2019", "shao2014")
    if part.depth >= least:
        leakage = base.leakage.times(wide, "") if base.leakage else None
        area = base.area.times(wide, "") if base.area else None
        return Estimate(energies, leakage, area, base.access_ns, base.notes)
    bits = part.depth * part.width_bits
    energies["clock"] = clock_figure(part, bits)
    shared = base.area.value * wide * deep if base.area else 0.0
    area = Figure(
        max(flip_flop_area_mm2(part, bits), shared), "mm2",
        "flip-flops of 5.98 um2 a bit at 40 nm, or the share of the smallest RAM if larger",
        energies["read"].inputs, ("shao2014", "stillmaker2017", "cacti7"), 0.5, 2.0,
    )  # fmt: skip
    return Estimate(energies, leakage_figure(part, bits), area, base.access_ns, base.notes[:0])
