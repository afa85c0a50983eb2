"""Wires by distance, and the distance from the area that they span."""

from __future__ import annotations

import math
from functools import cache

from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.interpolation import log_log
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.ram_nodes import check_node
from kcsim.hardware.components.tables import rows_of

TOGGLING = 0.25
"""Transitions from 0 to 1 of a bit of random data."""
WIRE = "global"
"""Global wires with repeaters that add 30 % to the least delay."""
TO_A_CHILD = 0.75
"""Mean way to a child in roots of the area: half across, fed at the middle of a side, a quarter
along it."""


@cache
def _points(cell: str, column: str) -> dict[float, float]:
    return {
        float(row["technology_nm"]): float(row[column])
        for row in rows_of("wires")
        if (row["cell"], row["wire"]) == (cell, WIRE)
    }


def estimate_wire(part: Part) -> Estimate:
    """A word of `width_bits` of random data over `length_mm`."""
    check_node(part.node)
    wide = part.node < 22
    each = log_log(_points(part.cell, "pj_per_bit_mm_per_transition"), part.node)
    time = log_log(_points(part.cell, "ns_per_mm"), part.node)
    rule = (
        f"{each:.3g} pJ a bit, mm and transition ({part.cell}, global wires), a quarter of bits "
        "changing from 0 to 1"
    )
    if wide:
        # Keckler et al. project 0.115 to 0.15 for 10 nm, Jouppi-era papers assume as much at 7 nm.
        rule += "; as at 22 nm, about which wires of 7 to 10 nm are assumed to stay"
    inputs = (("nm", part.node), ("bits", part.width_bits), ("mm", part.length_mm))
    energy = each * TOGGLING * part.width_bits * part.length_mm
    bar = (0.5, 2.0) if wide else (0.6, 2.0)
    sources = ("cacti7", "keckler2011")
    return Estimate(
        {"transfer": Figure(energy, "pJ", rule, inputs, sources, *bar)},
        access_ns=Figure(time * part.length_mm, "ns", "delay of the wire", inputs, sources),
    )


def way_to_a_child_mm(area_mm2: float) -> float:
    """Mean way of a word from the edge of an area to a place in it."""
    return TO_A_CHILD * math.sqrt(area_mm2)


def pitch_mm(area_mm2: float, children: int) -> float:
    """Distance of neighbors in an area."""
    return math.sqrt(area_mm2 / children)
