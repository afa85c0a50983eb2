"""SRAM of any ports, banks, temperature and supply."""

from __future__ import annotations

import math
from dataclasses import replace

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.interpolation import linear, log_log
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.ram_grid import Quantity
from kcsim.hardware.components.ram_nodes import ram_figures
from kcsim.hardware.components.ram_ratios import ports_ratio, temperature_ratio

ACCESSES: tuple[Quantity, ...] = ("read", "write")
BANK_WIRE_PJ = {65.0: 0.55, 45.0: 0.40, 32.0: 0.32, 22.0: 0.20}
"""pJ a bit and mm to a bank, fitted to CACTI's own banks (LSTP; median error 14 %, p90 34 %)."""
SUPPLY_V = {
    "LSTP": {65.0: 1.2, 45.0: 1.1, 32.0: 1.0, 22.0: 0.8},
    "HP": {65.0: 1.1, 45.0: 1.0, 32.0: 0.9, 22.0: 0.8},
    "LOP": {65.0: 0.8, 45.0: 0.7, 32.0: 0.6, 22.0: 0.6},
}


def estimate_sram(part: Part) -> Estimate:
    """What an SRAM costs, all banks together; energies are of one access of one bank.

    Parameters
    ----------
    part : Part

    Raises
    ------
    InputError
        Where CACTI's table does not reach.
    """
    bank = replace(part, depth=part.depth / part.banks)
    found = ram_figures(bank)
    notes = []
    if part.ports != "1RW":
        for name in found:
            ratio = ports_ratio(part.ports, name)
            found[name] = found[name].times(
                ratio.median, f"times {ratio.median:g} for ports {part.ports}", **ratio.bar
            )
    if "leakage" in found:
        hot = temperature_ratio(part.temperature_k, part.cell, part.node)
        if hot.over:
            text = f"times {hot.median:.3g} for {part.temperature_k:g} K over 300 K"
            found["leakage"] = found["leakage"].times(hot.median, text, **hot.bar)
    else:
        notes.append(
            f"No leakage of SRAM ({part.cell}) is known at {part.node:g} nm, nor may it be "
            "interpolated."
        )
    if part.banks > 1:
        _spread_over_banks(part, found)
    if part.voltage_v is not None:
        _at_voltage(part, found)
    energies: dict[str, Figure] = {name: found[name] for name in ACCESSES}
    return Estimate(
        energies, found.get("leakage"), found["area"], found.get("access"), tuple(notes)
    )


def _spread_over_banks(part: Part, found: dict[Quantity, Figure]) -> None:
    totals: tuple[Quantity, ...] = ("leakage", "area")
    for name in totals:
        if name in found:
            found[name] = found[name].times(part.banks, f"times {part.banks} banks")
    # Wires to the banks take time that no rule has.
    found.pop("access", None)
    span = math.sqrt(found["area"].value)
    each = bank_wire_pj(part.node)
    wire = each * part.width_bits * span
    for name in ACCESSES:
        figure = found[name]
        found[name] = replace(
            figure,
            value=figure.value + wire,
            rule=f"{figure.rule}, of one bank; plus {wire:.4g} pJ of wires to the banks: "
            f"{each:.3g} pJ a bit and mm, {part.width_bits} bits, {span:.3g} mm",
            inputs=(*figure.inputs, ("banks", part.banks)),
            low=min(figure.low, 1 / 1.34), high=max(figure.high, 1.34),
        )  # fmt: skip


def bank_wire_pj(node: float) -> float:
    """Wires to banks, pJ a bit and mm: log-log in node, as the table's ends beyond it."""
    return log_log(BANK_WIRE_PJ, node)


def supply_v(cell: str, node: float) -> float:
    """CACTI's supply for a cell, linear between nodes and as at the ends beyond them."""
    return linear(SUPPLY_V[cell], node)


def _at_voltage(part: Part, found: dict[Quantity, Figure]) -> None:
    """Energies with the square of the supply; leakage and time at another one are not known."""
    given, usual = part.voltage_v or 0.0, supply_v(part.cell, part.node)
    if not 0.7 <= given / usual <= 1.4:
        raise InputError(
            Problem(f"an SRAM ({part.cell}) of {part.node:g} nm at {given:g} V is too far from the "
                    f"{usual:.3g} V of its table", f"{0.7 * usual:.3g} to {1.4 * usual:.3g} V")
        )  # fmt: skip
    for name in ACCESSES:
        text = f"times ({given:g} V / {usual:.3g} V)^2"
        found[name] = found[name].times((given / usual) ** 2, text, low=0.85, high=1.15)
    if given != usual:
        found.pop("leakage", None)
        found.pop("access", None)
