"""Adders, multipliers and MACs by width, number type and node."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.figure import Figure, total
from kcsim.hardware.components.interpolation import log_log
from kcsim.hardware.components.logic_scaling import (
    ANCHOR_NM,
    NEWEST_NM,
    RULE,
    area_factor,
    energy_bar,
    energy_factor,
)
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.tables import number, rows_of

LEAKAGE_MW_PER_UM2 = {"add": 0.00225 / 278, "multiply": 0.0779 / 6350}
"""Of 32-bit units at 40 nm (Shao et al. 2014)."""
_WIDTH_POWER = {("int", "add"): 1.0, ("int", "multiply"): 2.0}


@cache
def _points(operation: str, kind: str, node: float, column: str) -> dict[float, float]:
    """Widths and values of a table row; of energies at 45 nm and 7 nm, of areas at 45 nm."""
    source = "horowitz2014" if node == ANCHOR_NM else "jouppi2021"
    found = (
        (float(row["width_bits"]), number(row[column]))
        for row in rows_of("arithmetic")
        if (row["operation"], row["type"], float(row["technology_nm"]), row["source"])
        == (operation, kind, node, source)
    )
    return {width: value for width, value in found if value is not None}


def _at_width(points: dict[float, float], width: float, power: float) -> float:
    """Log-log in width between rows; beyond them linear for adders, quadratic for multipliers."""
    nearest = min(max(width, min(points)), max(points))
    beyond: float = (width / nearest) ** power
    return log_log(points, nearest) * beyond


def _check_width(part: Part, width: float) -> None:
    if part.number != "int" and width not in (16, 32):
        raise InputError(
            Problem(f"{part.number} arithmetic of {width:g} bits is not in the table",
                    "16 or 32 bits, or number: int")
        )  # fmt: skip
    if part.number == "bfloat" and width != 16:
        raise InputError(Problem(f"bfloat of {width:g} bits is not in the table", "16 bits"))
    if not 1 <= width <= 64:
        raise InputError(Problem(f"arithmetic of {width:g} bits is not in the table", "1 to 64"))


def operation_figures(part: Part, operation: str, width: float) -> tuple[Figure, Figure, Figure]:
    """Energy [pJ], area [mm2] and leakage [mW] of an adder or a multiplier.

    Parameters
    ----------
    part : Part
    operation : {"add", "multiply"}
    width : float
        Bits of an operand; of a multiplier of two widths the root of their product.
    """
    _check_width(part, width)
    kind = "float" if part.number == "bfloat" else part.number
    power = _WIDTH_POWER.get((kind, operation), 1.0)
    base = _at_width(_points(operation, kind, ANCHOR_NM, "energy_pj"), width, power)
    newest = _at_width(_points(operation, part.number, NEWEST_NM, "energy_pj"), width, power)
    energy = base * energy_factor(part.node, part.voltage_v, newest / base)
    low, high = energy_bar(part.node)
    inputs = (("nm", part.node), ("bits", width), ("number", part.number))
    rule = (
        f"{operation} of {kind}: {base:.3g} pJ at 45 nm, {newest:.3g} at 7 nm, log-log in width; "
        f"{RULE}"
    )
    if part.voltage_v is not None:
        rule += f"; at {part.voltage_v:g} V by the polynomial of the node"
    sources = "horowitz2014", "jouppi2021", "stillmaker2017"
    pj = Figure(energy, "pJ", rule, inputs, sources, low, high)
    um2 = _at_width(_points(operation, kind, ANCHOR_NM, "area_um2"), width, power)
    text = f"{operation} of {kind}: {um2:.4g} um2 at 45 nm, area after Stillmaker and Baas"
    if part.number == "bfloat":
        text += "; as float"
    area = Figure(
        um2 * area_factor(part.node) / 1e6, "mm2", text, inputs,
        ("horowitz2014", "stillmaker2017"), 1 / 1.5, 1.5,
    )  # fmt: skip
    density = LEAKAGE_MW_PER_UM2[operation] * 1e6
    leakage = replace(
        area, value=area.value * density, unit="mW", low=0.2, high=5.0,
        rule=f"{density:.3g} mW a mm2, as at 40 nm, of {text}",
    ).citing("shao2014")  # fmt: skip
    return pj, area, leakage


def estimate_adder(part: Part) -> Estimate:
    """One addition of two operands of `width_bits`."""
    energy, area, leakage = operation_figures(part, "add", part.width_bits)
    return Estimate({"add": energy}, leakage, area)


def estimate_multiplier(part: Part) -> Estimate:
    """One product of operands of `width_bits` and `other_width_bits`."""
    energy, area, leakage = operation_figures(part, "multiply", _product_width(part))
    return Estimate({"multiply": energy}, leakage, area)


def _product_width(part: Part) -> float:
    return math.sqrt(part.width_bits * (part.other_width_bits or part.width_bits))


def estimate_mac(part: Part) -> Estimate:
    """One multiplication and one addition of its product to a sum, without registers.

    The sum of integers is as wide as a product unless `accumulator_bits` says otherwise; that of
    other numbers as wide as they are.
    """
    product = part.width_bits + (part.other_width_bits or part.width_bits)
    width = part.accumulator_bits or (product if part.number == "int" else part.width_bits)
    if part.number == "bfloat":
        width = part.width_bits
    each = [
        operation_figures(part, "multiply", _product_width(part)),
        operation_figures(part, "add", min(width, 64)),
    ]
    energy, area, leakage = (total(pair, "multiplier + adder") for pair in zip(*each, strict=True))
    return Estimate(
        {"mac": energy, "multiply": each[0][0], "add": each[1][0]}, leakage, area,
        notes=("Registers and control of a MAC unit are not in its area or energy.",),
    )  # fmt: skip
