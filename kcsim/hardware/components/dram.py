"""DRAM by type: energy a bit and what it includes, background, activation."""

from __future__ import annotations

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.tables import Row, number, rows_of

WITHOUT_A_FIGURE = ("DDR5", "LPDDR5", "LPDDR5X", "GDDR6")
"""Types of which no trustworthy public figure a bit was found."""


def dram_types() -> tuple[str, ...]:
    """The types of the table."""
    return tuple(row["type"] for row in rows_of("dram"))


def dram_row(dram_type: str) -> Row:
    """What the table says of a type.

    Raises
    ------
    InputError
        If it has none of that name.
    """
    for row in rows_of("dram"):
        if row["type"].lower() == dram_type.lower():
            return row
    why = f"there is no DRAM type '{dram_type}'"
    if not dram_type:
        why = "a part of kind dram needs a dram_type"
    elif dram_type.upper() in WITHOUT_A_FIGURE:
        why = f"no trustworthy public energy a bit of {dram_type.upper()} was found; type read_pj"
    expected = "one of " + ", ".join(dram_types())
    raise InputError(Problem(why, expected, nearest(dram_type, dram_types())))


def estimate_dram(part: Part) -> Estimate:
    """One access of `width_bits`; the clock of a device that idles is in its background."""
    row = dram_row(part.dram_type)
    low, high = float(row["low"]), float(row["high"])
    inputs = (("type", row["type"]), ("bits", part.width_bits))
    energies = {}
    for name in ("read", "write"):
        each = float(row[f"{name}_pj_per_bit"])
        energies[name] = Figure(
            each * part.width_bits, "pJ", f"{each:g} pJ a bit: {row['included']}", inputs,
            (row["source"],), low, high,
        )  # fmt: skip
    background, activation = number(row["background_mw"]), number(row["activation_pj"])
    notes = [f"{row['type']}: {row['included']}."]
    if activation is not None and "activation at average" not in row["included"]:
        notes.append(
            f"An activation of a row of {row['row_bytes']} bytes takes {activation / 1000:g} nJ "
            "more; how often is not counted."
        )
    leakage = None
    if background is not None:
        leakage = Figure(
            background, "mW", "background of one device: standby and refresh", inputs[:1],
            (row["source"],), 0.7, 1.5,
        )  # fmt: skip
    return Estimate(energies, leakage, notes=tuple(notes))
