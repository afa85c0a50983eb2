"""What ports, heat and nodes beside the table change: ratios of CACTI's answers at equal sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.interpolation import linear
from kcsim.hardware.components.names import ROOM_TEMPERATURE_K
from kcsim.hardware.components.tables import rows_of

TEMPERATURES_K = (ROOM_TEMPERATURE_K, 330.0, 360.0, 400.0)


@dataclass(frozen=True)
class Ratio:
    """A median over sizes, and the 5 and 95 % of them."""

    median: float = 1.0
    low: float = 1.0
    high: float = 1.0
    over: str = ""

    @property
    def bar(self) -> dict[str, float]:
        """The error bar as factors."""
        return {"low": self.low / self.median, "high": self.high / self.median}


@cache
def _ratio(of: str, what: str, cell: str, quantity: str) -> Ratio | None:
    for row in rows_of("sram_ratios"):
        if (row["of"], row["what"], row["cell"], row["quantity"]) == (of, what, cell, quantity):
            median, low, high = (float(row[name]) for name in ("ratio", "low", "high"))
            return Ratio(median, low, high, row["over"])
    return None


def ports_ratio(ports: str, quantity: str) -> Ratio:
    """A RAM with such ports over one with a single port."""
    return _ratio("ports", ports, "", quantity) or Ratio()


def node_ratio(node: float, cell: str, quantity: str) -> Ratio | None:
    """A node over the one of the table that it names; ``None`` where CACTI was not asked."""
    return _ratio("node", f"{node:g}", cell, quantity)


def temperature_ratio(kelvin: float, cell: str, node: float) -> Ratio:
    """Leakage at a temperature over that at 300 K, of CACTI at 65 and 45 nm.

    Between the temperatures of the table it grows exponentially; nodes above 55 nm go by the row
    of 65 nm, others by that of 45 nm.

    Raises
    ------
    InputError
        Outside of 300 to 400 K.
    """
    if kelvin == ROOM_TEMPERATURE_K:
        return Ratio()
    if not ROOM_TEMPERATURE_K < kelvin <= TEMPERATURES_K[-1]:
        raise InputError(Problem(f"leakage at {kelvin:g} K is not known", "300 to 400 K"))
    of = f"{cell} {65 if node > 55 else 45}"
    rows = {each: _ratio("temperature", f"{each:g}", of, "leakage") for each in TEMPERATURES_K}
    logs = [
        math.exp(
            linear(
                {each: math.log(getattr(row or Ratio(), name)) for each, row in rows.items()},
                kelvin,
            )
        )
        for name in ("median", "low", "high")
    ]
    # Other nodes than the two that were asked differ by more than sizes do.
    spread = 1.0 if node in (65, 45) else 2.0
    return Ratio(logs[0], logs[1] / spread, logs[2] * spread, "300 K")
